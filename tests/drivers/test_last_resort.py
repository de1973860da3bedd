"""The last resort: every order of the table is canceled as it stands, and what ended us is told."""

from __future__ import annotations

import json

import pytest

from hftd.domain.actions import Action, ActionKind
from hftd.domain.order import client_order_id, order_key
from hftd.drivers.last_resort import cancel_all, failure_of
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
    count = cancel_all(
        play.engine, codec, lambda action, frame: sent.append((action, frame)), 50 * SECOND
    )
    assert count == len(sent) == 3
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
    assert cancel_all(play.engine, codec, lambda *_: pytest.fail("sent"), 1) == 0


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
