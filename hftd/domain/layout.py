"""How record layouts are written down: name, NumPy type, meaning; and made into a dtype."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Records = npt.NDArray[Any]  # A structured array; its dtype is named where it is made.


class Field(NamedTuple):
    """One field of a record: its name, its NumPy type and what it means."""

    name: str
    kind: str
    meaning: str


def layout(*fields: Field) -> np.dtype[Any]:
    """Return the aligned dtype of the fields, in the order given."""
    return np.dtype([(field.name, field.kind) for field in fields], align=True)
