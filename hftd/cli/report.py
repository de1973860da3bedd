"""``hftd report``: one run in figures, on the terminal and as a page that opens offline.

Owns the options, the walk through the journal and the file. What is computed is
``hftd/store/report_run.py``; how it looks, ``report_tables`` and ``report_html``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hftd.config.shelf import DEFAULT_PROFILE

if TYPE_CHECKING:
    from hftd.store.report_run import RunFigures

PROGRESS_RECORDS = 200_000


def report(
    run: Annotated[str, typer.Argument(help="Run, as hftd logs it; last for the newest.")] = "last",
    name: Annotated[str, typer.Option(help="Instance whose journal it is.")] = DEFAULT_PROFILE,
    out: Annotated[
        Path | None, typer.Option(help="The page; by default reports/RUN.html in the state folder.")
    ] = None,
) -> None:
    """Tell how a run went: money, fills, markouts, time not quoted and why, latency.

    Prints it and writes one HTML file with its charts inside. The run may be going on.
    """
    from hftd.cli.report_html import page
    from hftd.cli.report_tables import as_text
    from hftd.errors import UsageError, reason_of
    from hftd.runtime.paths import InstancePaths

    paths = InstancePaths.of_existing(name)
    if not paths.journal_dir.is_dir():
        raise UsageError(f"instance {name} has no journal: there is no {paths.journal_dir}")
    figures = read(paths.journal_dir, run)
    for line in as_text(figures):
        print(line)
    path = out or paths.state_dir / "reports" / f"{figures.words.run}.html"
    try:
        if out is None:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(page(figures), "utf-8")
        os.replace(fresh, path)
    except OSError as error:
        raise UsageError(f"--out {path}: {reason_of(error)}") from None
    print(f"\npage        {path}")


def read(journal: Path, name: str) -> RunFigures:
    """Fold one run of a journal into its figures.

    Raises: UsageError for an unknown run; JournalDamaged where the journal cannot be read.
    """
    from hftd.runtime import kernel_cache

    kernel_cache.prepare()  # The codec that reads the market's frames is compiled.
    import numpy as np

    from hftd import wiring
    from hftd.config.schema import Profile
    from hftd.domain.events import EVENT, EventKind, Link
    from hftd.drivers.memory import instruments_of
    from hftd.drivers.replay import find_run
    from hftd.engine.engine import EVENTS_CAPACITY, LEVELS_CAPACITY
    from hftd.journal.reader import JournalReader
    from hftd.journal.record import RecordType, split_frame
    from hftd.store.report_run import RunFigures

    reader = JournalReader(journal)
    found = find_run(reader, name)
    figures = RunFigures(found.header)
    profile = Profile.model_validate(found.header["profile"])
    codec = wiring.build_codec(profile, instruments_of(found.header), found.header["tag"])
    events, levels = np.zeros(EVENTS_CAPACITY, EVENT), np.zeros((LEVELS_CAPACITY, 3), np.int64)
    market = (EventKind.TOUCH, EventKind.DEPTH, EventKind.SNAPSHOT)
    for count, record in enumerate(reader.run_records(found)):
        if count and count % PROGRESS_RECORDS == 0:
            print(f"{count} records read", file=sys.stderr, flush=True)
        if record.record_type != RecordType.FRAME_IN:
            figures.add(record)
            continue
        link, frame = split_frame(record.payload)
        if link not in (Link.MARKET, Link.REST):
            continue
        decoded = codec.decode(Link(link), bytes(frame), record.ts_ns, events, levels)
        for event in events[:decoded]:
            if event["kind"] in market:
                figures.add_market(event, levels)
    figures.finish()
    return figures
