"""A hundred resting orders off the market: typed, gate closed, canceled, verified.

    scripts/bench kill [--rounds 5] [--no-save]

Twice: with the exchange's rate budget as it is, and with the request weight of the minute used up
by somebody on the same address, where the daemon must not ask more than it may: then what is left
open is named, and canceled when the venue allows it.

A paused daemon, and a hundred orders under its own tag, as a run before it might have left them,
far from the market. `hftctl kill` is typed in a shell; then reset, resume, again. The times are
those of the parts themselves: the COMMAND record in the journal is the parsed request, the latch
is taken when the gate is closed, the exchange's order records say when the last order was
canceled there, and hftctl's own end is what a person waits for. Reconciliation may come between
and cancel some before the kill does: ``orders`` says how many it found.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, Stream, decode_json
from hftd.runtime.exchange_state import read_listening
from hftd.runtime.identity import tag
from tests.bench.rows import Row, machine, save, text
from tests.cli.lone_exchange import own_id, send
from tests.e2e.daemon import Instance, until

RESULTS = Path(__file__).parent / "kill_results.json"
NAME = "canary"
ORDERS = 100
WINDOW_S = 10.5
MINUTE_S, EARLY_S = 150.0, 40.0


def rest(instance: Instance, round_number: int) -> None:
    """Rest orders under the daemon's tag that it has not placed in this run.

    The account may place a hundred in ten seconds: the daemon is paused, and places none.
    """
    listening = read_listening(instance.state / "simex")
    assert listening is not None
    instance.ask("pause")
    threading.Event().wait(WINDOW_S)
    for number in range(ORDERS):
        send(
            listening.port, "POST", "order", symbol="BTCUSDT", side="BUY", type="LIMIT",
            timeInForce="GTC", quantity="0.001", price="48000.00",
            newClientOrderId=own_id(tag(NAME), 1000 * round_number + number + 1),
        )  # fmt: skip


def kill_once(instance: Instance) -> dict[str, float]:
    """Kill as a person does, and return each part's time in ms since it was typed."""
    count = len(instance.truly_open())
    typed_ns = time.time_ns()
    done = instance.run("hftctl", "kill", "--name", NAME, "--json", "--reason", "bench")
    typed_to_end_ms = (time.time_ns() - typed_ns) / 1e6
    left = len(instance.truly_open())
    assert done.returncode in (0, 6), done.stdout + done.stderr
    assert (done.returncode == 0) is (left == 0), f"{left} left:\n{done.stdout}{done.stderr}"
    parsed_ns = max(
        record.ts_ns
        for record in JournalReader(instance.state / "journal").records(streams=(Stream.ORDERS,))
        if record.record_type == RecordType.COMMAND
        and decode_json(record.payload)["command"] == "kill"
    )
    latched_ns = json.loads((instance.state / "latch.json").read_text())["ts_ns"]
    # What the venue did not let be canceled is canceled as soon as it does: at a new minute.
    until(lambda: not instance.truly_open(), "nothing open", MINUTE_S)
    canceled = [
        order["updateTime"] for order in instance.truth()["orders"] if order["status"] == "CANCELED"
    ]
    return {
        "orders": count,
        "left": left,
        "typed_to_parsed": (parsed_ns - typed_ns) / 1e6,
        "parsed_to_gate_closed": (latched_ns - parsed_ns) / 1e6,
        "typed_to_gate_closed": (latched_ns - typed_ns) / 1e6,
        "typed_to_last_canceled_there": max(canceled) - typed_ns / 1e6,
        "parsed_to_verified": json.loads(done.stdout)["elapsed_ms"],
        "typed_to_end_of_hftctl": typed_to_end_ms,
    }


def rounds_of(count: int, spent: bool) -> dict[str, Any]:
    """Kill so often; return the medians and the worst."""
    taken = []
    with tempfile.TemporaryDirectory(prefix="hftd-kill-") as folder:
        instance = Instance(Path(folder))
        try:
            for number in range(count):
                instance.trading()
                rest(instance, number)
                if spent:
                    # The venue counts by the clock's minutes: this one is not to end too soon.
                    until(lambda: time.time() % 60 < EARLY_S, "an early second of a minute", 60.0)
                    instance.venue().spend_budget()
                taken.append(kill_once(instance))
        finally:
            instance.clean_up()
    medians = {name: round(statistics.median(each[name] for each in taken), 2) for name in taken[0]}
    worst = {name: round(max(each[name] for each in taken), 2) for name in taken[0]}
    return {"median_ms": medians, "max_ms": worst, "rounds": count}


PARTS = {
    "kill, typed to gate closed": "typed_to_gate_closed",
    "kill, parsed to gate closed": "parsed_to_gate_closed",
    "kill, typed to last order canceled": "typed_to_last_canceled_there",
    "kill, parsed to all verified": "parsed_to_verified",
    "kill, typed to hftctl's end": "typed_to_end_of_hftctl",
}


def rows_of(found: dict[str, Any], words: str) -> list[Row]:
    """Return the rows of the table; what hftctl could not verify has no time of verification."""
    median, worst = found["median_ms"], found["max_ms"]
    open_words = f"{median['orders']:g} orders open"
    if worst["left"]:
        open_words += f", {worst['left']:g} left and named, canceled in the venue's next minute"
    return [
        Row(
            name + words, median[part], "ms",
            note=f"worst {worst[part]:,.1f} ms" + (f"; {open_words}" if at == 0 else ""),
        )
        for at, (name, part) in enumerate(PARTS.items())
        if not (worst["left"] and part == "parsed_to_verified")
    ]  # fmt: skip


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench kill")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-save", dest="save", action="store_false", help="only print")
    options = parser.parse_args()
    result = {"machine": machine(), **rounds_of(options.rounds, spent=False)}
    result["budget_spent"] = rounds_of(1, spent=True)  # The next minute would be waited for.
    rows = rows_of(result, "") + rows_of(result["budget_spent"], ", rate budget spent")
    print(text(rows))
    if options.save:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
        save("kill", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
