"""Which lines a day's work makes."""

import numpy as np

from hftd.domain.actions import ACTION, ActionKind
from hftd.domain.codes import Code
from hftd.domain.events import EVENT, CommandKind, EventKind, Link
from hftd.domain.facts import FactKind
from hftd.domain.order import OrderEvent, OrderState
from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, decode_json
from hftd.runtime.recorder_lines import SUBMITTED_KEPT, LineMaker, context
from hftd.store.words import RunWords
from tests.store.days_work import SECOND_NS, DaysWork, whole_day


def lines_of(folder, debug=True):
    """Return all lines of a journal."""
    maker, words, lines = LineMaker(debug), None, []
    for record in JournalReader(folder).records():
        if record.record_type == RecordType.HEADER:
            words = RunWords(decode_json(record.payload))
        lines += maker.lines(words, record)
    return lines, context("canary", words)


def fields(lines, event):
    """Return the level, stage and fields of all lines of an event."""
    return [(found.level, found.stage, found.fields) for found in lines if found.event == event]


def test_without_debug_the_other_lines_are_the_same(tmp_path):
    """What nobody reads is not made, and nothing else is missing."""
    whole_day(tmp_path)
    all_lines, _ = lines_of(tmp_path)
    told, _ = lines_of(tmp_path, debug=False)
    assert told == [line for line in all_lines if line.level != "debug"]
    assert {"position", "equity"} <= {line.event for line in all_lines} - {
        line.event for line in told
    }


def test_day_is_told_in_lines(tmp_path):
    """Orders, fills, refusals, states and commands each have their line with their numbers."""
    whole_day(tmp_path)
    lines, common = lines_of(tmp_path)
    assert common == {
        "instance": "canary", "profile": "canary", "mode": "paper",
        "run": "paper-20261122T093008Z-1795339900", "config_hash": "c0ffee",
    }  # fmt: skip
    level, stage, fill = fields(lines, "fill")[0]
    assert (level, stage) == ("info", "execution")
    assert fill | {
        "price": "60000", "qty": "0.004", "side": "BUY", "fee": "0.000004", "fee_asset": "BTC",
        "instrument": "BTC-USDT", "exec_id": "1", "mid": "60005", "decision_seq": 1,
    } == fill  # fmt: skip
    assert fields(lines, "order_accepted")[0][2]["latency_us"] == 2000.0
    assert fields(lines, "order_fill_full")[0][2]["latency_us"] is None
    assert fields(lines, "refusal")[0][2]["reason"] == "ORDER_SIZE: qty=0.03 BTC, max=0.02 BTC"
    level, stage, state = fields(lines, "state")[0]
    assert (level, stage, state["to"], state["code"]) == (
        "error", "control", "HALTED", "DAILY_LOSS",
    )  # fmt: skip
    assert fields(lines, "book")[0][:2] == ("warning", "market_data")
    assert fields(lines, "command")[0][2]["reason"] == "looked at it"
    assert [f["command"] for _, _, f in fields(lines, "command_done")] == ["RESET", "CANCEL_ALL"]
    assert fields(lines, "order_refused_by_venue")[0][2]["venue_code"] == -1013
    assert fields(lines, "difference")[0][2]["asset"] == "BTC"
    assert fields(lines, "note")[0][2]["code"] == "RECONCILED"
    assert fields(lines, "run_ended")[0][2]["reason"] == "stop"
    level, stage, summary = fields(lines, "stage_summary")[0]
    assert (level, stage, summary["count"], summary["p99_us"]) == ("info", "risk", 10, 3.0)
    assert {found.event for found in lines if found.level == "debug"} == {
        "frame_in", "position", "balance", "equity",
    }  # fmt: skip


