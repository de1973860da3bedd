"""Every kind of fault, on agents and on a tape: it fires, and the client sees what it says."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from hftd.simex.fault_kinds import CATALOGUE, KINDS, OUT_OF_REACH, kinds_of
from hftd.simex.fault_requests import LATER, NO_REPLY
from tests.simex.fault_scenes import SCENES, shows
from tests.simex.fault_stage import MARKETS, MS, SECOND, Stage

DEPTH = "btcusdt@depth@100ms"
TOUCH = "btcusdt@bookTicker"
HELD_ONLY_ON_AGENTS = {("flash_move", "tape")}


def test_every_fault_has_its_kinds_or_a_reason() -> None:
    """F01 to F46: each is made by some kind, or says why it is out of reach; never both."""
    assert list(CATALOGUE) == [f"F{number:02d}" for number in range(1, 47)]
    for fault in CATALOGUE:
        assert bool(kinds_of(fault)) != (fault in OUT_OF_REACH), fault


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(kind: str, market: str) -> None:
    """Armed and provoked it fires, is logged, and shows; see the scene of that name."""
    stage = Stage(market)
    SCENES[kind](stage)
    assert (kind in stage.fired()) != ((kind, market) in HELD_ONLY_ON_AGENTS)


# --- what is lost, late or doubled ----------------------------------------------------------


@shows("drop", "sequence_gap")
def _gap(stage: Stage, kind: str) -> None:
    connection = stage.stream(DEPTH, (kind, {"match": {"event": "depthUpdate"}, "after": 1}))
    first, third = (json.loads(frame) for frame in stage.frames(connection, 2)[:2])
    assert third["U"] > first["u"] + 1
    if kind == "drop":
        stage.arm("drop", match={"event": "answer", "request": "depth"})
        late = stage.ask("GET", "depth", symbol="BTCUSDT")
        stage.wait_ns(60 * SECOND)
        assert (late[0], stage.answered(late)) == (LATER, None)


@shows("delay")
def _delay(stage: Stage) -> None:
    connection = stage.stream(DEPTH, ("delay", {"for_ms": 5000}))
    ids = [json.loads(frame)["u"] for frame in stage.frames(connection, 60)]
    assert ids != sorted(ids)
    stage.arm("delay", match={"event": "answer", "request": "depth"}, for_ms=400)
    late = stage.ask("GET", "depth", symbol="BTCUSDT")
    assert stage.answered(late) is None
    stage.wait_ns(400 * MS)
    assert stage.answered(late) is not None


@shows("clog")
def _clog(stage: Stage) -> None:
    connection = stage.stream(DEPTH)
    stage.frames(connection, 1)
    stage.arm("clog", for_ms=5000)
    begun_ns = stage.ts_ns
    frames = stage.frames(connection, 2)
    ids = [json.loads(frame)["u"] for frame in frames]
    assert ids == sorted(ids)
    assert stage.ts_ns - begun_ns >= 5 * SECOND


@shows("duplicate")
def _duplicate(stage: Stage) -> None:
    first, second = stage.frames(stage.stream(TOUCH, ("duplicate", {})), 2)[:2]
    assert first == second


@shows("reorder")
def _reorder(stage: Stage) -> None:
    connection = stage.stream(f"{TOUCH}/{DEPTH}", ("reorder", {"for_ms": 60_000}))
    frames = [json.loads(frame) for frame in stage.frames(connection, 3)]
    assert frames[0]["u"] >= frames[1]["u"]


@shows("half_open", "black_hole", "deaf", "mute")
def _partitions(stage: Stage, kind: str) -> None:
    connection = stage.log_on()
    stage.arm(kind, match={"event": "executionReport"})
    stage.place()
    heard = stage.kinds(connection)
    assert heard == (["NEW", "outboundAccountPosition"] if kind == "deaf" else [])
    stage.send_order(connection, 71)
    assert stage.live() == (2 if kind == "mute" else 1)
    assert stage.kinds(connection) == []
    stage.place(off="0.98")
    assert bool(stage.kinds(connection)) == (kind == "deaf")
    assert stage.faulty.is_gone(connection) == (kind == "black_hole")
    stage.faulty.close(connection)
    assert stage.call(stage.log_on(), "time")["status"] == 200


@shows("reset")
def _reset(stage: Stage) -> None:
    connection = stage.stream(TOUCH, ("reset", {}), ("reset", {"match": {"event": "answer"}}))
    while not (cut := stage.faulty.take_cut()):
        assert stage.raw(connection) == []
        stage.wait_ns(SECOND)
    assert cut == [connection]
    status, _, body = stage.ask("GET", "depth", symbol="BTCUSDT")
    assert status == NO_REPLY
    assert body.startswith(b"HTTP/1.1 200 OK")
    assert not body.endswith(b"}")


@shows("silent_stream")
def _silent_stream(stage: Stage) -> None:
    match = {"event": "bookTicker"}
    connection = stage.stream(f"{TOUCH}/{DEPTH}", ("silent_stream", {"match": match}))
    other = stage.open(f"/ws/{TOUCH}")
    heard: list[tuple[int, bytes]] = []
    while len([number for number, _ in heard if number == connection]) < 20:
        stage.wait_ns(SECOND)
        heard += stage.faulty.take()
    assert {json.loads(frame)["e"] for number, frame in heard if number == connection} == {
        "depthUpdate"
    }
    assert any(number == other for number, _ in heard)


# --- what is told of the book ---------------------------------------------------------------


def _pair(stage: Stage, kind: str, stream: str, **more: Any) -> tuple[Any, Any, bytes]:
    # The same event as one connection has it, and as another has it spoiled.
    plain, spoiled = stage.open(f"/ws/{stream}"), stage.open(f"/ws/{stream}")
    match = {"event": _EVENTS[stream], "connection": spoiled}
    stage.arm(kind, match=match, **more)
    frames: dict[int, list[bytes]] = {plain: [], spoiled: []}
    while not frames[spoiled]:
        stage.wait_ns(100 * MS)
        for number, frame in stage.faulty.take():
            frames.setdefault(number, []).append(frame)
    raw = frames[spoiled][0]
    return json.loads(frames[plain][0]), None if kind in _BROKEN else json.loads(raw), raw


_EVENTS = {DEPTH: "depthUpdate", TOUCH: "bookTicker", "btcusdt@depth5@100ms": "depth"}
_BROKEN = ("truncate", "corrupt", "invalid_utf8", "deep_json")


@shows("repeated_ids", "backward_ids", "backward_time")
def _ids(stage: Stage, kind: str) -> None:
    true, told, _ = _pair(stage, kind, DEPTH)
    if kind == "backward_time":
        assert (told["E"], told["u"]) == (true["E"] - 60_000, true["u"])
    elif kind == "repeated_ids":
        assert told["u"] == true["U"] - 1
    else:
        assert (told["U"], told["u"]) == (max(1, true["U"] - 10**6), max(1, true["u"] - 10**6))


@shows("crossed_book", "locked_book")
def _crossed(stage: Stage, kind: str) -> None:
    _, told, _ = _pair(stage, kind, DEPTH)
    bid, ask = Decimal(told["b"][0][0]), stage.touch()[1]
    assert bid > ask if kind == "crossed_book" else bid == ask
    _, told, _ = _pair(stage, kind, TOUCH)
    assert Decimal(told["b"]) - Decimal(told["a"]) == (1000 if kind == "crossed_book" else 0)
    _, told, _ = _pair(stage, kind, "btcusdt@depth5@100ms")
    assert Decimal(told["bids"][0][0]) >= Decimal(told["asks"][0][0])


@shows("one_sided_book", "empty_book")
def _emptied(stage: Stage, kind: str) -> None:
    # A client that follows the stream has nothing left of that side.
    _, book = stage.get("/api/v3/depth", "symbol=BTCUSDT&limit=5000")
    asks = {price for price, _ in book["asks"]}
    _, told, _ = _pair(stage, kind, DEPTH)
    gone = {price for price, qty in told["a"] if Decimal(qty) == 0}
    assert len(asks & gone) > 0.9 * len(asks)
    bids = {price for price, _ in book["bids"]}
    gone = {price for price, qty in told["b"] if Decimal(qty) == 0}
    assert (len(bids & gone) > 0.9 * len(bids)) == (kind == "empty_book")
    _, told, _ = _pair(stage, kind, TOUCH)
    assert Decimal(told["a"]) == Decimal(told["A"]) == 0
    assert (Decimal(told["b"]) == 0) == (kind == "empty_book")
    stage.arm(kind, match={"event": "answer"})
    told = stage.get("/api/v3/depth", "symbol=BTCUSDT")[1]
    assert told["asks"] == []


@shows("absurd_price")
def _absurd(stage: Stage) -> None:
    for value in ("0.00000000", "-1.00000000", "99999999999999999999.0"):
        _, told, _ = _pair(stage, "absurd_price", DEPTH, value=value)
        assert [*told["b"], *told["a"]][0][0] == value


@shows("moved_prices")
def _moved(stage: Stage) -> None:
    for size in (50, 150):
        true, told, _ = _pair(stage, "moved_prices", TOUCH, size=size)
        moved = Decimal(told["b"]) * 100 / size - Decimal(true["b"])
        assert abs(moved) <= 2


@shows("wrong_symbol")
def _wrong_symbol(stage: Stage) -> None:
    assert _pair(stage, "wrong_symbol", TOUCH)[1]["s"] == "WRONGUSDT"


# --- what is told at all --------------------------------------------------------------------


@shows("truncate", "corrupt", "invalid_utf8", "not_a_number", "wrong_type")
def _spoiled(stage: Stage, kind: str) -> None:
    true, told, raw = _pair(stage, kind, DEPTH)
    plain = json.dumps(true, separators=(",", ":")).encode()
    if kind == "truncate":
        assert raw == plain[: len(plain) // 2]
    elif kind == "corrupt":
        assert sum(a != b for a, b in zip(raw, plain, strict=True)) == 1
    elif kind == "invalid_utf8":
        assert raw.replace(b"\xff", b"") == plain
        with pytest.raises(UnicodeDecodeError):
            raw.decode()
    elif kind == "not_a_number":
        assert raw.count(b"NaN") == 1
    else:
        assert [name for name in told if isinstance(told[name], list)] == ["E", "b", "a"]
    stage.arm(kind, match={"event": "answer", "request": "time"})
    body = stage.faulty.http("GET", "/api/v3/time", {}, b"", stage.ts_ns)[2]
    assert body != b'{"serverTime":%d}' % (stage.ts_ns // MS)


@shows("unknown_field", "oversize", "deep_json")
def _grown(stage: Stage, kind: str) -> None:
    true, told, raw = _pair(stage, kind, DEPTH)
    if kind == "unknown_field":
        assert {name: told[name] for name in true} == true
        assert list(told)[0] == "Zz"
    elif kind == "oversize":
        assert len(raw) > 10_000_000
    else:
        assert raw.count(b"[" * 100_000) == 1


# --- reports and answers in another order ---------------------------------------------------


@shows("fill_before_ack")
def _fill_before_ack(stage: Stage) -> None:
    connection = stage.log_on()
    stage.arm("fill_before_ack")
    stage.send_order(connection, 71, price=stage.touch()[1])
    kinds = stage.kinds(connection)
    assert kinds[-1] == 71
    assert "TRADE" in kinds


@shows("ack_after_fill", "ack_after_cancel")
def _ack_late(stage: Stage, kind: str) -> None:
    connection = stage.log_on()
    stage.arm(kind, for_ms=60_000)
    stage.send_order(connection, 71)
    assert stage.kinds(connection) == ["NEW", "outboundAccountPosition"]
    stage.arm("partial_fill" if kind == "ack_after_fill" else "cancel_unasked")
    told = "TRADE" if kind == "ack_after_fill" else "CANCELED"
    kinds = [each for each in stage.kinds(connection) if each in (told, 71)]
    assert kinds == [told, 71]


@shows("duplicate_report", "duplicate_trade")
def _twice(stage: Stage, kind: str) -> None:
    connection = stage.log_on()
    stage.place()
    stage.arm(kind, match={"x": "TRADE"})
    stage.arm("partial_fill", size=3)
    first, second = [
        frame["event"] for frame in stage.heard(connection) if frame["event"].get("x") == "TRADE"
    ]
    assert (first["t"], first["z"]) == (second["t"], second["z"])
    assert (first["I"] == second["I"]) == (kind == "duplicate_report")


@shows("fill_after_cancel")
def _fill_after_cancel(stage: Stage) -> None:
    connection = stage.log_on()
    order = stage.place()
    stage.arm("fill_after_cancel", for_ms=60_000)
    stage.arm("partial_fill", size=3)
    stage.signed("DELETE", "order", f"symbol=BTCUSDT&orderId={order['orderId']}")
    reports = [each for each in stage.kinds(connection) if each != "outboundAccountPosition"]
    assert reports == ["NEW", "CANCELED", "TRADE"]
