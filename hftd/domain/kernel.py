"""The one decorator that compiles: what runs in the hot path is a plain function under it.

Owns how a kernel is compiled. Must not know any kernel, nor where the cache folder is
(`hftd/runtime/kernel_cache.py` sets that before Numba is imported).

A kernel is a function of plain integers, floats and NumPy arrays, and calls only kernels. One that
makes no array, and calls none that does, may be ``@kernel.borrowing``: its arrays are its caller's,
who holds them while it runs, so it counts no references to them. That is for kernels that hand the
same bytes on at every step, where the counting took more time than the reading.
Under ``NUMBA_DISABLE_JIT=1`` it stays the Python function it was written as, so nothing may
work only when compiled; under ``NUMBA_BOUNDSCHECK=1`` an index out of range raises. Where no
cache folder was prepared, kernels are compiled anew by each process: Numba's own choice of a
folder would run old code after an edit in a callee's file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _record_symbol(record: Any) -> tuple[str, tuple[str]]:
    """Return how a record type is named in the symbols of machine code: by all that it holds."""
    return "Record", (_digest(record.name),)


# Numba names record types in symbols by a number that each process counts up anew. Code that
# two processes compiled and cached for worlds of different shapes then bears one name; where a
# third loads both, the linker lets one shape run with the other's offsets (Numba 0.68).
numba.types.Record.mangling_args = property(_record_symbol)


def _record_words(record: Any) -> str:
    """Return a record type in a few words, and not with each field of all that it nests."""
    return f"Record of {len(record.fields)} fields, {record.size} bytes"


# Numba writes every type out at each pass over each kernel, whoever reads it: with its own words
# for ours, tens of thousands of characters, that was a tenth of the time that compiling took.
numba.types.Record.__repr__ = _record_words

# Python's error model: a division by zero raises compiled as it does uncompiled. Nobody calls a
# kernel from C, and the wrapper for that was a fifteenth of it.
_options: dict[str, Any] = {
    "cache": bool(numba.config.CACHE_DIR),
    "error_model": "python",
    "no_cfunc_wrapper": True,
}
_compile = numba.njit(_nrt=True, **_options)
_compile_borrowing = numba.njit(_nrt=False, **_options)


def _passed_as(kind: Any) -> Any:
    """Return the type that a kernel hands a value of this type on as."""
    if isinstance(kind, numba.types.Literal):
        kind = kind.literal_type
    if isinstance(kind, numba.types.IntEnumMember):
        kind = kind.dtype
    narrow = isinstance(kind, numba.types.Integer) and kind.bitwidth < numba.types.int64.bitwidth
    return numba.types.int64 if narrow else kind


def _one_integer(kernel: Any) -> Any:
    """Let a kernel be compiled once for all whole numbers that other kernels pass to it.

    Numba compiles anew for each constant, each enumeration and each width: a quarter of all that
    it made, and nothing that runs faster.
    """
    if not hasattr(kernel, "get_call_template"):
        return kernel  # Under NUMBA_DISABLE_JIT it is the function itself.
    call_template = kernel.get_call_template

    def widened(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        wide = {name: _passed_as(kind) for name, kind in named.items()}
        return call_template(tuple(map(_passed_as, arguments)), wide)

    kernel.get_call_template = widened
    return kernel


class _Kernel:
    """The decorator, and its other form."""

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Compile ``function`` with Numba on its first call, keeping its types for the checker."""
        return cast("Callable[P, R]", _one_integer(_compile(function)))

    def borrowing(self, function: Callable[P, R]) -> Callable[P, R]:
        """Compile a function that makes no array; one that does is refused by Numba."""
        return cast("Callable[P, R]", _one_integer(_compile_borrowing(function)))


kernel = _Kernel()
