"""The exchange in C and a daemon that trades on it: how they are built, started, tied and ended.

Owns processes and the words between them and us. Must not know what is measured: that is each
bench's. The clock is in ``harness.c``; what it can be asked stands at its top.

The exchange would be another machine, so it has a core of its own, `EXCHANGE_CORE`, and whoever is
timed has another one, `TIMED_CORE`. Left to the scheduler a sleeping daemon is woken on the core
of the exchange that sends to it: the exchange then sees an order only when the daemon has done all
else and sleeps again, and that was half of what was measured. The daemon gets its core by
``runtime.cpu``, so its recorder is on the exchange's. It stays on: who trades has one. It is where
it weighs least; that the exchange is let in at once, and not the recorder, is what another machine
would give.

Each has a session of its own, as the daemon has: a kernel that weighs by session
(sched_autogroup) would give exchange and floor one weight between them, on two cores, and the
daemon a whole one. Whoever else wants a core still delays us, and a rate shows nothing of it: so
`waited_ns` asks the kernel how long a process stood in line.

The harness answers, and takes every order, but keeps no books and fills nothing, and it stops a
daemon while another is timed. What the daemon does about such a venue is not to be timed, so
`SETS` takes it out of the way: these limits are the harness's, not a profile for anybody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from hftd.config.load import load_profile
from hftd.drivers.machine import NICENESS
from hftd.runtime.children import exchange_arguments
from hftd.runtime.exchange_state import Listening
from hftd.runtime.weight import weigh
from tests.e2e.daemon import ROOT, Daemon, Instance

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
EXCHANGE_CORE, TIMED_CORE = CORES[0], CORES[-1]
PROFILE = "market-making"
COLUMNS = ("first", "from_beat", "last", "bytes", "sent_at", "send")
ORDER_BYTES = 420  # A cancel-replace; the floors send as much.
PLAN_COLUMNS = ("kind", "in_burst", "from_due", "from_sent", "late")
SETS = (
    # What is timed is the way, not the policy: no wait between quotes, no bound on their rate
    # (C17), and no pause because thousands of orders had no fill (C20): the harness fills none.
    "strategy.min_quote_life_ms=0",
    "risk.max_orders_per_second=1000",
    "risk.max_orders_without_fill=1000000",
    # Nor is it the daemon's fault that it is stopped while another is timed: its loop is late
    # then (C25), its answers wait (C28), its book is old (C22).
    "risk.max_loop_lag_ms=2000",
    "risk.max_ack_ms=60000",
    # The harness answers, but keeps no books that ours could be compared with (C35).
    "risk.reconcile_orders_ms=3600000",
    "risk.reconcile_trades_ms=3600000",
    "risk.reconcile_balances_ms=3600000",
    f"runtime.cpu={TIMED_CORE}",
)


def build(folder: Path) -> bool:
    """Compile harness and echo; return whether they speak TLS. Without gcc, say so and end.

    Every bench of the wire begins here: from now on SIGTERM ends what it has started, too.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    compiler = shutil.which("gcc")
    if compiler is None:
        sys.exit("this bench needs gcc, for the exchange in C that holds the clock: none found")
    include = "#include <openssl/ssl.h>\n"
    has_tls = not subprocess.run(
        [compiler, "-fsyntax-only", "-x", "c", "-"], input=include.encode(),
        capture_output=True, check=False,
    ).returncode  # fmt: skip
    tls = ["-DWITH_TLS", "-lssl", "-lcrypto"] if has_tls else []
    for name in ("harness", "harness_echo"):
        source = HERE / f"{name}.c"
        command = [compiler, "-O2", "-Wall", "-Wextra", str(source), "-o", str(folder / name), *tls]
        subprocess.run(command, check=True)
    return has_tls


def stand_on_the_timed_core(pid: int) -> None:
    """Give a process the daemon's core, and there the right of way that the daemon gives itself."""
    os.sched_setaffinity(pid, {TIMED_CORE})
    with contextlib.suppress(OSError):  # The daemon has no right to it then, either.
        weigh(NICENESS, pid)


