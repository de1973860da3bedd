"""What a person waits for: starts of hftd, and hftctl's verbs beside a bare import of typer.

The daemon is ``hftd start --profile canary`` with all its processes. hftctl runs as it is
installed; turns are interleaved. ``kill`` is timed twice: from the process's start until no order
can leave any more (the latch's own time), and to its last line, which comes when the exchange
shows no open order, a thing that ``status`` has not to wait for. Between two kills the daemon is
reset and quotes again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench import rows
from tests.e2e.daemon import ROOT, Instance

TURNS, KILLS, STARTS = 50, 50, 5


def seconds(command: list[str], instance: Instance) -> float:
    """Run a command to its good end; return what it took."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=instance.environ, capture_output=True, check=False)
    took = time.perf_counter() - began
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    return took


def hftctl(instance: Instance, *arguments: str) -> list[str]:
    """Return the command that asks this instance."""
    run = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
           "from hftd.cli.hftctl import main; main()"]  # fmt: skip
    return [*run, "--socket", str(instance.control), *arguments]


def verbs(instance: Instance) -> list[rows.Row]:
    """Time verbs and the bare import in turns."""
    bare = [sys.executable, "-P", "-c", "import typer"]
    commands = {"import typer": bare} | {
        name: hftctl(instance, name) for name in ("version", "status", "orders", "pnl")
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(TURNS):
        for name, command in commands.items():
            times[name].append(seconds(command, instance) * 1000)
    floor = median(times.pop("import typer"))
    return [
        rows.Row(
            f"hftctl {name}", median(each), "ms", "import typer", floor, median(each) / floor,
            reach=1.5,
        )
        for name, each in times.items()
    ]  # fmt: skip


def kills(instance: Instance) -> list[rows.Row]:
    """Time kill and status in turns, on a daemon that quotes."""
    closed, killed, asked = [], [], []
    for _ in range(KILLS):
        instance.trading()
        asked.append(seconds(hftctl(instance, "status"), instance) * 1000)
        typed_ns = time.time_ns()
        killed.append(seconds(hftctl(instance, "kill"), instance) * 1000)
        latch = json.loads((instance.state / "latch.json").read_text())
        closed.append((latch["ts_ns"] - typed_ns) / 1e6)
    status = median(asked)
    return [
        rows.Row(
            name, median(each), "ms", "hftctl status", status, median(each) / status, reach=1.1
        )
        for name, each in (
            ("hftctl kill, typed to gate closed", closed),
            ("hftctl kill, typed to verified and told", killed),
        )
    ]


def starts(folder: Path) -> list[rows.Row]:
    """Time starts in new folders, the kernels compiled, and further ones in the same folder."""
    first, later = [], []
    for number in range(STARTS):
        instance = Instance(folder / str(number))
        try:
            for times in (first, later):
                began = time.perf_counter()
                daemon = instance.start("--profile", "canary").running()
                times.append(time.perf_counter() - began)
                assert instance.hftctl("stop").returncode == 0
                daemon.process.wait(30)
        finally:
            instance.clean_up()
    note = "to RUNNING, reconciled; with all processes"
    return [
        rows.Row("start in an empty folder", median(first), "s", note=note),
        rows.Row("start again", median(later), "s", note=note),
    ]


def run() -> rows.Parts:
    """Return the rows of this part."""
    with tempfile.TemporaryDirectory(prefix="verbs") as place:
        found = starts(Path(place) / "starts")
        instance = Instance(Path(place) / "one")
        try:
            instance.start("--profile", "canary").running()
            found += [*verbs(instance), *kills(instance)]
        finally:
            instance.clean_up()
    return {"verbs": found}


if __name__ == "__main__":
    rows.main("verbs", run)
