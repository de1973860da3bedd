"""The read-only questions of the control socket, answered from the engine's arrays.

Owns who answers what, and the sentences of an act's last line. Changes nothing, calls no
kernel and waits for nothing; what is computed how stands in ``answers_*``: money, market,
limits, health. Each answer is of one moment: the engine does not run meanwhile.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from hftd import __version__
from hftd.config.load import LoadedProfile
from hftd.control import shapes
from hftd.control.faults import InvalidParams, UnknownMethod
from hftd.control.protocol import PROTOCOL
from hftd.domain.instrument import Instrument
from hftd.engine.engine import Engine
from hftd.runtime import (
    answers_health,
    answers_limits,
    answers_market,
    answers_money,
    answers_reconcile,
)
from hftd.runtime.answers_health import Parts
from hftd.runtime.answers_view import View, clock_text, look
from hftd.runtime.telemetry import Telemetry

_DEPTH = 10  # Levels of a book's side where the caller names no number.


class TellsTime(Protocol):
    """The clock of the driver that asks: the axis of all events."""

    def ts_ns(self) -> int:
        """Return now."""
        ...


def not_known() -> None:
    """Say that nobody measures it."""
    return


class Answers:
    """Answers about one engine; `Parts` says what the callables tell."""

    def __init__(
        self,
        engine: Engine,
        instruments: Sequence[Instrument],
        assets: Sequence[str],
        loaded: LoadedProfile,
        instance: str,
        tag: str,
        clock: TellsTime,
        telemetry: Telemetry,
        journal_seq: Callable[[], int],
        recorder_seq: Callable[[], int | None],
        started_ns: int,
        venue_name: str,
        recorder_pid: Callable[[], int | None],
        loop_lag_ns: Callable[[], int | None] = not_known,
        disk_free_mb: Callable[[], int | None] = not_known,
        doubt_atoms: Callable[[str], int | None] = lambda _: None,
        recorder_faults: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Take what to read from. Units: ``started_ns`` is on the clock's own axis."""
        self._engine = engine
        self._instruments = instruments
        self._assets = assets
        self._loaded = loaded
        self._instance = instance
        self._tag = tag
        self._clock = clock
        self._telemetry = telemetry
        self._journal_seq = journal_seq
        self._recorder_seq = recorder_seq
        self._started_ns = started_ns
        self._venue_name = venue_name
        self._recorder_pid = recorder_pid
        self._loop_lag_ns = loop_lag_ns
        self._disk_free_mb = disk_free_mb
        self._doubt_atoms = doubt_atoms
        self._recorder_faults = recorder_faults
        self._methods: dict[str, Callable[[dict[str, object]], object]] = {
            "status": lambda _: self.status(),
            "health": lambda _: self.health(),
            "explain": self._explain,
            "book": self._book,
            "orders": lambda _: self.orders(),
            "positions": lambda _: answers_money.positions(self._view()),
            "pnl": lambda _: self._pnl(),
            "latency": lambda _: answers_health.latency(self._telemetry.summary()),
            "risk": lambda _: self._risk(),
            "version": lambda _: self._version(),
        }

    def take(self, loaded: LoadedProfile) -> None:
        """Hear which profile is in force since a reload."""
        self._loaded = loaded

    def answer(self, method: str, params: dict[str, object]) -> object:
        """Return the result of one question, in the shape that `hftd.control.shapes` gives it.

        Raises: InvalidParams where an instrument is named that is not traded; UnknownMethod
        where the method is no question of the engine's.
        """
        if method not in self._methods:
            raise UnknownMethod(f"no question of this socket, was {method[:40]!r}")
        return self._methods[method](params)

    def status(self) -> shapes.Status:
        """Return the daemon on one screen."""
        return answers_health.status(
            self._view(), self._parts(), self._loaded, self._instance, self._venue_name
        )

    def health(self) -> shapes.Health:
        """Return each health check with what was measured."""
        return answers_health.health(self._view(), self._parts())

    def orders(self) -> shapes.Orders:
        """Return all orders that are open, in flight or unknown."""
        return answers_market.orders(self._view())

    def position_line(self) -> str:
        """Return what is held: ``Position +0.00210 BTC (about 126 USDT) remains.``"""
        return answers_money.position_line(self._view())

    def clear_line(self) -> str:
        """Return what is open, and when the venue was asked last whether that is so."""
        view = self._view()
        count = len(view.orders)
        orders = f"{count} open order{'' if count == 1 else 's'}"
        if view.core["venue_clear"] != 1:
            return f"{orders} (not confirmed by the venue)."
        return f"{orders} (venue checked {clock_text(view.core['venue_checked_ns'])})."

    def next_steps(self) -> str:
        """Return how to go on after a kill; how to close only what can be closed."""
        view = self._view()
        close = "Close it: hftctl flatten. " if answers_money.has_position(view) else ""
        ack = "hftctl ack, " if answers_health.alerts(view) else ""
        return f"{close}Trade again: {ack}hftctl reset --reason …"

    def flows(self) -> dict[str, int]:
        """Return what flows have moved of each asset since the ledger began; unit: atoms."""
        balances = self._view().state.balances
        return {
            asset: int(row["flow_atoms"]) for asset, row in zip(self._assets, balances, strict=True)
        }

    def alerts(self) -> list[shapes.Alert]:
        """Return the alerts that nobody has acknowledged."""
        return answers_health.alerts(self._view())

    def reconciled(self) -> tuple[list[shapes.ReconcileCheck], list[shapes.Difference]]:
        """Return each kind of comparison with the venue, and what differs."""
        view = self._view()
        return answers_reconcile.checks(view), answers_reconcile.differences(view)

    def _view(self) -> View:
        return look(
            self._engine.state,
            self._instruments,
            self._assets,
            self._tag,
            self._started_ns,
            self._clock.ts_ns(),
            getattr(self._loaded.profile.strategy, "reasons", ()),
        )

    def _pnl(self) -> shapes.Pnl:
        view = self._view()
        return answers_money.pnl(view, self._doubt_atoms(view.quote_asset))

    def _parts(self) -> Parts:
        return Parts(
            journal_seq=self._journal_seq(),
            recorder_seq=self._recorder_seq(),
            recorder_pid=self._recorder_pid(),
            loop_lag_ns=self._loop_lag_ns(),
            disk_free_mb=self._disk_free_mb(),
            recorder_faults=self._recorder_faults(),
        )

    def _index(self, name: object) -> int:
        names = [instrument.name for instrument in self._instruments]
        if name not in names:
            shown = repr(name)[:40]
            raise InvalidParams(f"instrument must be one of {', '.join(names)}, was {shown}")
        return names.index(str(name))

    def _explain(self, params: dict[str, object]) -> shapes.Explain:
        name = params.get("instrument")
        indices = [*range(len(self._instruments))] if name is None else [self._index(name)]
        return answers_market.explain(self._view(), indices)

    def _book(self, params: dict[str, object]) -> shapes.Book:
        name, depth = params.get("instrument"), params.get("depth") or _DEPTH
        assert isinstance(depth, int), "the command table lets only whole numbers in"
        index = 0 if name is None else self._index(name)
        return answers_market.book(self._view(), index, depth)

    def _risk(self) -> shapes.Risk:
        floor_mb = self._loaded.profile.journal.disk_floor_mb
        return answers_limits.risk(self._view(), floor_mb, self._disk_free_mb())

    def _version(self) -> shapes.Version:
        return {
            "version": __version__,
            "protocol": PROTOCOL,
            "python": platform.python_version(),
            "instance": self._instance,
        }
