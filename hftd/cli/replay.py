"""``hftd replay``: a journal again, every decision compared."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from hftd.config.shelf import DEFAULT_PROFILE


def replay(
    run: Annotated[str, typer.Argument(help="Run, as hftd logs it; last for the newest.")] = "last",
    name: Annotated[str, typer.Option(help="Instance whose journal it is.")] = DEFAULT_PROFILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Run a journal again and compare every fact, intent and frame.

    Exits 1 and names the first record that differs, with both sides; 65 for a damaged
    journal. Nothing is sent anywhere.
    """
    from hftd.runtime import kernel_cache

    kernel_cache.prepare()
    from hftd import wiring
    from hftd.drivers.memory import Builders
    from hftd.drivers.replay import replay as replay_run
    from hftd.errors import RecordsDamaged, UsageError
    from hftd.runtime.paths import InstancePaths

    paths = InstancePaths.of_existing(name)
    if not paths.journal_dir.is_dir():
        raise UsageError(f"instance {name} has no journal: there is no {paths.journal_dir}")
    build = Builders(wiring.build_engine, wiring.build_codec)
    try:
        done = replay_run(
            paths.journal_dir,
            run,
            build,
            lambda count: print(f"{count} records, no difference", file=sys.stderr, flush=True),
        )
    except RecordsDamaged as damaged:
        mend = f"what can be kept is kept by: hftd db repair {name}"
        raise RecordsDamaged(f"{damaged}; {mend}") from None
    if as_json:
        print(json.dumps(vars(done)))
        return 0
    if done.gap_after_seq:
        print(
            f"record {done.gap_after_seq + 1} is missing: a loss of power took it, or it was "
            "market data that went by size; replayed up to there"
        )
    hashed = "equal to the run's" if done.hash_compared else "the run wrote none: it did not end"
    print(f"run {done.run}: {done.inputs} inputs, {done.outputs} outputs, no difference")
    print(f"state_hash {done.state_hash} ({hashed})")
    return 0
