"""The processes beside the engine: the simulated exchange and the recorder.

The exchange runs in a session of its own and outlives a crash of the engine: its port and
pid stand in its state folder, and a start attaches to it again or starts it anew on the same
account. The recorder is a plain child. Both are started again whenever they end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from hftd.config.load import tape_path
from hftd.config.schema import AgentsMarket, LiveMarket, Profile, SimexVenue
from hftd.errors import HftdError, InstanceLocked, JournalDamaged
from hftd.runtime.exchange_state import Listening, read_doubt, read_listening
from hftd.runtime.lock import InstanceLock
from hftd.simex.doubt import DoubtfulWorth
from hftd.venues.binance.endpoints import Endpoints, loopback

START_SECONDS = 60.0  # It takes half a second, on a machine that has one to spare.
POLL_SECONDS = 0.02
PID_DIGITS = 10
STOP_SECONDS = 10.0
RESTART_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)  # The back-off; the last one repeats.
ALL_CORES = os.sched_getaffinity(0)


def exchange_arguments(profile: Profile, folder: Path) -> list[str]:
    """Return the command line of the profile's exchange; it holds no secret.

    A profile with keys of its own names them by reference; the exchange's account is the
    documented paper account in every case.
    """
    assert isinstance(profile.venue, SimexVenue), "a venue of others is not started"
    market = profile.venue.market
    symbols = ",".join(name.replace("-", "") for name in profile.instruments)
    arguments = [sys.executable, "-m", "hftd.cli.hftd", "exchange"]
    arguments += ["--symbols", symbols, "--state", str(folder)]
    arguments += ["--maker-bps", str(profile.venue.fees.maker_bps)]
    arguments += ["--taker-bps", str(profile.venue.fees.taker_bps)]
    for asset, amount in sorted(profile.venue.opening_balances.items()):
        arguments += ["--balance", f"{asset}={amount}"]
    if isinstance(market, AgentsMarket):
        return [*arguments, "--preset", market.preset, "--seed", str(market.seed)]
    if isinstance(market, LiveMarket):
        return [*arguments, "--market", f"live:{market.url}", "--queue", market.queue]
    arguments += ["--market", f"tape:{tape_path(profile)}", "--speed", str(market.speed)]
    return [*arguments, "--queue", market.queue]


async def answers(listening: Listening) -> bool:
    """Tell whether a Binance-like exchange answers a ping there."""
    url = f"http://{listening.host}:{listening.port}/api/v3/ping"
    timeout = aiohttp.ClientTimeout(total=1.0)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as reply:
            return reply.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


class ExchangeProcess:
    """The simulated exchange of one instance."""

    def __init__(
        self, profile: Profile, folder: Path, log_path: Path, tell: Callable[[str], Any]
    ) -> None:
        self._profile = profile
        self._folder = folder
        self._log_path = log_path
        self._tell = tell
        self._arguments_path = folder / "arguments"
        self._listening: Listening | None = None
        self._stopping = False
        self.attached = False

    async def start(self) -> Listening:
        """Attach to the exchange that still runs, or start one on its account.

        Raises: HftdError with the end of its log where it does not listen in time.
        """
        arguments = exchange_arguments(self._profile, self._folder)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pid = running_exchange(self._folder)
        if pid is not None:
            found = read_listening(self._folder)
            path = self._arguments_path
            same = path.exists() and path.read_bytes() == repr(arguments).encode()
            if same and found is not None and found.pid == pid and await answers(found):
                self._listening, self.attached = found, True
                self._tell(f"attached to the simulated exchange on {found.host}:{found.port}")
                return found
            await end(pid)
        self._arguments_path.write_text(repr(arguments))
        self._listening = found = await self._launch(arguments)
        self._tell(f"started the simulated exchange on {found.host}:{found.port}")
        return found

    async def open(self) -> Endpoints:
        """Return where it is served, once it is; see `start`."""
        return loopback((await self.start()).port)

    async def _launch(self, arguments: Sequence[str]) -> Listening:
        (self._folder / "exchange.json").unlink(missing_ok=True)
        with open(self._log_path, "ab") as log:
            process = await asyncio.create_subprocess_exec(
                *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=on_other_cores,
            )  # fmt: skip
        try:
            return await self._await_listening(process)
        except BaseException:
            # Whoever gives up on a start, or is told to end during it, leaves no process.
            await end(process.pid)
            raise

    async def _await_listening(self, process: asyncio.subprocess.Process) -> Listening:
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            listening = read_listening(self._folder)
            if listening is not None and listening.pid == process.pid:
                return listening
            if process.returncode is not None:
                break
            await asyncio.sleep(POLL_SECONDS)
        words = f"the simulated exchange did not start: {last_line(self._log_path)}"
        if process.returncode == JournalDamaged.exit_code:
            fresh = "a new account is opened, and this one put aside, by: hftd start --fresh"
            raise JournalDamaged(f"{words} ({self._folder}); {fresh}")
        raise HftdError(words)

    async def supervise(self) -> None:
        """Wait for its end and start it again, on its account and its port; ends after `stop`.

        The links come back by themselves then, and so does what was open.
        """
        assert self._listening is not None, "start comes first"
        port = self._listening.port
        arguments = [*exchange_arguments(self._profile, self._folder), "--port", str(port)]
        attempt = 0
        while True:
            await ended(self._listening.pid)
            if self._stopping:
                return
            wait_s = RESTART_SECONDS[min(attempt, len(RESTART_SECONDS) - 1)]
            attempt += 1
            self._tell(f"the simulated exchange ended, started again in {wait_s:g} s")
            await asyncio.sleep(wait_s)
            try:
                self._listening = await self._launch(arguments)
            except HftdError as error:
                self._tell(str(error))
            else:
                self._tell(f"the simulated exchange is back on port {port}")

    def doubt_atoms(self, quote_asset: str) -> int | None:
        """Return what an optimistic queue would have earned beyond the truth, as last told.

        None where no fill is in doubt: with agents and tapes, and before the first word.
        """
        told = read_doubt(self._folder)
        venue = self._profile.venue
        follows = isinstance(venue, SimexVenue) and isinstance(venue.market, LiveMarket)
        if told is None or not follows:
            return None
        try:
            accounts = msgspec.json.decode(told, type=DoubtfulWorth).accounts
        except (msgspec.DecodeError, UnicodeDecodeError):  # A loss of power left it short.
            return None
        return sum(worth.get(quote_asset, 0) for worth in accounts.values())

    async def stop(self) -> None:
        """End the exchange; its account is durable."""
        self._stopping = True
        if self._listening is not None:
            await end(self._listening.pid)


def running_exchange(folder: Path) -> int | None:
    """Return the pid of the exchange that works on a state folder, None where none does.

    Its lock says so, and not a file that names a pid: that one may be somebody else's by now.
    """
    if not folder.is_dir():
        return None
    lock = InstanceLock(folder / "exchange.lock")
    try:
        lock.acquire()
    except InstanceLocked:
        return read_pid(folder / "exchange.lock")
    lock.release()
    return None


async def ended(pid: int) -> None:
    """Wait for the end of a process, a child of ours or not."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(fd, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def end(pid: int) -> None:
    """Ask a process to end, and make it end when it does not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not is_alive(pid):
            return
        os.kill(pid, number)
        deadline = asyncio.get_running_loop().time() + STOP_SECONDS
        while is_alive(pid) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(POLL_SECONDS)


def on_other_cores() -> None:
    """Keep a child off the core that this process has pinned itself to, where there are others.

    A service manager may forbid that; the child is started all the same.
    """
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, ALL_CORES - os.sched_getaffinity(0) or ALL_CORES)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and is not yet reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def read_pid(lock_path: Path) -> int | None:
    """Return the pid that stands in a lock file, None where there is none."""
    text = lock_path.read_bytes().strip() if lock_path.exists() else b""
    return int(text) if text.isdigit() and len(text) <= PID_DIGITS else None


def last_line(path: Path) -> str:
    """Return the last line of a log, for the one line that an error may have."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return lines[-1] if lines else "it printed nothing"


