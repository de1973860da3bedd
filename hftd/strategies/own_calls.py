"""The call of a strategy of the user's own: what it sees is read, what it answers is judged.

Owns the way from the engine's arrays to a `View`, from its answers to targets, and what happens
when it raises: the error is counted and told, its instrument stops, and its quotes are pulled.
Must not know what it decides, nor a file.

    called       dirty, the daemon trades, the venue trades it, book and market are sound
    answers      kept in its memory as integers, so that a snapshot holds them
    raises       errors + 1, stopped; a fact, and its traceback for the log
    stopped      no call; both sides say STRATEGY_FAILED until the operator has paused and
                 resumed, or the daemon has started again

The call is Python; what becomes of its answers is one kernel (`place`), with the conditions that
hold for every strategy.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hftd.domain.codes import Code
from hftd.domain.entry import entry
from hftd.domain.instrument import Instrument
from hftd.domain.kernel import kernel
from hftd.domain.layout import Field, Records, layout
from hftd.domain.order import Side
from hftd.engine.emit import note
from hftd.engine.position import excess_lots
from hftd.engine.state import Out, State
from hftd.engine.targets import (
    before_canary_lots,
    clear_target,
    condition,
    has_funds,
    has_size,
    least_lots,
    may_trade,
    not_missing,
    not_through,
    room_lots,
    want,
)
from hftd.strategies.own import Answer, KernelStrategy, NoQuote, Quote, Strategy, Take
from hftd.strategies.own_view import Eye

STEPS_LIMIT = 1 << 40  # A product of two such numbers would leave int64; no market has either.
FAILURES_KEPT = 8  # Tracebacks of one step; an instrument stops at its first.
TRACEBACK_CHARACTERS = 4_000

ANSWER = layout(
    Field("wanted", "i8", "1: quote or take on this side"),
    Field("take", "i8", "1: by IOC at this price"),
    Field("price_ticks", "i8", ""),
    Field("qty_lots", "i8", "before the canary"),
    Field("reason", "i8", "why nothing is wanted: number of the declared reason from 1, 0: none"),
)
_NOTHING = layout(Field("unused", "i8", "a record needs a field"))

Own = Strategy | KernelStrategy


def memory_layout(strategy: Own) -> np.dtype[Any]:
    """Return the record that keeps a strategy's answers, its errors, and what it remembers."""
    if isinstance(strategy, KernelStrategy):
        own: Any = strategy.memory_layout
    else:
        own = layout(*(Field(name, "i8", "") for name in strategy.memory))
        own = own if strategy.memory else _NOTHING
    head = [(name, "i8") for name in ("epoch", "errors", "told", "stopped", "pause_seen")]
    return np.dtype([*head, ("answers", ANSWER, (2,)), ("own", own)], align=True)


def build_params(strategies: Sequence[Own], instruments: Sequence[Instrument]) -> Records:
    """Return a kernel's parameters, one record an instrument; nothing for plain Python."""
    first = strategies[0]
    if not isinstance(first, KernelStrategy):
        return np.zeros(len(instruments), _NOTHING)
    params = np.zeros(len(instruments), first.params_layout)
    for record, strategy, instrument in zip(params, strategies, instruments, strict=True):
        assert isinstance(strategy, KernelStrategy)
        for name, value in strategy.params(instrument).items():
            record[name] = value
    return params


def fit_instruments(strategy: Own, instruments: Records) -> None:
    """Write what the strategy asks of signals and quoter into the INSTRUMENT records."""
    instruments["imbalance_levels"] = strategy.imbalance_levels
    instruments["price_tolerance_ticks"] = strategy.price_tolerance_ticks
    instruments["min_quote_life_ns"] = strategy.min_quote_life_ms * 1_000_000


class Calls:
    """One strategy of the user's own, ready to be called for every instrument."""

    def __init__(self, strategies: Sequence[Own], instruments: Sequence[Instrument]) -> None:
        """Take the parameters of each instrument."""
        self._strategies = list(strategies)
        self._instruments = list(instruments)
        self._failures: list[dict[str, Any]] = []
        self._eyes: list[Eye] | None = None
        self._place: Any = None
        self._decide: Any = None

    def quotes(self, world: Records, params: Records, memory: Records, outs: Records) -> None:
        """Call it for every dirty instrument, then fill the targets.

        Shapes: as `hftd.engine.strategy.Strategy` says.
        """
        if self._eyes is None:
            self._open(world, params, memory, outs)
        assert self._eyes is not None
        for index, eye in enumerate(self._eyes):
            if eye.is_dirty():
                self._call(index, eye, world, params, memory)
        self._place(world, memory, outs)

    def take_failures(self) -> list[dict[str, Any]]:
        """Return what was raised since this was last asked, for the log."""
        told, self._failures = self._failures, []
        return told

    # The arrays are the engine's for good; kernels are compiled before a market waits for them.
    def _open(self, world: Records, params: Records, memory: Records, outs: Records) -> None:
        self._eyes = [
            Eye(world, memory, index, instrument)
            for index, instrument in enumerate(self._instruments)
        ]
        self._place = entry(place, world, memory, outs)
        first = self._strategies[0]
        if isinstance(first, KernelStrategy):
            # Arrays: of a single record Numba looks up the type at each call, for 10 µs.
            self._decide = entry(type(first).decide, world, 0, params, memory)

    def _call(self, index: int, eye: Eye, world: Records, params: Records, memory: Records) -> None:
        if eye.is_stopped() or not eye.may_decide():
            return
        record = memory[index]
        answers = record["answers"]
        answers[:] = np.zeros(2, ANSWER)
        strategy = self._strategies[index]
        try:
            if isinstance(strategy, KernelStrategy):
                self._decide(world, index, params, memory)
            else:
                write_answers(answers, strategy.decide(eye.view), strategy.reasons)
        except KeyboardInterrupt:
            raise  # A person's, at a backtest or a replay.
        except BaseException as error:  # noqa: BLE001 - whatever it is: it stops, the others go on
            self._stop(index, record, error)

    def _stop(self, index: int, record: Any, error: BaseException) -> None:
        record["errors"] += 1
        record["stopped"] = 1
        if len(self._failures) == FAILURES_KEPT:
            return
        kind = type(error).__name__
        line = _said(lambda: f"{kind}: {error}", f"{kind}: its text cannot be had")
        trace = _said(lambda: "".join(traceback.format_exception(error)), line)
        self._failures.append(
            {
                "instrument": self._instruments[index].name,
                "errors": int(record["errors"]),
                "error": line[:TRACEBACK_CHARACTERS],
                "traceback": trace[-TRACEBACK_CHARACTERS:],
            }
        )


