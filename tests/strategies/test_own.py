"""A strategy of the user's own: what it sees, what becomes of its answers, and how it fails."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code
from hftd.domain.events import CommandKind
from hftd.domain.facts import FactKind
from hftd.domain.order import Side
from hftd.engine.engine import Engine
from hftd.journal.record import decode_json, encode_json
from hftd.strategies.own_view import OwnMemory
from tests.playbook import BTC_USDT, ETH_USDT, Playbook
from tests.strategies.own_files import MAKER, a_profile, decides

TWO = ("instruments=[BTC-USDT,ETH-USDT]", "venue.opening_balances={BTC: 1, ETH: 10, USDT: 100000}")


def target(play: Playbook, side: Side, index: int = 0) -> Any:
    """Return what the engine believes is wanted of a side."""
    return play.engine.state.targets[index, side]


def test_its_quotes_are_sent_with_the_daemons_own_care(tmp_path: Path) -> None:
    """Prices are as answered, sizes at the canary's scale, post-only; mid 6000, 10 bps are 6."""
    play = Playbook(a_profile(tmp_path), sets=["canary={enabled: true}"]).run()
    buy, sell = play.did(A.SUBMIT)
    assert (buy["side"], buy["price_ticks"], buy["qty_lots"]) == (Side.BUY, 5994, 100)
    assert (sell["side"], sell["price_ticks"], sell["qty_lots"]) == (Side.SELL, 6006, 100)
    assert buy["post_only"] == sell["post_only"] == 1


def test_a_profile_gives_it_parameters(tmp_path: Path) -> None:
    """A key of its own moves the quotes."""
    play = Playbook(a_profile(tmp_path, more='  half_spread_bps: "20"\n')).run()
    assert [row["price_ticks"] for row in play.did(A.SUBMIT)] == [5988, 6012]


def test_its_reason_for_not_quoting_is_told(tmp_path: Path) -> None:
    """The side is pulled, and the target names the first of the declared reasons."""
    play = Playbook(a_profile(tmp_path)).start()
    play.depth([(0, 5990, 5000), (1, 6010, 10)])
    assert [row["side"] for row in play.did(A.SUBMIT)] == [Side.SELL]
    refused = target(play, Side.BUY)
    assert (refused["code"], refused["value"]) == (Code.NOT_WANTED, 1)


def test_a_side_left_out_is_not_quoted(tmp_path: Path) -> None:
    """Nothing is wanted of it, without a reason."""
    play = Playbook(a_profile(tmp_path, decides("return [Quote(Side.BUY, 5900, 900)]"))).run()
    assert [row["side"] for row in play.did(A.SUBMIT)] == [Side.BUY]
    assert (target(play, Side.SELL)["code"], target(play, Side.SELL)["value"]) == (95, 0)


def test_the_view_shows_the_market_without_our_own_orders(tmp_path: Path) -> None:
    """Best prices, levels, position, orders and steps are those of the moment."""
    source = decides(
        "view.memory['bid'] = view.best_bid_ticks\n"
        "view.memory['ask'] = view.best_ask_ticks\n"
        "view.memory['third'] = view.asks(3)[2].price_ticks\n"
        "view.memory['lots'] = view.bids(1)[0].qty_lots\n"
        "view.memory['position'] = view.position_lots\n"
        "view.memory['orders'] = sum(o.leaves_lots for o in view.orders)\n"
        "view.memory['steps'] = view.ticks(Decimal('60005.5')) * 10 + view.lots(Decimal('0.01'))\n"
        "view.memory['fee'] = int(view.taker_fee_bps)\n"
        "return [Quote(Side.BUY, view.best_bid_ticks, 900)]",
        "memory = ('bid', 'ask', 'third', 'lots', 'position', 'orders', 'steps', 'fee')",
    )
    play = Playbook(a_profile(tmp_path, source)).run()
    key = play.key(Side.BUY)
    play.accept(key).fill(key, 400).after(seconds=1)
    play.depth([(0, 5990, 5500), (1, 6010, 5000)])
    seen = play.engine.strategy.memory[0]["own"]
    assert dict(zip(seen.dtype.names, seen.item(), strict=True)) == {
        "bid": 5990, "ask": 6010, "third": 6012, "lots": 5000, "position": 400,
        "orders": 500, "steps": 61000, "fee": 5,
    }  # fmt: skip


