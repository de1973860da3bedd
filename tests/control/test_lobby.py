"""The lobby: who may stay when places run out, by plain guests without sockets."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from hftd.control.commands import COMMANDS, Role
from hftd.control.faults import ControlError, TooBusy
from hftd.control.lobby import Bounds, Lobby

STATUS, KILL = COMMANDS["status"], COMMANDS["kill"]


@dataclass(eq=False)
class Caller:
    """A guest that remembers why it had to go."""

    role: Role = Role.OBSERVER
    busy: bool = False
    quiet_since: float = 0.0
    told: list[ControlError] = field(default_factory=list)

    def dismiss(self, fault: ControlError) -> None:
        self.told.append(fault)


def filled(lobby: Lobby, *callers: Caller) -> list[Caller]:
    """Let callers arrive and become members."""
    for caller in callers:
        lobby.arrive(caller)
        lobby.admit(caller, STATUS)
    return list(callers)


def test_the_oldest_stranger_makes_room() -> None:
    """Strangers beyond the bound push out the one that came first."""
    lobby = Lobby(Bounds(strangers=2))
    callers = [Caller() for _ in range(4)]
    for caller in callers:
        lobby.arrive(caller)
    assert [bool(caller.told) for caller in callers] == [True, True, False, False]
    assert lobby.guests() == callers[2:]


def test_observers_leave_the_reserved_place() -> None:
    """With one place reserved, observers fill the others, and an operator still gets in."""
    lobby = Lobby(Bounds(members=3, reserved=1))
    filled(lobby, Caller(), Caller())
    late = Caller()
    lobby.arrive(late)
    with pytest.raises(TooBusy, match="2 connections are served"):
        lobby.admit(late, STATUS)
    operator = Caller(Role.OPERATOR)
    lobby.arrive(operator)
    lobby.admit(operator, STATUS)
    assert operator in lobby.guests()


def test_an_operator_gets_the_quietest_idle_place() -> None:
    """When all is taken, the member idle for longest goes, not a busy one."""
    lobby = Lobby(Bounds(members=3))
    busy, old, new = filled(
        lobby,
        Caller(Role.ADMIN, busy=True, quiet_since=1.0),
        Caller(Role.ADMIN, quiet_since=2.0),
        Caller(Role.ADMIN, quiet_since=3.0),
    )
    filled(lobby, Caller(Role.OPERATOR, quiet_since=4.0))
    assert (bool(busy.told), bool(old.told), bool(new.told)) == (False, True, False)


def test_only_an_act_takes_a_busy_place() -> None:
    """With all members busy a query waits for another day, and a kill does not."""
    lobby = Lobby(Bounds(members=2))
    first, second = filled(
        lobby,
        Caller(Role.ADMIN, busy=True, quiet_since=1.0),
        Caller(Role.ADMIN, busy=True, quiet_since=2.0),
    )
    operator = Caller(Role.OPERATOR)
    lobby.arrive(operator)
    with pytest.raises(TooBusy):
        lobby.admit(operator, STATUS)
    lobby.admit(operator, KILL)
    assert (bool(first.told), bool(second.told)) == (True, False)


def test_waiting_requests_have_bounds_that_leave_room_for_a_kill() -> None:
    """Queries stop waiting first, then acts; a kill still waits."""
    lobby = Lobby(Bounds(waiting_queries=1, waiting_acts=2, waiting_kills=3))
    lobby.begin(STATUS)
    with pytest.raises(TooBusy):
        lobby.begin(STATUS)
    lobby.begin(COMMANDS["flatten"])
    with pytest.raises(TooBusy):
        lobby.begin(COMMANDS["flatten"])
    lobby.begin(KILL)
    for _ in range(3):
        lobby.end()
    lobby.begin(STATUS)


def test_a_guest_that_leaves_frees_its_place() -> None:
    """Leaving twice, or without having come, is harmless."""
    lobby = Lobby(Bounds(members=1, reserved=0))
    (first,) = filled(lobby, Caller())
    lobby.leave(first)
    lobby.leave(first)
    filled(lobby, Caller())
    assert len(lobby.guests()) == 1
