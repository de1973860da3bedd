"""Requests that were sent and have no answer yet, each with the time it may take.

Owns the table: at most `CAPACITY` requests; what does not fit is not sent. Must not know
sockets. What a lost or unsent request means is told by its own id, through the dialect.
"""

from __future__ import annotations

import numpy as np

from hftd.domain.events import EVENT
from hftd.domain.layout import Records
from hftd.venues.binance.replies import write_in_doubt, write_not_sent
from hftd.venues.binance.request_id import RequestId, parse_request_id
from hftd.venues.binance.rows import Rows

CAPACITY = 1_024
QUERY_TIMEOUT_NS = 5_000_000_000
# The venue lets a create in until timestamp + recvWindow; a second more for the way back.
ANSWER_GRACE_NS = 1_000_000_000
_CREATES_AND_CANCELS = ("p", "c", "r")


class InFlight:
    """The table; times are on the axis of events."""

    def __init__(self, recv_window_ms: int, instruments: int) -> None:
        self._order_timeout_ns = recv_window_ms * 1_000_000 + ANSWER_GRACE_NS
        self._instruments = instruments
        self._deadline_ns: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._deadline_ns)

    @property
    def is_full(self) -> bool:
        """Whether no request may be sent before one is answered."""
        return len(self._deadline_ns) >= CAPACITY

    def add(self, identity: str, now_ns: int) -> None:
        """Note a request that was sent; there must be room."""
        assert not self.is_full, f"at most {CAPACITY} requests in flight"
        is_order = identity.startswith(_CREATES_AND_CANCELS)
        self._deadline_ns[identity] = now_ns + (
            self._order_timeout_ns if is_order else QUERY_TIMEOUT_NS
        )

    def answered(self, identity: str) -> None:
        """Forget a request that was answered, or was not sent after all."""
        self._deadline_ns.pop(identity, None)

    def take_late(self, now_ns: int) -> list[str]:
        """Forget and return the requests whose time is over."""
        late = [name for name, deadline in self._deadline_ns.items() if deadline <= now_ns]
        for identity in late:
            del self._deadline_ns[identity]
        return late

    def take_all(self) -> list[str]:
        """Forget and return every request: their connection is gone."""
        lost = list(self._deadline_ns)
        self._deadline_ns.clear()
        return lost

    def lost_events(self, identity: str, ts_ns: int) -> Records:
        """Return what it means that a request has no answer: its outcome is in doubt."""
        rows, events = self._rows(ts_ns)
        write_in_doubt(self._parse(identity), 0, rows)
        return events[: rows.count]

    def unsent_events(self, identity: str, ts_ns: int) -> Records:
        """Return what it means that a request was never sent: a definite refusal."""
        rows, events = self._rows(ts_ns)
        write_not_sent(self._parse(identity), rows)
        return events[: rows.count]

    def _parse(self, identity: str) -> RequestId:
        request = parse_request_id(identity, self._instruments)
        assert request is not None, f"an id of ours is needed, was {identity!r}"
        return request

    def _rows(self, ts_ns: int) -> tuple[Rows, Records]:
        rows, events = Rows(), np.zeros(2, EVENT)
        rows.begin(events, ts_ns)
        return rows, events
