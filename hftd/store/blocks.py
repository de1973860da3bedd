"""Facts in columns: those of one run, one kind and one instrument as arrays.

Knows words and no table. A recorder that catches up has no time for a dictionary a fact; and each
text is made once for each number that stands in a column, as prices, sizes and names come again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

import numpy as np

from hftd.domain.codes import Code
from hftd.domain.instrument import Instrument
from hftd.domain.refusals import name_of
from hftd.store.words import Fact, RunWords

Value = TypeVar("Value", bound=Hashable)


class Block(NamedTuple):
    """Facts of one run, one kind and one instrument, in their order.

    ``facts`` is (n,) of FACT; ``seqs`` and ``parts`` (n,) int64 say where each stands: its
    record, and its number within it.
    """

    words: RunWords
    facts: np.ndarray[Any, Any]
    seqs: np.ndarray[Any, Any]
    parts: np.ndarray[Any, Any]

    def take(self, at: Sequence[int] | np.ndarray[Any, Any]) -> Block:
        """Return some of the facts."""
        return Block(self.words, self.facts[at], self.seqs[at], self.parts[at])

    @property
    def instrument(self) -> Instrument | None:
        """The instrument that all of them are of, None where they are of none."""
        index = int(self.facts["instrument"][0])
        return self.words.header.instruments[index] if index >= 0 else None

    def column(self, name: str) -> list[int]:
        """Return a field of all facts."""
        found: list[int] = self.facts[name].tolist()
        return found

    def same(self, value: Any) -> list[Any]:
        """Return a column that says the same of all facts."""
        return [value] * len(self.facts)

    def texts(self, make: Callable[[Any], Any], name: str) -> list[Any]:
        """Return what ``make`` makes of each number of a field."""
        return each_once(make, self.column(name))

    def names(self, kind: type[IntEnum], name: str) -> list[str]:
        """Return the names of an enum's numbers."""
        return self.texts(lambda number: name_of(kind, number), name)

    def codes(self) -> list[str | None]:
        """Return the codes by name, None for no code."""
        return self.texts(lambda code: name_of(Code, code) if code else None, "code")

    def each(self) -> Iterator[Fact]:
        """Iterate over the facts by name, where a text depends on several of their numbers."""
        names = self.facts.dtype.names or ()
        return (dict(zip(names, fact, strict=True)) for fact in self.facts.tolist())


def blocks_of(
    words: RunWords, facts: np.ndarray[Any, Any], seqs: np.ndarray[Any, Any],
    parts: np.ndarray[Any, Any],
) -> Iterator[Block]:  # fmt: skip
    """Part a run's facts by kind and instrument."""
    kinds = facts["kind"].astype(np.int64) << 32 | facts["instrument"] + 1
    for kind in np.unique(kinds):
        at = np.flatnonzero(kinds == kind)
        yield Block(words, facts[at], seqs[at], parts[at])


def each_once(make: Callable[[Value], Any], values: list[Value]) -> list[Any]:
    """Return what ``make`` makes of each value, made once for each different one."""
    made = {value: make(value) for value in dict.fromkeys(values)}
    return [made[value] for value in values]


def first(values: list[int]) -> list[int]:
    """Return where each different value stands first."""
    found: dict[int, int] = {}
    for at, value in enumerate(values):
        found.setdefault(value, at)
    return list(found.values())


def newest(values: list[int]) -> list[int]:
    """Return where each different value stands last, in the order of `first`."""
    return list({value: at for at, value in enumerate(values)}.values())
