"""A local book by the documented rule, for programs in virtual environments of their own.

Needs the standard library alone. At every event whose end the exchange's snapshot shows, the
two books are compared whole.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any


class LocalBook:
    """The book that a client's events build, and how often it was compared."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.events = self.compared = 0
        self._waiting: list[Any] = []
        self._reached = -1
        self._sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        self._snapshots: dict[int, dict[str, dict[str, str]]] = {}

    def take(self, event: Any) -> None:
        """Take a depthUpdate; the first one fetches the snapshot, as the rule says."""
        if self._reached < 0:
            self._reached, self._sides = self._fetch()
        if event["u"] <= self._reached:
            return
        assert event["U"] <= self._reached + 1, f"gap after {self._reached}: {event['U']}"
        for side, key in (("bids", "b"), ("asks", "a")):
            for price, quantity in event[key]:
                self._sides[side][price] = quantity
                if float(quantity) == 0:
                    del self._sides[side][price]
        self._reached = event["u"]
        self.events += 1
        if self.events % 20 == 0:
            number, sides = self._fetch()
            self._snapshots[number] = sides
        expected = self._snapshots.pop(self._reached, None)
        if expected is not None:
            assert self._sides == expected, f"the books differ at {self._reached}"
            self.compared += 1

    def _fetch(self) -> tuple[int, dict[str, dict[str, str]]]:
        address = f"{self.url}/api/v3/depth?symbol=BTCUSDT&limit=100"
        with urllib.request.urlopen(address) as reply:
            snapshot = json.load(reply)
        return snapshot["lastUpdateId"], {side: dict(snapshot[side]) for side in ("bids", "asks")}
