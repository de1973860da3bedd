"""A changed profile in a running daemon: live keys change now, the others wait for a start.

Owns the order of it: the files are read again beside the trading loop, what differs is told, the
engine takes all limits or none (C38), then the recorder starts again with what is its own. What it
needs for that (a webhook's address, say) is had before anything changes: a secret that is missing
refuses the reload. Whoever gave it, both hashes and every changed key stand in the ledger. Must not
judge a limit: the engine does.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hftd.config.live_keys import LIMIT_KEYS, Change, Taker, changes_between, in_force
from hftd.config.load import LoadedProfile
from hftd.control.faults import Refused
from hftd.control.shapes import Reloaded
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind, EventKind
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.domain.limits import FIRST_OF_INSTRUMENT, Limit
from hftd.drivers.books import build_world, profile_hash
from hftd.engine.engine import Engine
from hftd.engine.state import in_use
from hftd.errors import HftdError
from hftd.venues.port import new_event

# Where the engine holds each limit; `hftd.engine.limits` says the same to a kernel.
FIELDS: Final = {
    Limit.DAILY_LOSS_ATOMS: "max_daily_loss_atoms",
    Limit.DRAWDOWN_ATOMS: "max_drawdown_atoms",
    Limit.TURNOVER_ATOMS: "max_turnover_atoms",
    Limit.GROSS_EXPOSURE_ATOMS: "max_gross_exposure_atoms",
    Limit.OPEN_NOTIONAL_ATOMS: "max_open_notional_atoms",
    Limit.ORDER_INTERVAL_NS: "order_interval_ns",
    Limit.BOOK_AGE_NS: "max_book_age_ns",
    Limit.UNKNOWN_ORDERS: "max_unknown_orders",
    Limit.ONE_SIDED_FILLS: "max_one_sided_fills",
    Limit.ORDERS_WITHOUT_FILL: "max_orders_without_fill",
    Limit.LOOP_LAG_NS: "max_loop_lag_ns",
    Limit.ACK_NS: "max_ack_ns",
    Limit.PRICE_JUMP_BPS_E2: "price_jump_bps_e2",
    Limit.ORDER_LOTS: "max_order_lots",
    Limit.ORDER_LOTS_REDUCE: "max_order_lots_reduce",
    Limit.ORDER_NOTIONAL_ATOMS: "max_order_notional_atoms",
    Limit.ORDER_NOTIONAL_ATOMS_REDUCE: "max_order_notional_atoms_reduce",
    Limit.POSITION_LOTS: "max_position_lots",
    Limit.OPEN_ORDERS: "max_open_orders",
    Limit.COLLAR_BPS_E2: "collar_bps_e2",
    Limit.QUOTE_DISTANCE_BPS_E2: "max_quote_distance_bps_e2",
}
_MAX_SAID = 2_000  # Characters of the changes in one row of the ledger.


class Proposal(NamedTuple):
    """One limit as the profile now wants it, in the engine's units; instrument -1: all."""

    limit: Limit
    instrument: int
    value: int
    loosens: bool


Start = tuple[Sequence[str], Mapping[str, str]]  # A child's command line and its environment.


class Reread(NamedTuple):
    """A profile read again, beside the one that runs; ``recorder`` where its part has changed."""

    force: LoadedProfile
    changes: list[Change]
    proposals: list[Proposal]
    recorder: Start | None


Read = Callable[[Sequence[str]], LoadedProfile]
RecorderOf = Callable[[LoadedProfile], Start]
Give = Callable[[CommandKind, int, int, dict[str, Any], int], Code]
Take = Callable[[LoadedProfile, Start | None], None]


