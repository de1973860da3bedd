"""From a depth message to the book, best prices and imbalance: ours beside others', same bytes.

Each program is a process of its own (``decode_*.py``) that applies the same frames in blocks,
in turns with ours, and tells its best prices after each block: they must be equal. A ratio is
theirs over ours, the median over the blocks.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.bench import decode_frames, rows
from tests.bench.foreign import Missing, environment

SIZES = {5: 2_000, 20: 1_000, 200: 200}  # Levels a side: frames of a block.
BLOCKS = 9
PEERS = {  # What is asked of each at 20 levels a side.
    "ccxt": (("ccxt==4.5.64", "orjson"), sys.executable, 10.0),
    "cryptofeed": (("cryptofeed==2.5.0",), "python3.12", 20.0),
    "nautilus": (("nautilus_trader==1.221.0", "msgspec"), sys.executable, 50.0),
}


class Peer:
    """One program in its process."""

    def __init__(self, name: str, python: Path, frames: Path) -> None:
        command = [python, "-m", f"tests.bench.decode_{name}", frames]
        self.process = subprocess.Popen(
            command, cwd=rows.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"PYTHONPATH": str(rows.ROOT), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
        )  # fmt: skip
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "a program under test ended"
        return line

    def block(self, frames: int) -> tuple[float, tuple[str, str], float]:
        """Apply some frames; return ns a frame, best prices, imbalance of five levels."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{frames}\n")
        self.process.stdin.flush()
        took, bid, ask, imbalance = self._line().split()
        return int(took) / frames, (bid, ask), float(imbalance)

    def end(self) -> None:
        """Let it end by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0


def compare(levels: int, frames: int, pythons: dict[str, Path]) -> list[rows.Row]:
    """Return a row for each program beside ours."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "frames"
        decode_frames.write(path, levels, frames * (BLOCKS + 1))
        peers = {name: Peer(name, python, path) for name, python in pythons.items()}
        times: dict[str, list[float]] = {name: [] for name in peers}
        for block in range(BLOCKS + 1):
            said = {name: peer.block(frames) for name, peer in peers.items()}
            touches = {touch for _, touch, _ in said.values()}
            assert len(touches) == 1, f"best prices differ: {said}"
            values = [value for *_, value in said.values()]
            assert max(values) - min(values) < 1e-5, f"imbalances differ: {said}"
            if block:  # The first one warms up.
                for name, (each_ns, *_) in said.items():
                    times[name].append(each_ns)
        for peer in peers.values():
            peer.end()
    ours = times.pop("hftd")
    name = f"decode to book {levels}+{levels}"
    return [
        rows.Row(
            name, median(ours) / 1000, "µs", peer, median(theirs) / 1000,
            median(b / a for a, b in zip(ours, theirs, strict=True)), "higher",
            PEERS[peer][2] if levels == 20 else 0.0,
        )
        for peer, theirs in times.items()
    ]  # fmt: skip


def run() -> rows.Parts:
    """Return the rows of this part."""
    pythons, found = {"hftd": Path(sys.executable)}, []
    for name, (requirements, python, _) in PEERS.items():
        try:
            pythons[name] = environment(name, *requirements, python=python)
        except Missing as reason:
            found.append(rows.Row("decode to book", beside=name, note=str(reason)))
    for levels, frames in SIZES.items():
        found += compare(levels, frames, pythons)
    return {"decode": found}


if __name__ == "__main__":
    rows.main("decode", run)
