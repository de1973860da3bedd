"""Who is connected to a control socket, who may stay, and how many requests may wait.

Owns the admission rules; knows neither sockets nor requests. A connection is a stranger until
its first well-formed request and a member from then on:

- Strangers are cheap and many: the oldest goes when there are too many, so that a flood of
  junk connections costs neither memory nor anybody's place.
- Members are few. Observers may take all places but the reserved ones. When all are taken, a
  caller that may act gets the place of the member that has been quiet longest: an idle one,
  or, where it gives a command that acts, even a busy one. So nothing keeps a kill out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hftd.control.commands import Command, Role
from hftd.control.faults import ControlError, TooBusy
from hftd.control.protocol import LINE_DEADLINE_S


@dataclass(frozen=True, slots=True)
class Bounds:
    """Every bound of a control socket; the defaults are the daemon's."""

    members: int = 8
    reserved: int = 1
    strangers: int = 128  # four times what the kernel queues, see server.BACKLOG
    waiting_queries: int = 48
    waiting_acts: int = 64
    waiting_kills: int = 256
    streams: int = 4  # a connection
    bad_lines: int = 8  # in a row, then the connection is closed
    lines_per_turn: int = 16  # then the loop gets its turn
    line_s: float = LINE_DEADLINE_S
    stranger_s: float = 30.0
    quiet_s: float = 300.0
    slow_reader_s: float = 5.0


class Guest(Protocol):
    """What the lobby must know of a connection."""

    @property
    def role(self) -> Role:
        """The caller's role."""

    @property
    def busy(self) -> bool:
        """Whether a request waits or a stream runs."""

    @property
    def quiet_since(self) -> float:
        """When the last well-formed request came, on the loop's clock."""

    def dismiss(self, fault: ControlError) -> None:
        """Tell the caller why, and close."""


class Lobby:
    """The connections of one control socket and the requests that wait for an answer."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        # Dictionaries, because they keep the order of arrival.
        self._strangers: dict[Guest, None] = {}
        self._members: dict[Guest, None] = {}
        self._waiting = 0

    def arrive(self, guest: Guest) -> None:
        """Take in a new connection; the oldest stranger makes room when there are too many."""
        self._strangers[guest] = None
        if len(self._strangers) > self._bounds.strangers:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.dismiss(TooBusy(f"more than {self._bounds.strangers} silent connections"))

    def leave(self, guest: Guest) -> None:
        """Forget a connection that is closed."""
        self._strangers.pop(guest, None)
        self._members.pop(guest, None)

    def admit(self, guest: Guest, command: Command) -> None:
        """Make the connection a member, for its first command; raises TooBusy when full."""
        if guest in self._members:
            return
        observer = guest.role is Role.OBSERVER
        places = self._bounds.members - (self._bounds.reserved if observer else 0)
        if len(self._members) >= places:
            leaver = None if observer else self._quietest(command.role is not Role.OBSERVER)
            if leaver is None:
                raise TooBusy(f"{places} connections are served, no more")
            del self._members[leaver]
            leaver.dismiss(TooBusy("an operator needed this place"))
        self._strangers.pop(guest, None)
        self._members[guest] = None

    def _quietest(self, even_busy: bool) -> Guest | None:
        leavers = [guest for guest in self._members if even_busy or not guest.busy]
        return min(leavers, key=lambda guest: (guest.busy, guest.quiet_since), default=None)

    def begin(self, command: Command) -> None:
        """Count a request that will wait for its answer; raises TooBusy at the bound."""
        if command.name == "kill":
            most = self._bounds.waiting_kills
        elif command.role is Role.OBSERVER:
            most = self._bounds.waiting_queries
        else:
            most = self._bounds.waiting_acts
        if self._waiting >= most:
            raise TooBusy(f"{self._waiting} requests wait for an answer, the limit is {most}")
        self._waiting += 1

    def end(self) -> None:
        """Count a request as answered."""
        self._waiting -= 1
        assert self._waiting >= 0, "a request was answered twice"

    def guests(self) -> list[Guest]:
        """Return all connections, strangers first."""
        return [*self._strangers, *self._members]
