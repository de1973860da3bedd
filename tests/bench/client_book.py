"""What every client's program shares: a book by the documented rule, and books as digests.

Needs the standard library alone, because each client runs in an environment of its own. A book
is noted as one line a depth event, ``UPDATE_ID DIGEST``; the exchange under test notes its own
book in the same way (``client_market``), so that two files of lines compare whole books.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any

ATOMS = 10**8
Level = tuple[Any, Any]


def digest(bids: Iterable[Level], asks: Iterable[Level]) -> str:
    """Return the digest of a book; levels in any order, numbers as text, float or Decimal."""
    lines = []
    for side in (bids, asks):
        atoms = sorted((_atoms(price), _atoms(quantity)) for price, quantity in side)
        lines.append(" ".join(f"{price}:{quantity}" for price, quantity in atoms))
    return blake2b("|".join(lines).encode(), digest_size=12).hexdigest()


def _atoms(number: Any) -> int:
    return int((Decimal(str(number)) * ATOMS).to_integral_value())


class Notes:
    """A file of update ids and digests; ``count`` is how many events were noted."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)
        self._last = -1
        self.count = 0

    def __enter__(self) -> Notes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def note(self, update_id: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Write a book down, once for an update id."""
        if update_id != self._last:
            self._file.write(f"{update_id} {digest(bids, asks)}\n")
            self._last = update_id
            self.count += 1


def read_notes(path: Path) -> dict[int, str]:
    """Return the digests of a file by update id, in order."""
    lines = path.read_text("ascii").splitlines()
    return {int(update_id): text for update_id, text in (line.split() for line in lines)}


def compare(truth: Path, seen: Path) -> int:
    """Return at how many update ids a client's book equals the exchange's.

    Raises AssertionError at the first id that differs, or that the client passed over.
    """
    books, theirs = read_notes(truth), read_notes(seen)
    first, last = min(theirs), max(theirs)
    expected = {number: text for number, text in books.items() if first <= number <= last}
    assert list(theirs) == list(expected), "the client passed events over, or saw others"
    different = [number for number, text in expected.items() if theirs[number] != text]
    assert different == [], f"the books differ first at update id {different[0]}"
    return len(expected)


class LocalBook:
    """The book that a client's events build: snapshot first, then every event in sequence."""

    def __init__(self, url: str, notes: Notes) -> None:
        self._url = url
        self._notes = notes
        self._reached = -1
        self._sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}

    def take(self, event: Any) -> None:
        """Take a depthUpdate; the first one fetches the snapshot, as the rule says."""
        if self._reached < 0:
            self._fetch()
        if event["u"] <= self._reached:
            return
        assert event["U"] <= self._reached + 1, f"gap after {self._reached}: {event['U']}"
        for side, key in (("bids", "b"), ("asks", "a")):
            for price, quantity in event[key]:
                self._sides[side][price] = quantity
                if float(quantity) == 0:
                    del self._sides[side][price]
        self._reached = event["u"]
        self._notes.note(self._reached, self._sides["bids"].items(), self._sides["asks"].items())

    def _fetch(self) -> None:
        address = f"{self._url}/api/v3/depth?symbol=BTCUSDT&limit=1000"
        with urllib.request.urlopen(address) as reply:
            snapshot = json.load(reply)
        self._reached = snapshot["lastUpdateId"]
        self._sides = {side: dict(snapshot[side]) for side in ("bids", "asks")}
