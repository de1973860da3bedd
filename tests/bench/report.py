"""All benches in one table, and a run compared with the committed results.

    scripts/bench                    run them all, keep and print what they found
    scripts/bench report             print the committed results
    scripts/bench report --markdown  the same, as README has it
    scripts/bench check [PART …]     run again and name each ratio that fell by over a quarter

Nothing is gated by time: `check` compares ratios alone, and ends with 1 where one fell.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from tests.bench import rows

PARTS = {  # In the order in which they run: what needs a quiet machine first.
    "tick_to_order": (["--mode", "sleep"], ["--mode", "spin"]),
    "verbs": ([],),
    "throughput": ([],),
    "decode": ([],),
    "instruments": ([],),
    "gate": ([],),
    "ledger": ([],),
}


def run(parts: list[str]) -> None:
    """Run parts, each a process of its own, so that none inherits another's heap."""
    for part in parts:
        for arguments in PARTS[part]:
            print(f"== {part} {' '.join(arguments)}", flush=True)
            command = [sys.executable, "-m", f"tests.bench.{part}", *arguments]
            subprocess.run(command, cwd=rows.ROOT, check=True)


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
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def markdown() -> str:
    """Return the committed results as README's table."""
    heads = ("what", "ours", "beside", "theirs", "ratio", "to reach")
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for _, part in sorted(rows.known().items()):
        for row in rows.rows_of(part):
            if not row.ratio:
                lines.append(
                    f"| {row.name} | {short(row.ours)} {row.unit} | – | – | – | {row.note} |"
                )
                continue
            sign = "≤" if row.better == "lower" else "≥"
            verdict = {True: "", False: ", not reached", None: ""}[row.reached()]
            reach = f"{sign} {row.reach:g}{verdict}" if row.reach else "–"
            lines.append(
                f"| {row.name} | {short(row.ours)} {row.unit} | {row.beside} | "
                f"{short(row.theirs)} {row.unit} | {short(row.ratio)} | {reach} |"
            )
    return "\n".join(lines)


def check(parts: list[str]) -> list[str]:
    """Run parts against a copy of the results; return what fell."""
    before = rows.known()
    kept = rows.RESULTS.read_bytes()
    try:
        run(parts)
        after = rows.known()
    finally:
        rows.RESULTS.write_bytes(kept)
    found = []
    for name, part in after.items():
        if name in before and part != before[name]:
            found += rows.fallen(rows.rows_of(before[name]), rows.rows_of(part))
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("verb", choices=("all", "report", "check"))
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"a part is one of {', '.join(PARTS)}, was {part}")
    parts = options.parts or list(PARTS)
    if options.verb == "check":
        fallen = check(parts)
        print("\n".join(["", *fallen] if fallen else ["", "no ratio fell by more than a quarter"]))
        sys.exit(1 if fallen else 0)
    if options.verb == "all":
        run(parts)
    print(markdown() if options.markdown else table())


if __name__ == "__main__":
    main()
