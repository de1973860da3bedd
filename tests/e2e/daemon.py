"""The real program as a process of its own: started, watched by its lines and its socket, ended.

Each instance has its own state, runtime and home folders. Only processes started here are ended,
by pid: the daemon, its recorder and the simulated exchange that outlives it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from hftd.control.client import call
from hftd.journal.reader import JournalReader
from hftd.runtime.children import is_alive
from hftd.runtime.exchange_ask import SOCKET_NAME
from hftd.runtime.exchange_ask import ask as ask_admin
from hftd.runtime.exchange_markets import DEFAULT_KEY, DEFAULT_SECRET
from hftd.runtime.exchange_state import read_listening
from hftd.runtime.kernel_cache import cache_root

ROOT = Path(__file__).parents[2]
START_S = 240.0  # The first start after an edit compiles all kernels.
WITHIN_S = 120.0  # The recorder gives way to all that runs beside the tests.
_LOOK_S = 0.02

Found = TypeVar("Found")


def until(look: Callable[[], Found], what: str, within_s: float = WITHIN_S) -> Found:
    """Look again and again until there is something; return it."""
    found = within(look, within_s)
    assert found, f"not within {within_s:g} s: {what}"
    return found


def within(look: Callable[[], Found], within_s: float) -> Found:
    """Look again and again until there is something or the time is over; return the last look."""
    deadline, pause = time.monotonic() + within_s, threading.Event()
    while not (found := look()) and time.monotonic() < deadline:
        pause.wait(_LOOK_S)
    return found


def free_port() -> int:
    """Return a port of loopback that nobody has now."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