class Reload:
    """Serves ``reload``, ``set`` and SIGHUP; ``take`` hears what is in force afterwards."""

    def __init__(
        self,
        loaded: LoadedProfile,
        instruments: Sequence[Instrument],
        engine: Engine,
        read: Read,
        recorder_of: RecorderOf,
        ts_ns: Callable[[], int],
        on_event: Callable[[Records], None],
        give: Give,
        take: Take,
        say: Callable[[str], None],
    ) -> None:
        self._loaded = loaded
        self._instruments = instruments
        self._engine = engine
        self._read = read
        self._recorder_of = recorder_of
        self._ts_ns = ts_ns
        self._on_event = on_event
        self._give = give
        self._take = take
        self._say = say
        self._sets: tuple[str, ...] = ()
        self._turn = asyncio.Lock()

    async def hang_up(self) -> None:
        """SIGHUP is ``reload``; what comes of it is told on the screen."""
        try:
            result = await self.run(None, False, {"uid": os.getuid(), "pid": os.getpid()})
            self._say(f"SIGHUP: {result['line']}")
        except Refused as refusal:
            self._say(f"SIGHUP: refused: {refusal.message}")

    async def run(self, change: str | None, check: bool, who: dict[str, Any]) -> Reloaded:
        """Read the profile again, with one key changed where ``change`` is KEY=VALUE.

        Raises: Refused, with nothing changed, where the profile has a mistake, where a secret that
        the recorder needs cannot be had, where other keys than the one to set have changed in its
        files, or where the engine refuses.
        """
        async with self._turn:
            return await self._run(change, check, who)

    async def _run(self, change: str | None, check: bool, who: dict[str, Any]) -> Reloaded:
        began_ns = time.monotonic_ns()
        sets = self._sets if change is None else (*self._sets, change)
        try:
            # A thread: files, YAML and validation take longer than a quote may wait.
            reread = await asyncio.to_thread(self._reread, sets)
        except HftdError as error:
            raise Refused(f"{error}; the running profile stays as it is") from None
        if change is not None:
            _only(change.partition("=")[0].strip(), reread.changes)
        now = [one for one in reread.changes if one.taker is not Taker.START]
        if now and not check:
            self._change(reread, now, change, who)
            self._sets = sets
        holds = " until the next start; write it into the profile to keep it" if change else ""
        return self._reloaded(reread.changes, check, holds, began_ns)

    def _reread(self, sets: Sequence[str]) -> Reread:
        new = self._read(sets)
        force = in_force(self._loaded, new)
        world = build_world(force.profile, self._instruments)
        changes = changes_between(self._loaded, new)
        moved = any(one.taker is Taker.RECORDER for one in changes)
        recorder = self._recorder_of(force) if moved else None
        return Reread(force, changes, proposals(self._engine.state, in_use(world)), recorder)

    def _change(
        self, reread: Reread, now: Sequence[Change], change: str | None, who: dict[str, Any]
    ) -> None:
        hashes = f"{self._loaded.config_hash} -> {reread.force.config_hash}"
        told = "; ".join(f"{one.key} {one.old} -> {one.new}" for one in now)
        said = f"{'reload' if change is None else 'set'} {hashes}: {told}"[:_MAX_SAID]
        words = {"command": "set-limits", **who, "reason": said}
        # Where no limit differs one is proposed as it stands: then the change is on record.
        wanted = reread.proposals or [_as_it_stands(self._engine)]
        for one in wanted:
            fields = {"limit": one.limit, "instrument": one.instrument, "value": one.value}
            self._on_event(new_event(EventKind.LIMIT, self._ts_ns(), **fields))
        given_by = profile_hash(reread.force.profile)
        code = self._give(CommandKind.SET_LIMITS, -1, 0, words, given_by)
        if code != Code.NONE:
            raise Refused(_refusal(code, reread, self._state()))
        self._loaded = reread.force
        self._take(reread.force, reread.recorder)

    def _state(self) -> str:
        return TradingState(int(self._engine.state.core[0]["state"])).name

    def _reloaded(
        self, changes: Sequence[Change], check: bool, holds: str, began_ns: int
    ) -> Reloaded:
        now = sum(one.taker is not Taker.START for one in changes)
        later = len(changes) - now
        if not changes:
            line = f"nothing has changed in {self._loaded.path}"
        else:
            line = f"{now} {'can change now' if check else 'changed' + holds}"
            if later:
                line += f", {later} {'waits' if later == 1 else 'wait'} for the next start"
        return {
            "ok": True, "complete": True, "line": line, "state": self._state(),
            "open_orders_left": [], "elapsed_ms": round((time.monotonic_ns() - began_ns) / 1e6, 3),
            "checked": check, "config_hash": self._loaded.config_hash,
            "changes": [
                {
                    "key": one.key, "old": one.old, "new": one.new, "origin": one.origin,
                    "takes": "start" if one.taker is Taker.START else "now",
                }
                for one in changes
            ],
        }  # fmt: skip


def proposals(now: Any, wanted: Any) -> list[Proposal]:
    """Return every limit in which two states differ.

    One that is 0 on either side is not the profile's own: the venue's rate (C17).
    """
    found = []
    for limit, name in FIELDS.items():
        each = limit >= FIRST_OF_INSTRUMENT
        before, after = (now.instruments, wanted.instruments) if each else (now.core, wanted.core)
        pairs = zip(before[name].tolist(), after[name].tolist(), strict=True)
        for index, (old, new) in enumerate(pairs):
            if old != new and old and new:
                looser = new < old if limit is Limit.ORDER_INTERVAL_NS else new > old
                found.append(Proposal(limit, index if each else -1, new, looser))
    return found


def _as_it_stands(engine: Engine) -> Proposal:
    limit = Limit.DAILY_LOSS_ATOMS
    return Proposal(limit, -1, int(engine.state.core[0][FIELDS[limit]]), loosens=False)


def _only(key: str, changes: Sequence[Change]) -> None:
    """Refuse to set a key that waits for a start, or beside a file that has changed meanwhile."""
    mine = [one for one in changes if one.key == key or one.key.startswith(f"{key}.")]
    for one in mine:
        if one.taker is Taker.START:
            raise Refused(f"{one.key} is taken at a start alone: write it into the profile")
    # A limit that takes its default from another changes with it, and is no change of the file.
    others = [one.key for one in changes if one not in mine and one.origin != "default"]
    if others:
        raise Refused(
            f"the profile's files have changed since they were read ({', '.join(others[:3])}): "
            f"first hftctl reload"
        )


def _refusal(code: Code, reread: Reread, state: str) -> str:
    if code == Code.LIMIT_LOOSENED:
        loose = {LIMIT_KEYS[one.limit] for one in reread.proposals if one.loosens}
        named = [one for one in reread.changes if one.key.rpartition(".")[2] in loose]
        told = ", ".join(f"{one.key} {one.old} -> {one.new}" for one in named)
        return (
            f"{code.name}: state={state}; {told} allows more, which only HALTED or KILLED takes; "
            f"nothing was changed"
        )
    return f"{code.name}: {len(reread.proposals)} limits; nothing was changed"