class Harness:
    """The exchange in C; ``at`` a daemon's instance it stands where that looks for its own."""

    def __init__(self, binary: Path, *arguments: Path | str, locks: Sequence[int] = ()) -> None:
        self.process = subprocess.Popen(
            [binary, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            pass_fds=locks, start_new_session=True,
        )  # fmt: skip
        os.sched_setaffinity(self.process.pid, {EXCHANGE_CORE})
        self.port = int(self._line())

    @classmethod
    def at(cls, binary: Path, instance: Instance, sets: Sequence[str], *arguments: str) -> Harness:
        """Start it in the place where a daemon of this instance looks for its own exchange."""
        folder = instance.state / "simex"
        folder.mkdir(mode=0o700)
        lock = os.open(folder / "exchange.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        harness = cls(binary, *arguments, locks=[lock])
        os.pwrite(lock, f"{harness.process.pid}\n".encode(), 0)
        os.close(lock)  # The harness has it, until it ends.
        listening = Listening("127.0.0.1", harness.port, harness.process.pid)
        (folder / "exchange.json").write_bytes(msgspec.json.encode(listening))
        profile = load_profile(PROFILE, sets=list(sets), environ={}).profile
        (folder / "arguments").write_text(repr(exchange_arguments(profile, folder)))
        return harness

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the harness ended"
        return line

    def _say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def _ask(self, text: str) -> list[list[str]]:
        """Say a command; return the words of each line of its answer."""
        self._say(text)
        found = []
        while (line := self._line()) != "end\n":
            found.append(line.split())
        return found

    def know(self, peer: str, pid: int) -> None:
        """Tell which process to stop while another one is timed."""
        self._say(f"pid {peer} {pid}")

    def block(self, peer: str, stream: str, rounds: int, beat_us: int) -> np.ndarray[Any, Any]:
        """Time some rounds; return (rounds, 6) int64 of `COLUMNS`."""
        return _numbers(self._ask(f"block {peer} {stream} {rounds} {beat_us}"), len(COLUMNS))

    def plan(self, peer: str, path: Path, calm: bool = False) -> np.ndarray[Any, Any]:
        """Send a plan; return (timed frames, 5) int64 of `PLAN_COLUMNS`, the kind as its letter.

        ``calm``: the harness sleeps until a frame is due, for runs that only have to be long.
        """
        found = self._ask(f"plan {peer} {path} {'calm' if calm else 'spin'}")
        return _numbers([[str(ord(kind)), *rest] for kind, *rest in found], len(PLAN_COLUMNS))

    def flood(self, count: int) -> int:
        """Send depth as fast as the daemon reads; return ns until the last one's order, or -1."""
        return int(self._ask(f"flood {count}")[0][0])

    def stress(self, rounds: int) -> tuple[int, int]:
        """Move the touch as soon as every order is answered; return ns of all, and orders."""
        took_ns, orders = self._ask(f"stress {rounds}")[0]
        return int(took_ns), int(orders)

    def outage(self, rounds: int) -> np.ndarray[Any, Any]:
        """Leave update ids out; return (rounds, 5) int64, see ``harness.c``."""
        return _numbers(self._ask(f"outage {rounds}"), 5)

    def end(self) -> None:
        """End it; the daemon may have done so."""
        self.process.kill()
        self.process.wait()


def waited_ns(pid: int) -> int:
    """Return how long a process could have run so far, and others had its core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])


def stolen_ms() -> int:
    """Return for how long so far this machine's host ran others on our cores; 0 on a real one."""
    words = Path("/proc/stat").read_text().split(maxsplit=9)
    return int(words[8]) * 1000 // os.sysconf("SC_CLK_TCK")


def _numbers(lines: list[list[str]], columns: int) -> np.ndarray[Any, Any]:
    return np.array([[int(each) for each in line] for line in lines], np.int64).reshape(-1, columns)


class Trading(NamedTuple):
    """A daemon that trades, and against what."""

    harness: Harness
    instance: Instance
    daemon: Daemon


def sets_of(mode: str, more: Sequence[str] = ()) -> list[str]:
    """Return the daemon's keys for a mode: spin or sleep."""
    return [*SETS, f"runtime.spin={str(mode == 'spin').lower()}", *more]


@contextlib.contextmanager
def trading(folder: Path, sets: Sequence[str], canned: str = "") -> Iterator[Trading]:
    """Have a daemon trade against a harness of its own; end both."""
    with tempfile.TemporaryDirectory(prefix="tick") as place:
        instance = Instance(Path(place))
        harness = Harness.at(folder / "harness", instance, sets, *([canned] if canned else []))
        try:
            arguments = [part for each in sets for part in ("--set", each)]
            daemon = instance.start("--profile", PROFILE, *arguments).running()
            instance.await_quotes()
            harness.know("hftd", daemon.pid)
            yield Trading(harness, instance, daemon)
            instance.await_state("RUNNING")  # A pause shows as rounds without an order.
        finally:
            end(harness, instance)


def end(harness: Harness, instance: Instance) -> None:
    """End a harness and its daemon; a recorder that has much to read is not waited for."""
    daemon = instance.daemon
    if daemon is not None and daemon.is_there():
        children = daemon.children()
        for pid in (daemon.pid, *children):
            os.kill(pid, signal.SIGKILL)
    harness.end()
    instance.clean_up()


@contextlib.contextmanager
def floors(folder: Path, harness: Harness, mode: str, *names: str) -> Iterator[None]:
    """Have floors connected to a harness: ``c``, ``picows``."""
    tail = [str(harness.port), mode, str(ORDER_BYTES)]
    commands = {
        "c": [str(folder / "harness_echo"), *tail],
        "picows": [sys.executable, "-m", "tests.bench.harness_peer", *tail],
    }
    started = []
    try:
        for name in names:
            process = subprocess.Popen(commands[name], cwd=ROOT, start_new_session=True)
            stand_on_the_timed_core(process.pid)
            started.append(process)
            harness.know(name, process.pid)
        for name in names:
            await_answer(harness, name)
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def await_answer(
    harness: Harness, peer: str, stream: str = "touch", within_s: float = 120.0
) -> None:
    """Wait until a peer that has been started answers a frame."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        # Two of seven frames count: who answers each third or so is not missed for ever.
        if (harness.block(peer, stream, 2, 20_000)[:, 0] >= 0).any():
            return
    raise AssertionError(f"{peer} answers no frame in {within_s:g} s")
