"""The way into a kernel without Numba's dispatcher, for callers in the hot path.

Owns how the machine code of one kernel is reached. Must not know any kernel, nor how they are
made (`hftd/domain/kernel.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

R = TypeVar("R")
_TYPES: dict[tuple[Any, ...], Any] = {}  # A few of each kind of array that some kernel takes.


def entry(function: Callable[..., R], *arguments: Any) -> Callable[..., R]:
    """Return the machine code of a kernel for arguments of these types, compiled if need be.

    The dispatcher looks up the types of all arguments at each call, which for five arrays of
    records takes 1.2 of 1.5 µs. The entry looks up nothing: whoever holds it calls it with
    arrays of these very dtypes and layouts, best with these very arrays. A plain function, or
    any under ``NUMBA_DISABLE_JIT=1``, is its own entry.
    """
    dispatcher = cast("Any", function)
    if not hasattr(dispatcher, "overloads"):
        return function
    types = tuple(_type_of(argument) for argument in arguments)
    dispatcher.compile(types)
    return cast("Callable[..., R]", dispatcher.overloads[types].entry_point)


def _type_of(argument: Any) -> Any:
    # Numba makes a large record's type anew at each question, which takes milliseconds; a
    # process that boots many engines asks for the same few.
    if type(argument) is not np.ndarray:
        return numba.typeof(argument)
    flags = argument.flags
    layout = (argument.dtype, argument.ndim, flags.c_contiguous, flags.writeable, flags.aligned)
    found = _TYPES.get(layout)
    if found is None:
        found = _TYPES[layout] = numba.typeof(argument)
    return found