def test_a_take_is_an_ioc_order(tmp_path: Path) -> None:
    """It crosses, and nothing of it rests."""
    source = decides("return [Take(Side.BUY, view.best_ask_ticks, 100)]")
    row = Playbook(a_profile(tmp_path, source)).run().expect(A.SUBMIT)
    assert (row["price_ticks"], row["time_in_force"], row["post_only"]) == (6010, 1, 0)


def test_a_quote_across_the_touch_is_none(tmp_path: Path) -> None:
    """It would take: the side says so, and nothing is sent."""
    source = decides("return [Quote(Side.BUY, view.best_ask_ticks, 100)]")
    play = Playbook(a_profile(tmp_path, source)).run().expect_none(A.SUBMIT)
    refused = target(play, Side.BUY)
    assert (refused["code"], refused["value"], refused["bound"]) == (12, 6010, 6010)


def test_the_position_limit_holds_after_it(tmp_path: Path) -> None:
    """An answer beyond the room is cut to it, and refused where none is left."""
    source = decides("return [Quote(Side.BUY, 5990, 2000)]")
    sets = ["risk.max_position_base=0.011"]
    play = Playbook(a_profile(tmp_path, source), sets=sets).run()
    assert play.expect(A.SUBMIT)["qty_lots"] == 1100


WRONG = (
    ("return [Quote(Side.BUY, 5990.0, 100)]", "TypeError: price_ticks must be a whole number"),
    ("return [Quote(Side.BUY, 5990, Decimal(1))]", "TypeError: qty_lots must be a whole number"),
    ("return [Quote(Side.BUY, 0, 100)]", "ValueError: price_ticks must be from 1"),
    ("return [Quote(Side.BUY, 1 << 62, 1)]", "ValueError: price_ticks must be from 1"),
    ("return [Quote(2, 5990, 1)]", "ValueError: 2 is not a valid Side"),
    ("return [(Side.BUY, 5990, 1)]", "TypeError: decide must answer Quote, Take or NoQuote"),
    ("return [NoQuote(Side.BUY, 'why not')]", "ValueError: reason must be one of reasons"),
    ("return [Quote(Side.BUY, 9, 1), Take(Side.BUY, 9, 1)]", "ValueError: decide must answer a"),
    ("return None", "TypeError: 'NoneType' object is not iterable"),
    ("self.order_size_base = 1", "ValidationError"),
    ("view.memory['x'] = 1", "KeyError"),
    ("raise SystemExit(3)", "SystemExit: 3"),
    ("raise type('Gone', (BaseException,), {})('away')", "Gone: away"),
    ("open('/caf\\udce9')", "FileNotFoundError: [Errno 2]"),
    ("raise ValueError('caf\\udce9')", "ValueError: caf\\udce9"),
    ("raise type('Mute', (Exception,), {'__str__': lambda it: 1 / 0})", "Mute: its text cannot"),
    ("raise type('Left', (Exception,), {'__str__': lambda it: exit()})", "Left: its text cannot"),
)


@pytest.mark.parametrize(("body", "error"), WRONG)
def test_what_is_no_answer_is_an_error_of_its_own(tmp_path: Path, body: str, error: str) -> None:
    """It is contained like anything else that it raises; nothing is sent."""
    play = Playbook(a_profile(tmp_path, decides(body))).run().expect_none(A.SUBMIT)
    assert play.fact(FactKind.NOTE, code=Code.STRATEGY_FAILED)["value"] == 1
    (told,) = play.engine.strategy.take_failures()
    assert told["error"].startswith(error), told["error"]
    assert decode_json(encode_json(told)) == told
    assert "mine.py" in told["traceback"] or "own_calls.py" in told["traceback"]


FAILS = """
if view.instrument.name == 'ETH-USDT' and view.best_bid_ticks == 5900:
    raise RuntimeError('no idea')
yield Quote(Side.BUY, view.best_bid_ticks, 900)
yield Quote(Side.SELL, view.best_ask_ticks, 900)
"""


