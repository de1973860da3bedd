"""A digest of what the engine makes of the recorded session, so that two versions can be compared.

    scripts/bench facts [--minutes N] [--lines FILE]

The real engine in simulated time, on the tape of the recorded BTCUSDT session (``../shared/data``;
else the shipped synthetic tape), canary off, quoting half a basis point from mid: every fact,
intent and frame that it puts out goes into one SHA-256, and the state's hash stands beside it. A
change that is about speed leaves both as they were: `git stash`, run, `git stash pop`, run. It
compares nothing by itself; what it prints is the same on every machine, compiled or not. Where
records have got fields in between, ``--lines`` has each output as a line, its fields by name and
what is 0 left out, so that `diff` shows what differs, and `jq` takes a field away.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from hftd.domain.actions import ACTION
from hftd.domain.facts import FACT
from hftd.journal.record import RecordType
from hftd.runtime import kernel_cache
from tests.bench import load
from tests.bench.value import SETS

OUTPUTS = (RecordType.FACT, RecordType.INTENT, RecordType.FRAME_OUT)
LAYOUTS = {RecordType.FACT: FACT, RecordType.INTENT: ACTION}
MINUTE_NS = 60 * 10**9


def tell(out: TextIO, kind: RecordType, ts_ns: int, payload: Any) -> None:
    """Write an output's lines: kind, time, and its fields or the frame."""
    if kind not in LAYOUTS:
        out.write(f"{kind.name} {ts_ns} {bytes(payload).decode()}\n")
        return
    for row in np.frombuffer(payload, LAYOUTS[kind]):
        said = {name: row[name].tolist() for name in row.dtype.names if np.any(row[name])}
        out.write(f"{kind.name} {ts_ns} {json.dumps(said, sort_keys=True)}\n")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench facts", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.5, help="of the tape")
    parser.add_argument("--lines", type=Path, default=Path("/dev/null"), help="each output there")
    options = parser.parse_args()
    lines = options.lines.open("w")
    kernel_cache.prepare()
    from hftd.config.load import load_profile
    from hftd.drivers.memory import Silence
    from hftd.drivers.simulate import START_NS, World
    from tests.bench.hour import BUILD

    digest, counts = hashlib.sha256(), dict.fromkeys(OUTPUTS, 0)

    class Digested(Silence):
        """An ink that keeps a hash of what the engine puts out."""

        def append(self, record_type: RecordType, ts_ns: int, payload: Any) -> int:
            """Add an output to the hash."""
            if record_type in counts:
                counts[record_type] += 1
                digest.update(f"{record_type.name} {ts_ns} ".encode())
                digest.update(payload)
                tell(lines, record_type, ts_ns, payload)
            return 0

    recorded = load.RECORDED[0].is_file()
    path = load.RECORDED[0] if recorded else load.SHIPPED
    loaded = load_profile("tape", sets=[*SETS, f"venue.market.path={path}"], environ={})
    world = World(loaded, BUILD, 1, Digested())
    world.boot()
    world.run_until(START_NS + int(options.minutes * MINUTE_NS))
    lines.close()
    words = ", ".join(f"{count:,} {kind.name}" for kind, count in counts.items())
    print(f"tape     {'recorded' if recorded else 'synthetic'}, {options.minutes:g} minutes")
    print(f"records  {words}")
    print(f"digest   {digest.hexdigest()}")
    print(f"state    {world.engine.state_hash()}")


if __name__ == "__main__":
    main()