def _said(speak: Callable[[], str], otherwise: str) -> str:
    """Return a text of the user's that a journal can hold: how it fails must not fail us.

    An exception may raise as its text is made, and a file's name may hold what is no UTF-8.
    """
    try:
        text = speak()
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the user's own code as well; its kind says enough
        text = otherwise
    return text.encode("utf-8", "backslashreplace").decode()


def write_answers(records: Any, answers: Any, reasons: tuple[str, ...]) -> None:
    """Put a strategy's answers into the records of the two sides.

    Raises: TypeError or ValueError for what is no answer; a float is none.
    """
    seen: list[Side] = []
    answer: Answer
    for answer in answers:
        if not isinstance(answer, Quote | Take | NoQuote):
            raise TypeError(f"decide must answer Quote, Take or NoQuote, was {answer!r:.80}")
        side = Side(answer.side)
        if side in seen:
            raise ValueError(f"decide must answer a side once, was {side.name} twice")
        seen.append(side)
        record = records[side]
        if isinstance(answer, NoQuote):
            if answer.reason not in reasons:
                raise ValueError(f"reason must be one of reasons, was {answer.reason!r:.80}")
            record["reason"] = reasons.index(answer.reason) + 1
            continue
        record["price_ticks"] = whole("price_ticks", answer.price_ticks, 1)
        record["qty_lots"] = whole("qty_lots", answer.qty_lots, 0)
        record["take"] = isinstance(answer, Take)
        record["wanted"] = 1


def whole(name: str, value: object, least: int) -> int:
    """Return a whole number within bounds.

    Raises: TypeError for a float, a flag or a text; ValueError beyond the bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, was {value!r:.80}")
    if not least <= value < STEPS_LIMIT:
        raise ValueError(f"{name} must be from {least} to 2^40, was {value}")
    return int(value)


@kernel
def place(world: Any, memory: Records, outs: Any) -> None:
    """Fill both targets of every dirty instrument from its answers; tell what failed.

    Shapes: world (1,) State; memory (instruments,); outs (1,) Out.
    """
    state, out = world[0], outs[0]
    for index in range(state.core[0]["instruments"]):
        if state.instruments[index]["dirty"] == 1:
            tell_failure(state, memory[index], index, out)
            for side in range(2):
                place_side(state, memory[index], index, side)


@kernel
def tell_failure(state: State, memory: Any, index: int, out: Out) -> None:
    """Record a new error as a fact, with how many there were."""
    if memory["errors"] != memory["told"]:
        memory["told"] = memory["errors"]
        note(state, out, index, Code.STRATEGY_FAILED, memory["errors"], 0)


@kernel
def place_side(state: State, memory: Any, index: int, side: int) -> None:
    """Walk the conditions of one side; want what was answered where all hold."""
    instrument = state.instruments[index]
    target = state.targets[index, side]
    answer = memory["answers"][side]
    clear_target(target)
    if not may_trade(state, index, side, target):
        return
    errors = memory["errors"]
    if not condition(target, Code.STRATEGY_FAILED, memory["stopped"] == 0, errors, 0):
        return
    wanted = answer["wanted"] == 1 and answer["price_ticks"] > 0
    if not condition(target, Code.NOT_WANTED, wanted, answer["reason"], 0):
        return
    price = answer["price_ticks"]
    if answer["take"] == 0:
        if not not_through(state, index, side, target):
            return
        if not not_missing(state, index, side, target, price):
            return
        away = target["miss_away_ticks"]
        price += -away if side == Side.BUY else away
        if not would_rest(instrument, side, target, price):
            return
    room, position = room_lots(instrument, side), excess_lots(instrument)
    full = price <= 0 or room < least_lots(instrument, price)
    if not condition(
        target, Code.POSITION_FULL, not full, position, instrument["max_position_lots"]
    ):
        return
    lots = min(answer["qty_lots"], before_canary_lots(state, room))
    if target["reduce_only"] == 1:
        lots = min(lots, before_canary_lots(state, abs(position)))
    if not has_size(state, index, target, price, lots):
        return
    if has_funds(state, index, side, target, price, lots):
        want(target, price, lots)
        target["take"] = answer["take"]


@kernel
def would_rest(instrument: Any, side: int, target: Any, price_ticks: int) -> bool:
    """Put the condition that a quote at this price does not cross the touch."""
    if side == Side.BUY:
        touch = instrument["ask_ticks"]
        return condition(target, Code.POST_ONLY_CROSS, price_ticks < touch, price_ticks, touch)
    touch = instrument["bid_ticks"]
    return condition(target, Code.POST_ONLY_CROSS, price_ticks > touch, price_ticks, touch)