class RecorderProcess:
    """The recorder, restarted with back-off for as long as the engine runs."""

    def __init__(
        self, arguments: Sequence[str], environ: Mapping[str, str], tell: Callable[[str], Any]
    ) -> None:
        self._arguments = list(arguments)
        self._environ = dict(environ)
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = self._renewed = False
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Return the recorder's pid while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    async def start(self) -> None:
        """Start the recorder."""
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments, stdin=asyncio.subprocess.DEVNULL, env=self._environ,
            start_new_session=True, preexec_fn=on_other_cores,
        )  # fmt: skip

    def renew(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        """Let it end where it is, to be started again by other arguments."""
        self._arguments, self._environ = list(arguments), dict(environ)
        if self._process is not None and self._process.returncode is None:
            self._renewed = True
            self._process.send_signal(signal.SIGHUP)

    async def supervise(self) -> None:
        """Wait for its end and start it again; ends after `stop`."""
        while self._process is not None:
            code = await self._process.wait()
            if self._stopping:
                return
            if self._renewed:
                self._renewed, self.restarts = False, 0
                await self._start_or_tell()
                continue
            wait_s = RESTART_SECONDS[min(self.restarts, len(RESTART_SECONDS) - 1)]
            self._tell(f"recorder ended with {code}, started again in {wait_s:g} s")
            self.restarts += 1
            await asyncio.sleep(wait_s)
            if self._stopping:
                return
            await self._start_or_tell()

    async def _start_or_tell(self) -> None:
        try:
            await self.start()
        except OSError as error:  # No process or no memory to be had: the next turn tries.
            self._tell(f"the recorder cannot be started: {error}")

    async def stop(self, lock_path: Path) -> None:
        """Let it drain the journal and end; it is not waited for longer than its limit.

        One that has just been started has no handler for SIGTERM yet and would die of it with
        the journal unread: it is ready when its pid stands in its lock.
        """
        self._stopping = True
        if self._process is None:
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):
                while self.pid is not None and read_pid(lock_path) != self.pid:
                    await asyncio.sleep(POLL_SECONDS)
                if self.pid is not None:
                    self._process.terminate()
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