class Instance:
    """One instance's folders; its daemon may be started in them again and again."""

    def __init__(self, folder: Path) -> None:
        self.state, self.runtime = folder / "state", folder / "run"
        self.home = folder / "home"
        for path in (self.state, self.runtime, self.home):
            path.mkdir(parents=True)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "STATE_DIRECTORY": str(self.state),
            "RUNTIME_DIRECTORY": str(self.runtime),
            "CACHE_DIRECTORY": str(cache_root(os.environ).parent),
            "HFTD__RISK__RESET_DWELL_MS": "1",  # C33 has tests of its own; here it would only wait.
        }
        self.daemon: Daemon | None = None
        self.unheard: subprocess.Popen[bytes] | None = None

    @property
    def control(self) -> Path:
        """The engine's socket."""
        return self.runtime / "control.sock"

    @property
    def recorder(self) -> Path:
        """The recorder's socket."""
        return self.runtime / "recorder.sock"

    def start(self, *options: str, environ: dict[str, str] | None = None) -> Daemon:
        """Start ``hftd start`` and return at once."""
        arguments = ("hftd.cli.hftd", "start", *options)
        self.daemon = Daemon(self, arguments, {**self.environ, **(environ or {})})
        return self.daemon

    def trading(self, *options: str) -> Daemon:
        """Return a daemon that quotes both sides, whatever was before: a kill, or nothing."""
        daemon = self.daemon
        if daemon is None or not daemon.is_there():
            daemon = self.start(*options)
            daemon.await_line(r"\b(RUNNING|KILLED|HALTED)\b")
        if self.state_name() in ("KILLED", "HALTED"):
            assert self.hftctl("ack").returncode == 0
            self.hftctl("ack")

            def reset() -> bool:  # Refused until the latch has stood for its dwell.
                return self.hftctl("reset", "--reason", "the next case").returncode == 0

            until(reset, "a reset")
            assert self.hftctl("resume").returncode == 0
        self.await_state("RUNNING")
        self.await_quotes()
        return daemon

    def start_module(self, *arguments: str) -> Daemon:
        """Start another module that is the daemon, and return at once."""
        self.daemon = Daemon(self, arguments, self.environ)
        return self.daemon

    def start_unheard(self) -> subprocess.Popen[bytes]:
        """Start ``hftd start`` with its output in a pipe that nobody reads any more."""
        reader, writer = os.pipe()
        os.close(reader)
        try:
            self.unheard = subprocess.Popen(
                [sys.executable, "-m", "hftd.cli.hftd", "start"],
                cwd=ROOT, env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=writer, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(writer)
        return self.unheard

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``hftd`` or ``hftctl`` to its end."""
        return subprocess.run(
            [sys.executable, "-m", f"hftd.cli.{program}", *arguments],
            cwd=ROOT, env=self.environ, capture_output=True, text=True, timeout=START_S,
            check=False,
        )  # fmt: skip

    def hftctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run hftctl on this instance, whatever else runs on the machine."""
        return self.run("hftctl", "--socket", str(self.control), *arguments)

    def ask(self, method: str, **params: Any) -> Any:
        """Ask the engine one thing."""
        return call(self.control, method, params, 10.0)

    def ask_recorder(self, method: str, **params: Any) -> Any:
        """Ask the recorder one thing; it listens a moment after the engine does."""
        until(self.recorder.exists, "the recorder's socket")
        return call(self.recorder, method, params, 10.0)

    def venue(self) -> VenueAccount:
        """Return the account at the exchange that runs now."""
        listening = read_listening(self.state / "simex")
        assert listening is not None, "no exchange runs"
        return VenueAccount(listening.port)

    def truth(self) -> dict[str, Any]:
        """Return the account as the exchange has it, whatever faults it tells others."""
        accounts = self._ask_exchange(op="truth")["accounts"]
        return dict(accounts[DEFAULT_KEY])

    def truly_open(self) -> list[str]:
        """Return the client order ids of what is open, by the exchange's truth."""
        orders = self.truth()["orders"]
        states = ("NEW", "PARTIALLY_FILLED")
        return [order["clientOrderId"] for order in orders if order["status"] in states]

    def arm(self, **fault: Any) -> None:
        """Give the exchange a fault; it has no end unless ``times`` says so."""
        self._ask_exchange(op="arm", faults=[{"times": 0, **fault}])

    def fired(self) -> int:
        """Return how often the faults that are armed have happened."""
        return sum(fault["fired"] for fault in self._ask_exchange(op="faults"))

    def recorder_pid(self) -> int:
        """Return the pid of the recorder that reads the journal; wait for one."""
        lock = self.state / "journal" / "recorder.lock"
        return int(until(lambda: lock.exists() and lock.read_text().strip(), "a recorder"))

    def disarm(self) -> None:
        """Take all faults from the exchange."""
        self._ask_exchange(op="disarm")

    def _ask_exchange(self, **request: Any) -> Any:
        return ask_admin(self.state / "simex" / SOCKET_NAME, request, 10.0)

    def exchange_pid(self) -> int | None:
        """Return the pid of the exchange that said that it listens."""
        listening = read_listening(self.state / "simex")
        return None if listening is None else listening.pid

    def state_name(self) -> str:
        """Return the trading state as the socket tells it."""
        return str(self.ask("status")["state"])

    def await_state(self, name: str, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Wait for a trading state; return the status."""
        found = {}

        def look() -> bool:
            found.update(self.ask("status"))
            return found["state"] == name

        until(look, f"{name}, was {found.get('state')}", within_s)
        return found

    def await_quotes(self) -> None:
        """Wait until an order of each side rests at the exchange."""

        def look() -> bool:
            orders = self.ask("orders")["orders"]
            return {o["side"] for o in orders if o["state"] == "NEW"} == {"BUY", "SELL"}

        until(look, "a quote on each side")

    def await_proof(self) -> None:
        """Wait until no order is UNKNOWN: one that was never sent is not ours once that is proved.

        The proof takes the receive window, ten seconds, and two answers a second apart.
        """
        until(
            lambda: all(o["state"] != "UNKNOWN" for o in self.ask("orders")["orders"]),
            "the end of a doubt",
        )

    def sides_filled(self) -> set[str]:
        """Return the sides that have a fill, as the recorder knows it."""
        return {fill["side"] for fill in self.ask_recorder("fills", limit=1000)["fills"]}

    def recorded(self) -> None:
        """Wait until the ledger holds all that the journal held when this was called."""
        seq = self.ask("status")["journal"]["seq"]
        until(lambda: (self.ask("status")["recorder"]["seq"] or 0) >= seq, "the recorder is there")

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the ledger."""
        with sqlite3.connect(f"file:{self.state}/hftd.db?mode=rw", uri=True) as connection:
            return list(connection.execute(query, values))

    def replay_all(self) -> int:
        """Replay every run of the journal and return how many; raise where one differs."""
        from hftd import wiring
        from hftd.drivers.memory import Builders
        from hftd.drivers.replay import replay

        folder = self.state / "journal"
        if not folder.is_dir():
            return 0
        build = Builders(wiring.build_engine, wiring.build_codec)
        runs = JournalReader(folder).runs()
        for run in runs:
            replay(folder, run.name, build)
        return len(runs)

    def clean_up(self) -> None:
        """End whatever still runs of this instance."""
        exchange = self.exchange_pid()
        if self.daemon is not None:
            self.daemon.end()
        if self.unheard is not None and self.unheard.poll() is None:
            self.unheard.kill()
            self.unheard.wait()
        if exchange is not None and is_alive(exchange) and self._is_ours(exchange):
            os.kill(exchange, signal.SIGKILL)

    def _is_ours(self, pid: int) -> bool:
        return str(self.state).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()


class Daemon:
    """A process of ``hftd start``; what it prints is kept, line by line."""

    def __init__(self, instance: Instance, arguments: tuple[str, ...], environ: dict[str, str]):
        self.instance = instance
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._has_ended = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def text(self) -> str:
        """All that it printed so far."""
        return "\n".join(self.lines)

    def is_there(self) -> bool:
        """Tell whether the process has not ended."""
        return self.process.poll() is None

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()
        self.process.stdout.close()

    def await_line(self, pattern: str, within_s: float = START_S) -> re.Match[str]:
        """Return the first line that a pattern is found in; fail where it ends without one."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            matches = (re.search(pattern, line) for line in self.lines)
            found[:] = [match for match in matches if match is not None][:1]
            return bool(found) or self._has_ended

        with self._news:
            self._news.wait_for(look, within_s)
        assert found, f"no line has {pattern!r}:\n{self.text}"
        return found[0]

    def running(self) -> Daemon:
        """Wait until it trades."""
        self.await_line(r"\bRUNNING\b")
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, within_s: float = WITHIN_S) -> int:
        """Wait for its end and return the exit code."""
        code = self.process.wait(within_s)
        # The recorder writes into the same pipe; it ends by itself once it has read all.
        self._reader.join(max(within_s, WITHIN_S))
        assert not self._reader.is_alive(), f"somebody holds its output open:\n{self.text}"
        return code

    def stop(self) -> int:
        """End it by SIGTERM; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def crash(self) -> None:
        """End it by kill -9, and wait until its recorder has read all that there is."""
        self.process.kill()
        self.wait()

    def children(self) -> list[int]:
        """Return the pids of its children."""
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    def end(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()


class VenueAccount:
    """The paper account, asked at the exchange itself by signed REST.

    It has the daemon's own rate limit, as a second program of one address would: wait for a
    condition by the sockets, and ask here what is true then.
    """

    def __init__(self, port: int, symbol: str = "BTCUSDT") -> None:
        self._base = f"http://127.0.0.1:{port}/api/v3"
        self._symbol = symbol

    def get(self, path: str, **params: object) -> Any:
        """Return the answer to a signed question."""
        return self._ask("GET", path, params)

    def buy_at_market(self, qty: str) -> None:
        """Buy by hand, beside the daemon."""
        given = {"symbol": self._symbol, "side": "BUY", "type": "MARKET", "quantity": qty}
        self._ask("POST", "order", given)

    def spend_budget(self) -> None:
        """Use up the request weight of this minute, which all clients of an address share."""
        while True:
            try:
                with urllib.request.urlopen(f"{self._base}/depth?symbol=BTCUSDT&limit=5000"):
                    pass
            except urllib.error.HTTPError:  # 429: it is used up.
                return

    def _ask(self, method: str, path: str, params: dict[str, object]) -> Any:
        full = {**params, "timestamp": time.time_ns() // 1_000_000}
        query = "&".join(f"{name}={value}" for name, value in full.items())
        signature = hmac.new(DEFAULT_SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self._base}/{path}?{query}&signature={signature}"
        headers = {"X-MBX-APIKEY": DEFAULT_KEY}
        request = urllib.request.Request(url, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=WITHIN_S) as reply:
            return json.load(reply)

    def open_orders(self) -> list[dict[str, Any]]:
        """Return what is open."""
        return list(self.get("openOrders", symbol=self._symbol))

    def trades(self) -> list[dict[str, Any]]:
        """Return all own trades, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["id"] + 1 if found else 0
            page = self.get("myTrades", symbol=self._symbol, fromId=after, limit=1000)
            found += page
            if len(page) < 1000:
                return found

    def position(self) -> Decimal:
        """Return the signed sum of own trades, in base."""
        return sum(
            (Decimal(t["qty"]) * (1 if t["isBuyer"] else -1) for t in self.trades()), Decimal(0)
        )

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return free and locked of each asset."""
        rows = self.get("account")["balances"]
        return {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in rows}