def failing(folder: Path) -> Playbook:
    """Return a playbook of two instruments, both quoted, in which the second then raises."""
    play = Playbook(
        a_profile(folder, decides(FAILS.strip())), sets=TWO, instruments=(BTC_USDT, ETH_USDT)
    )
    play.start().market().market(index=1)
    eth = [row["order_key"] for row in play.all_actions if row["instrument"] == 1]
    play.accept(*[row["order_key"] for row in play.all_actions if row["order_key"]])
    play.after(seconds=1).market(bid=5900, ask=5920, index=1)
    assert sorted(row["target_key"] for row in play.did(A.CANCEL)) == sorted(eth)[-2:]
    return play


def test_one_that_raises_is_contained(tmp_path: Path) -> None:
    """Its instrument's quotes are canceled and stay away; the other goes on."""
    play = failing(tmp_path)
    fact = play.fact(FactKind.NOTE, code=Code.STRATEGY_FAILED)
    assert (fact["instrument"], fact["value"]) == (1, 1)
    for side in Side:
        assert target(play, side, 1)["code"] == Code.STRATEGY_FAILED
    for order in play.orders(instrument=1):
        play.canceled(order["key"])
    play.after(seconds=1).market(bid=5990, ask=6010, index=1).expect_none(A.SUBMIT)
    assert play.told(FactKind.NOTE) == []  # Told once.
    play.after(seconds=1).market(bid=5980, ask=6000)
    assert {row["instrument"] for row in play.did(A.CANCEL_REPLACE)} == {0}


def test_pause_and_resume_let_it_try_again(tmp_path: Path) -> None:
    """Another pause does not; the operator's does, and the next error counts on."""
    play = failing(tmp_path)
    for order in play.orders(instrument=1):
        play.canceled(order["key"])
    play.market(index=1).command(CommandKind.PAUSE)
    for order in play.orders():
        play.canceled(order["key"])
    play.command(CommandKind.RESUME)
    assert {row["instrument"] for row in play.did(A.SUBMIT)} == {0, 1}
    play.accept(*[row["order_key"] for row in play.did(A.SUBMIT)])
    play.after(seconds=1).market(bid=5900, ask=5920, index=1)
    assert play.fact(FactKind.NOTE, code=Code.STRATEGY_FAILED)["value"] == 2


def test_a_new_boot_lets_it_try_again(tmp_path: Path) -> None:
    """What it remembers stays; that it failed does not."""
    play = failing(tmp_path)
    memory = play.engine.strategy.memory
    assert memory[1]["stopped"] == 1
    play.boot().links().reconcile().market(index=1)
    assert memory[1]["stopped"] == memory[1]["errors"] == 0


def test_what_it_remembers_is_in_the_snapshot(tmp_path: Path) -> None:
    """A restored engine goes on with the same memory, and has the same hash."""
    play = Playbook(a_profile(tmp_path)).run()
    other = Playbook(a_profile(tmp_path)).engine
    other.restore(play.engine.snapshot())
    assert memory_of(other) == memory_of(play.engine) == (1, play.now_ns)
    assert other.state_hash() == play.engine.state_hash()


def test_its_memory_has_the_declared_names_and_whole_numbers() -> None:
    """Whatever else is put in, taken out or looked for is said at once, by name."""
    record = np.zeros(1, [("calls", "i8"), ("seen_ns", "i8")])[0]
    memory = OwnMemory(record)
    memory["calls"] = 3
    seen_ns: Any = np.int64(7)
    memory["seen_ns"] = seen_ns
    assert dict(memory) == {"calls": 3, "seen_ns": 7} and len(memory) == 2
    assert record.item() == (3, 7)
    for name in ("colls", ""):
        with pytest.raises(KeyError, match="none of memory: calls, seen_ns"):
            memory[name]
        with pytest.raises(KeyError, match="none of memory: calls, seen_ns"):
            memory[name] = 1
    wrong: Any
    for wrong in (True, 1.0, "1", None):
        with pytest.raises(TypeError, match="must be a whole number, was"):
            memory["calls"] = wrong
    with pytest.raises(TypeError, match="the names of memory, always"):
        del memory["calls"]
    assert dict(memory) == {"calls": 3, "seen_ns": 7}


