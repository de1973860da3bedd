"""All benches in one table, and a run compared with the committed results.

    scripts/bench                    run them all, keep and print what they found
    scripts/bench report             print the committed results
    scripts/bench report --markdown  the same, as README has it
    scripts/bench report --readme    write them into README
    scripts/bench check [PART …]     run again and name each ratio that fell by over a quarter

A part that fails is a row that says why, and the others run on. Nothing is gated by time: `check`
compares ratios alone, names what fell, and ends with 0. What takes an hour is not run here: its
rows stay as they were kept (`scripts/bench memory --part engine --part daemon --minutes 60`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench import rows

# In the order in which they run: what needs a quiet machine first.
PARTS: Mapping[str, Sequence[Sequence[str]]] = {
    "tick_to_order": (["--mode", "sleep"], ["--mode", "spin"]),
    "tls": ([],),
    "wire_load": (["--mode", "sleep"], ["--mode", "spin"]),
    "peers": ([],),
    "profile": ([],),
    "verbs": ([],),
    "throughput": ([],),
    "orders": ([],),
    "outage": ([],),
    "kill": (["--rounds", "2"],),
    "decode": ([],),
    "instruments": ([],),
    "gate": ([],),
    "ledger": ([],),
    "value": ([],),
    "memory": (["--part", "quiet", "--part", "installed"],),
}
# A part that is ended by SIGTERM ends what it has started: its `finally` is run.
ENDS_ITS_OWN = (
    "import runpy, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)); "
    "sys.argv = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
MOST_S = 600.0  # A part that takes longer hangs; a first run may have to install programs.
README = rows.ROOT / "README.md"
BEGIN, END = "| what | ours | beside |", "\n\n"


def run(parts: Sequence[str]) -> None:
    """Run parts, each a process of its own, so that none inherits another's heap."""
    begun = time.monotonic()
    for part in parts:
        for arguments in PARTS[part]:
            began = time.monotonic()
            name = " ".join([part, *arguments])
            print(f"== {name}", flush=True)
            why = run_one(part, arguments)
            if why:
                print(f"{name}: {why}", flush=True)
                rows.save(f"{name}, not run", [rows.Row(name, note=why)])
            else:
                rows.forget(f"{name}, not run")
            now = time.monotonic()
            print(f"== {name}: {now - began:.0f} s, {now - begun:.0f} s in all", flush=True)


def run_one(part: str, arguments: Sequence[str]) -> str:
    """Run a part; return why it failed, in a line, or nothing."""
    command = [sys.executable, "-c", ENDS_ITS_OWN, f"tests.bench.{part}", *arguments]
    child = subprocess.Popen(
        command, cwd=rows.ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        _, told = child.communicate(timeout=MOST_S)
    except subprocess.TimeoutExpired:
        child.terminate()  # It ends what it has started.
        child.wait(30)
        return f"not over within {MOST_S:g} s"
    except BaseException:
        child.terminate()
        child.wait(30)
        raise
    if child.returncode == 0:
        return ""
    sys.stderr.write(told)
    lines = told.strip().splitlines()
    return (lines[-1] if lines else f"exit {child.returncode}")[:200]


def table() -> str:
    """Return the committed results as text."""
    found = []
    for name, part in sorted(rows.known().items()):
        machine = part["machine"]
        found.append(
            f"\n{name}: commit {machine['commit']}, {machine['cores']} x {machine['cpu']}, "
            f"Python {machine['python']}, load {machine['load_1_5_15'][0]}"
        )
        found.append(rows.text(rows.rows_of(part)))
    return "\n".join(found)


def short(value: float) -> str:
    """Return a number of about three digits, as people write it."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def verdict(row: rows.Row) -> str:
    """Return what was to be reached, and whether it was."""
    if not row.reach:
        return "–"
    sign = "≤" if row.better == "lower" else "≥"
    return f"{sign} {row.reach:g}" + ("" if row.reached() else ", not reached")


def line(row: rows.Row, aim: rows.Row | None) -> str:
    """Return a row of README's table; what is aimed at stands beside it, not in its ratio."""
    ours = f"{short(row.ours)} {row.unit}".strip() if row.unit else "not taken"
    reach = verdict(row)
    if aim is not None:
        reach = f"{'≤' if aim.better == 'lower' else '≥'} {short(aim.theirs)} {aim.unit}"
        reach += "" if aim.reached() else ", not reached"
    beside, theirs, ratio = "–", "–", "–"
    if row.ratio and row is not aim:
        beside, theirs, ratio = row.beside, f"{short(row.theirs)} {row.unit}", short(row.ratio)
    return f"| {row.name} | {ours} | {beside} | {theirs} | {ratio} | {reach} | {row.note} |"


def markdown() -> str:
    """Return the committed results as README's table; an aim is a cell of its figure's row."""
    heads = ("what", "ours", "beside", "theirs", "ratio", "to reach", "")
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    known = rows.known()
    for name in sorted(known, key=place):
        found = [row for row in rows.rows_of(known[name]) if row.beside != "floor in picows"]
        aims = {row.name: row for row in found if row.beside == "aim"}
        told = set()
        for row in found:
            aim = aims.get(row.name)
            if row is aim and any(each.name == row.name and each is not aim for each in found):
                continue
            lines.append(line(row, aim if row.name not in told else None))
            told.add(row.name)
    return "\n".join(lines)


def place(name: str) -> tuple[int, str]:
    """Return where a part of the results stands in the table: in the order of `PARTS`."""
    first = name.split()[0].rstrip(",")
    order = list(PARTS)
    return (order.index(first) if first in order else len(order)), name


def write_readme() -> None:
    """Put the table where README has one."""
    told = README.read_text("utf-8")
    begin = told.index(BEGIN)
    README.write_text(told[:begin] + markdown() + told[told.index(END, begin) :], "utf-8")


def check(parts: Sequence[str]) -> list[str]:
    """Run parts against a copy of the results; return what fell, or could not be taken."""
    before = rows.known()
    kept = rows.RESULTS.read_bytes()
    try:
        run(parts)
        after = rows.known()
    finally:
        rows.RESULTS.write_bytes(kept)
    return compared(before, after)


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what fell between two runs, or could not be taken in the second."""
    found = []
    for name, part in after.items():
        if name not in before:
            found += [f"{row.name}: {row.note}" for row in rows.rows_of(part) if not row.unit]
        elif part != before[name]:
            found += rows.fallen(rows.rows_of(before[name]), rows.rows_of(part))
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("verb", choices=("all", "report", "check"))
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--readme", action="store_true", help="write the table into README")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"a part is one of {', '.join(PARTS)}, was {part}")
    parts = options.parts or list(PARTS)
    if options.verb == "check":
        fallen = check(parts)
        print("\n".join(["", *fallen] if fallen else ["", "no ratio fell by more than a quarter"]))
        return
    if options.verb == "all":
        run(parts)
    if options.readme:
        write_readme()
    else:
        print(markdown() if options.markdown else table())


if __name__ == "__main__":
    main()
