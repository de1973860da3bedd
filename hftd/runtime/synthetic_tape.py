"""Writes the synthetic tape that travels with hftd: ten minutes of preset calm.

    python -m hftd.runtime.synthetic_tape hftd/data/synthetic-btcusdt.gz

Owns the file and its seed; ``hftd.simex.synthetic`` makes the lines.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator
from pathlib import Path

from hftd.config.preset_shelf import load_preset
from hftd.simex.presets import preset_of
from hftd.simex.synthetic import tape_lines

SEED = 7
SECONDS = 600


def shipped_lines() -> Iterator[bytes]:
    """Yield the lines of the shipped tape."""
    return tape_lines(preset_of(load_preset("calm")), "BTCUSDT", SEED, SECONDS)


def write_tape(path: Path, lines: Iterator[bytes]) -> None:
    """Write lines as a compressed tape; no name and no time stand in it."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        for line in lines:
            file.write(line)


def main() -> None:
    """Write the shipped tape to the path given."""
    parser = argparse.ArgumentParser(description="Write the synthetic tape of a calm market.")
    parser.add_argument("path", type=Path)
    write_tape(parser.parse_args().path, shipped_lines())


if __name__ == "__main__":
    main()