def memory_of(engine: Engine) -> tuple[int, ...]:
    """Return what the strategy of the first instrument remembers."""
    kept: tuple[int, ...] = engine.strategy.memory[0]["own"].item()
    return kept


KERNEL = '''
from decimal import Decimal

from hftd.domain.kernel import kernel
from hftd.strategies.own import Field, KernelStrategy, PositiveBps, layout


@kernel
def decide(world, index, params, memory):
    instrument = world[0].instruments[index]
    answers = memory[index]["answers"]
    assert instrument["market_bid_ticks"] != 5900
    memory[index]["own"]["calls"] += 1
    away = params[index]["half_ticks_e6"] * instrument["mid_half_ticks"] // 1_000_000
    for side in range(2):
        answers[side]["wanted"] = 1
        answers[side]["qty_lots"] = params[index]["lots"]
    answers[0]["price_ticks"] = (instrument["mid_half_ticks"] - away) // 2
    answers[1]["price_ticks"] = -(-(instrument["mid_half_ticks"] + away) // 2)


class Fast(KernelStrategy):
    """Quote at a distance from mid, compiled."""

    half_spread_bps: PositiveBps = Decimal(10)
    params_layout = layout(Field("lots", "i8", ""), Field("half_ticks_e6", "i8", ""))
    memory_layout = layout(Field("calls", "i8", ""))
    decide = staticmethod(decide)

    def params(self, instrument):
        lots = int(self.order_size_base / Decimal(instrument.lot_size))
        return {"lots": lots, "half_ticks_e6": int(self.half_spread_bps * 100)}
'''


def test_a_kernel_is_compiled_in_and_contained_alike(tmp_path: Path) -> None:
    """It quotes as its Python twin does; an assertion that fails stops it alone."""
    play = Playbook(a_profile(tmp_path, KERNEL, "Fast")).run()
    assert [row["price_ticks"] for row in play.did(A.SUBMIT)] == [5994, 6006]
    assert memory_of(play.engine) == (1,)
    play.accept(play.key(Side.BUY), play.key(Side.SELL)).after(seconds=1)
    play.market(bid=5900, ask=5920)
    assert len(play.did(A.CANCEL)) == 2
    assert play.fact(FactKind.NOTE, code=Code.STRATEGY_FAILED)["value"] == 1
    (told,) = play.engine.strategy.take_failures()
    assert told["error"].startswith("AssertionError")


def test_each_instrument_may_have_its_own_parameters(tmp_path: Path) -> None:
    """What `instrument_strategy` says holds for its instrument, the rest is common."""
    more = '  half_spread_bps: "10"\n'
    path = a_profile(tmp_path, MAKER, more=more)
    sets = (*TWO, "instrument_strategy.ETH-USDT={half_spread_bps: 20, order_size_base: 0.02}")
    play = Playbook(path, sets=sets, instruments=(BTC_USDT, ETH_USDT)).start()
    play.market().market(index=1)
    sent = [row for row in play.all_actions if row["kind"] == A.SUBMIT]
    found = {
        (row["instrument"], row["side"]): (row["price_ticks"], row["qty_lots"]) for row in sent
    }
    assert found == {
        (0, 0): (5994, 1000), (0, 1): (6006, 1000), (1, 0): (5988, 2000), (1, 1): (6012, 2000)
    }  # fmt: skip


def test_prices_of_the_view_are_exact_and_away_from_mid() -> None:
    """Half a tick is never gained: below is rounded down, above up."""
    from hftd.strategies.own import View

    class Still:
        now_ns = 1

        def number(self, name: str) -> int:
            return {"market_bid_ticks": 5990, "market_ask_ticks": 6011}[name]

    view = View(BTC_USDT, Still(), {})  # type: ignore[arg-type]
    assert view.mid_half_ticks == 12001
    assert (view.below_mid(Decimal("0.01")), view.above_mid(Decimal("0.01"))) == (6000, 6001)
    assert (view.below_mid(Decimal(10)), view.above_mid(Decimal(10))) == (5994, 6007)
    assert (view.below_mid(Decimal(-10)), view.above_mid(Decimal(-10))) == (6006, 5995)
