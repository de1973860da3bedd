"""How a check of the gate says no: a code, the number judged and the bound it was judged by."""

from __future__ import annotations

from hftd.domain.kernel import kernel
from hftd.engine.state import State


@kernel
def verdict(state: State, code: int, value: int, bound: int) -> int:
    """Leave the numbers of a refusal and return its code."""
    core = state.core[0]
    core["verdict_value"] = value
    core["verdict_bound"] = bound
    return code