def test_refusals_of_a_kind_are_counted_for_ten_seconds(tmp_path):
    """The first of a kind has its line, then counts come, also when no more refusals do."""
    day = DaysWork(tmp_path)
    day.begin()
    for _ in range(25):
        day.refuse()
        day.ts_ns += SECOND_NS
    day.fact(FactKind.REFUSAL, code=Code.DUPLICATE)
    for _ in range(25):
        day.ts_ns += SECOND_NS
        day.second()
    day.refuse()
    lines, _ = lines_of(tmp_path)
    told = [
        (found.event, found.fields["code"], found.fields.get("count"))
        for found in lines
        if found.event.startswith("refusal")
    ]
    assert told == [
        ("refusal", "ORDER_SIZE", None),
        ("refusals", "ORDER_SIZE", 9),
        ("refusals", "ORDER_SIZE", 10),
        ("refusal", "DUPLICATE", None),
        ("refusals", "ORDER_SIZE", 5),
        ("refusal", "ORDER_SIZE", None),
    ]


def test_a_refused_command_is_told_as_one(tmp_path):
    """By its own event and with the code, so that a terminal, which hides what was done, has it."""
    day = DaysWork(tmp_path)
    day.begin()
    day.fact(FactKind.COMMAND, command=CommandKind.FLATTEN, code=Code.GATE_CLOSED)
    lines, _ = lines_of(tmp_path)
    ((level, stage, told),) = fields(lines, "command_refused")
    assert (level, stage, told["command"], told["code"]) == (
        "info", "control", "FLATTEN", "GATE_CLOSED",
    )  # fmt: skip


def test_every_record_has_a_debug_line(tmp_path):
    """Frames, inputs and intents are told at debug, with their text or their kind."""
    day = DaysWork(tmp_path)
    day.begin()
    event, action = np.zeros(1, EVENT), np.zeros(2, ACTION)
    event["kind"], action["kind"] = EventKind.TIMER, [ActionKind.SUBMIT, ActionKind.CANCEL]
    day.writer.append_frame(day.ts_ns, Link.USER, b'{"e":"\x1b"}' + b"x" * 600)
    day.writer.append(RecordType.EVENT, day.ts_ns, event.tobytes())
    day.writer.append(RecordType.INTENT, day.ts_ns, action.tobytes())
    day.writer.append(RecordType.FRAME_OUT, day.ts_ns, b'{"method":"order.place"}')
    day.writer.append(RecordType.INTENT, day.ts_ns, b"of another size")
    lines, _ = lines_of(tmp_path)
    assert {found.level for found in lines[1:]} == {"debug"}
    assert [(found.event, found.fields.get("kind")) for found in lines[1:]] == [
        ("frame_in", None), ("input", "TIMER"), ("intent", "SUBMIT"), ("intent", "CANCEL"),
        ("frame_out", None),
    ]  # fmt: skip
    assert (lines[1].fields["link"], lines[1].fields["bytes"]) == ("USER", 609)
    assert lines[5].fields["text"] == '{"method":"order.place"}'
    assert lines_of(tmp_path, debug=False)[0] == lines[:1]


def test_tables_of_orders_and_refusals_are_bounded(tmp_path):
    """However many orders and kinds of refusal there are, only the newest are remembered."""
    day = DaysWork(tmp_path, segment_bytes=1 << 22)
    day.begin()
    for number in range(SUBMITTED_KEPT + 5):
        day.orders = number + 1
        submitted = day.order_fact(OrderEvent.SUBMITTED, OrderState.NONE, OrderState.PENDING_NEW)
        day.append_facts(submitted, {"kind": FactKind.REFUSAL, "code": 1000 + number})
    accepted = (OrderEvent.ACCEPTED, OrderState.PENDING_NEW, OrderState.NEW)
    day.append_facts(day.order_fact(*accepted))
    day.orders = 1
    day.append_facts(day.order_fact(*accepted))
    day.fact(FactKind.REFUSAL, code=1000)
    lines, _ = lines_of(tmp_path)
    told = [found.fields["latency_us"] for found in lines if found.event == "order_accepted"]
    assert told == [0.0, None]
    assert lines[-1].event == "refusal"
