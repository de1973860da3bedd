"""The last resort: every order of the table is canceled as it stands, and what ended us is told."""

from __future__ import annotations

import json

import pytest

from hftd.domain.actions import Action, ActionKind
from hftd.domain.order import client_order_id, order_key
from hftd.drivers.last_resort import Canceled, cancel_all, ending_line, failure_of
from hftd.errors import HftdError, InvariantBroken
from hftd.journal.writer import JournalFull
from hftd.venues.binance.codec import BinanceCodec
from tests.playbook import BTC_USDT, ETH_USDT, SECOND, Playbook

TAG = "abc123"


def test_every_order_of_the_table_is_canceled_whatever_its_state() -> None:
    """Also one in flight, UNKNOWN or leaving: real frames, by our ids, at the venue's time."""
    play = Playbook(
        sets=[
            "instruments=[BTC-USDT, ETH-USDT]",
            'venue.opening_balances={BTC: "1", ETH: "10", USDT: "100000"}',
        ],
        instruments=[BTC_USDT, ETH_USDT],
    )
    play.core["venue_offset_ns"] = 3 * SECOND
    table = play.engine.state.orders
    keys = []
    for slot, (instrument, state) in enumerate(((0, 1), (1, 11), (0, 5))):
        keys.append(order_key(7, 40 + slot))
        table[2 * slot]["key"], table[2 * slot]["instrument"] = keys[-1], instrument
        table[2 * slot]["state"] = state
    codec = BinanceCodec([BTC_USDT, ETH_USDT], ["BTC", "ETH", "USDT"], TAG)
    sent: list[tuple[Action, bytes | None]] = []
    canceled = cancel_all(
        play.engine, codec, lambda action, frame: sent.append((action, frame)), 50 * SECOND
    )
    assert (canceled, len(sent)) == ((3, 0), 3)
    assert [(a.kind, a.instrument, a.target_key, a.ts_ns) for a, _ in sent] == [
        (ActionKind.CANCEL, instrument, key, 50 * SECOND)
        for instrument, key in zip((0, 1, 0), keys, strict=True)
    ]
    for (_, frame), symbol, key in zip(sent, ("BTCUSDT", "ETHUSDT", "BTCUSDT"), keys, strict=True):
        assert frame is not None
        params = json.loads(frame)["params"]
        assert (params["symbol"], params["origClientOrderId"]) == (
            symbol,
            client_order_id(TAG, key),
        )
        assert params["timestamp"] == 53_000


def test_an_empty_table_sends_nothing() -> None:
    """No order, no frame."""
    play = Playbook().start()
    codec = BinanceCodec([BTC_USDT], ["BTC", "USDT"], TAG)
    assert cancel_all(play.engine, codec, lambda *_: pytest.fail("sent"), 1) == (0, 0)


class SomeUnknown(BinanceCodec):
    """A codec that cannot make the cancel of some orders: their place in the table is broken."""

    def encode(self, action: Action, venue_offset_ns: int) -> bytes | None:
        """Encode, or break."""
        if action.target_key in (order_key(7, 40), order_key(7, 43)):
            raise KeyError("no such instrument")
        return super().encode(action, venue_offset_ns)


def test_an_order_that_cannot_be_canceled_keeps_no_other_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The others are canceled, and the trace of the first is told."""
    play = Playbook().start()
    table = play.engine.state.orders
    for slot in range(4):
        table[slot]["key"] = order_key(7, 40 + slot)
    sent: list[int] = []
    codec = SomeUnknown([BTC_USDT], ["BTC", "USDT"], TAG)
    canceled = cancel_all(play.engine, codec, lambda it, _: sent.append(it.target_key), 1)
    assert canceled == (2, 2)
    assert sent == [order_key(7, 41), order_key(7, 42)]
    assert capsys.readouterr().err.count("Traceback") == 1


def test_what_is_told_of_the_orders_is_true() -> None:
    """Nothing is called canceled that cannot leave; then the command that does it is named."""
    why = HftdError("a bug")
    assert ending_line(Canceled(3, 0), True, "canary", why) == "canceling 3 orders; ending: a bug"
    assert ending_line(Canceled(0, 0), False, "canary", why) == "no order is open; ending: a bug"
    for canceled, reaches, begins in (
        (Canceled(2, 1), True, "canceling 2 orders; 1 orders may stay open, since no cancel could"),
        (Canceled(2, 1), False, "3 orders may stay open, since the order link is down: "),
    ):
        line = ending_line(canceled, reaches, "canary", why)
        assert line.startswith(begins)
        assert "hftd kill-offline canary cancels them" in line


def test_what_ends_the_process_keeps_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """An error of ours as it is, a full journal in words, anything else as our bug with a trace."""
    own = HftdError("as it is")
    assert failure_of(own) is own
    full = failure_of(JournalFull("no_space", "the disk"))
    assert type(full) is HftdError
    assert str(full) == "the journal cannot be written: journal no_space: the disk"
    assert capsys.readouterr().err == ""
    bug = failure_of(KeyError("x"))
    assert isinstance(bug, InvariantBroken) and bug.exit_code == 70
    assert str(bug).endswith("recovery follows a restart: KeyError: 'x'")
    assert "KeyError: 'x'" in capsys.readouterr().err
    mute = type("Mute", (Exception,), {"__str__": lambda _: 1 / 0})
    assert "Mute: <exception str() failed>" in str(failure_of(mute()))
