"""The offline kill: latch, end the process, cancel at the venue; without the daemon's help.

Owns the order of the steps and what each needs from the disk. Needs no engine, no kernel, no SQL
and no recorder, for any of them may be why it is called. No step waits for the one before to
succeed: a latch that cannot be written is told at the end, and the orders are canceled all the
same. Must not know how the outcome is shown.

1. The latch KILLED, durably, so that no restart trades while we work.
2. The credentials, while the process still lives: they may be named by its environment alone.
3. The end of the process that holds the instance's lock, and of no other.
4. Our orders off the venue, until it shows none after the last one sent could have arrived.

``--after-stop`` is what systemd runs when the daemon has ended, for whatever reason: steps 2 and
4 alone. It never latches, not after a crash either: whether a crash may trade again is the
profile's ``on_crash``, and a crash loop is the unit's ``StartLimitBurst``. Where somebody holds
the lock again (or still: exit 75 means another instance) it touches nothing. An orderly end
leaves nothing behind, since the engine asked the venue; that is looked at once more, but no
exchange is started for it.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from hftd.control import instances
from hftd.control.faults import NotPermitted, NotRunning
from hftd.domain.codes import Code, TradingState
from hftd.errors import CredentialsError, HftdError, JournalDamaged
from hftd.runtime import identity
from hftd.runtime.offline_engine import Engine, find_engine, is_locked
from hftd.runtime.offline_known import Known, recall
from hftd.runtime.offline_sweep import Swept, sweep
from hftd.runtime.offline_venue import Address, VenueRoad
from hftd.runtime.paths import SYSTEM_STATE_ROOT, InstancePaths
from hftd.runtime.tls import client_context
from hftd.venues.binance.endpoints import Endpoints
from hftd.venues.binance.signing import Signer, signer_of

BOUND_SECONDS = 25.0  # Below the unit's TimeoutStopSec, which ends an ExecStopPost as well.
EXIT_DONE, EXIT_NO_PERMISSION, EXIT_NOT_COMPLETE = 0, 4, 6

Tell = Callable[[str], None]


class Order(NamedTuple):
    """What is wanted: a kill, or the check after the process has ended."""

    name: str
    reason: str = ""
    profile: str | None = None
    after_stop: bool = False
    orderly: bool = False


class Outcome(NamedTuple):
    """What came of it; ``steps`` are the path taken, ``missing`` what is not done."""

    steps: list[str]
    missing: list[str]
    swept: Swept | None
    exit_code: int
    elapsed_ms: float


def locate(name: str, environ: Mapping[str, str]) -> InstancePaths:
    """Return the folders of an instance that exists.

    Raises: NotRunning where there is nothing of that name, NotPermitted where its folder is
    closed to us, UsageError where the name is none.
    """
    state = instances.state_dir(name, environ)
    if not state.is_dir() and "STATE_DIRECTORY" not in environ:
        state = SYSTEM_STATE_ROOT / instances.check_name(name)
    try:
        entries = set(os.listdir(state))
    except (FileNotFoundError, NotADirectoryError):
        raise NotRunning(f"nothing of an instance {name} exists here") from None
    except PermissionError:
        raise NotPermitted(f"{state} may not be read; {_as_owner(name, state)}") from None
    if not entries & {"lock", "epoch", "journal"}:
        raise NotRunning(f"nothing of an instance {name} exists in {state}")
    return InstancePaths(name, state, state / "run")


class OfflineKill:
    """One offline kill of one instance."""

    def __init__(
        self, order: Order, paths: InstancePaths, environ: Mapping[str, str], tell: Tell
    ) -> None:
        self._order = order
        self._paths = paths
        self._environ = environ
        self._tell = tell
        self._steps: list[str] = []
        self._missing: list[str] = []
        self._exit_code = EXIT_DONE
        self._began = time.monotonic()

    def run(self) -> Outcome:
        """Do all steps; what goes wrong in one is told and does not keep the next from it.

        Raises: NotPermitted where the process is another user's.
        """
        if self._order.after_stop:
            if is_locked(self._paths.lock_path):
                self._step("another process holds the lock: nothing is done after this end")
                return self._outcome(None)
            return self._outcome(self._cancel_after_stop())
        self._latch()
        known, signer = self._end_engine()
        if not self._is_latched():  # By its last word the engine may have put its own there.
            self._latch()
        return self._outcome(self._cancel(known, signer))

    def _step(self, text: str) -> None:
        self._steps.append(text)
        self._tell(text)

    def _lacks(self, text: str, exit_code: int = EXIT_NOT_COMPLETE) -> None:
        self._missing.append(text)
        self._exit_code = self._exit_code or exit_code
        self._tell(f"CRITICAL: {text}")

    def _outcome(self, swept: Swept | None) -> Outcome:
        elapsed_ms = (time.monotonic() - self._began) * 1000
        return Outcome(self._steps, self._missing, swept, self._exit_code, round(elapsed_ms, 3))

    # --- the latch -----------------------------------------------------------------------

    def _latch(self) -> None:
        if self._is_latched():
            self._step("latch: KILLED stood already")
            return
        path = self._paths.latch_path
        try:
            latch = identity.Latch(TradingState.KILLED, Code.KILL, time.time_ns())
            identity.write_latch(path, latch)
            _give_to_owner(path)
        except OSError as error:
            self._lacks(
                f"the latch cannot be written ({error.strerror}): a start would trade again"
            )
        else:
            self._step(f"latch: KILLED, durable in {path}")

    def _is_latched(self) -> bool:
        try:
            return identity.read_latch(self._paths.latch_path).state == TradingState.KILLED
        except (JournalDamaged, OSError):
            return False  # What cannot be read is replaced by what we want to stand there.

    # --- the process and its credentials -------------------------------------------------

    def _end_engine(self) -> tuple[Known | None, Signer | None]:
        if not is_locked(self._paths.lock_path):
            self._step("engine: no process holds the lock")
            known = self._recall()
            return known, self._signer(known, self._environ)
        try:
            engine = find_engine(self._paths.lock_path)
        except PermissionError:
            raise self._not_ours() from None
        if engine is None:
            if is_locked(self._paths.lock_path):
                self._lacks("a process that cannot be told holds the lock, and may still trade")
            known = self._recall()
            return known, self._signer(known, self._environ)
        with engine:
            known = self._recall()
            signer = self._signer(known, {**self._environ, **engine.environ()})
            self._end(engine)
        return known, signer

    def _end(self, engine: Engine) -> None:
        try:
            ended = engine.end()
        except PermissionError:
            raise self._not_ours() from None
        if ended.is_gone:
            self._step(f"engine: pid {engine.pid} {ended.how}")
        else:
            self._lacks(f"engine: pid {engine.pid} {ended.how}; it may still trade")

    def _not_ours(self) -> NotPermitted:
        told = _as_owner(self._order.name, self._paths.state_dir)
        return NotPermitted(f"the engine is another user's process; {told}")

    def _recall(self) -> Known | None:
        try:
            known = recall(self._paths, self._order.profile or self._order.name, self._environ)
        except (HftdError, OSError) as error:
            self._lacks(f"neither the journal nor a profile says what is traded: {error}")
            return None
        self._step(f"instance: tag {known.tag}, {', '.join(known.symbols)}, by {known.source}")
        return known

    def _signer(self, known: Known | None, environ: Mapping[str, str]) -> Signer | None:
        if known is None:
            return None
        try:
            return signer_of(*known.credentials(environ))
        except CredentialsError as error:
            if known.api_key is not None and known.api_key.startswith("credential:"):
                # Only systemd hands these out, and to a start more surely than to a stop.
                told = f"run: sudo systemctl restart hftd@{self._order.name}"
                told += (
                    "" if self._order.after_stop else ", which comes up KILLED"
                ) + ": it cancels"
            else:
                told = _as_owner(self._order.name, self._paths.state_dir)
            self._lacks(f"orders may be open: {error}; {told}", EXIT_NO_PERMISSION)
            return None

    # --- the venue -----------------------------------------------------------------------

    def _cancel_after_stop(self) -> Swept | None:
        known = self._recall()
        ours = known is None or known.endpoints is None
        if self._order.orderly and ours and self._address() is None:
            self._step("orderly end: the engine asked the venue, and the exchange ended with it")
            return None
        signer = self._signer(known, self._environ)
        return self._cancel(known, signer)

    def _cancel(self, known: Known | None, signer: Signer | None) -> Swept | None:
        if known is None or signer is None:
            return None
        if known.endpoints is not None:
            return self._sweep_remote(known, known.endpoints, signer)
        if not self._has_no_exchange():
            swept = self._sweep(known, signer, self._has_no_exchange)
            if swept.is_clear or not self._has_no_exchange():
                return self._judged(swept)
        return self._sweep_awake(known, signer)

    def _has_no_exchange(self) -> bool:
        return not is_locked(self._paths.simex_dir / "exchange.lock")

    def _sweep_remote(self, known: Known, served: Endpoints, signer: Signer) -> Swept | None:
        """Sweep at a venue that others run: it needs no waking, and its certificate verified."""
        parts = urlsplit(served.rest_url)
        secure = parts.scheme == "https"
        try:
            tls = client_context(served) if secure else None
        except HftdError as error:
            self._lacks(f"orders may be open: {error}")
            return None
        address = (parts.hostname or "", parts.port or (443 if secure else 80))
        return self._judged(self._swept(known, VenueRoad(lambda: address, signer, tls)))

    def _sweep_awake(self, known: Known, signer: Signer) -> Swept | None:
        """Sweep at a simulated exchange that is not there: its account is on the disk, open
        orders included, so it is started on it, asked, and ended again.
        """
        from hftd.runtime.offline_simex import awake

        self._step("venue: the simulated exchange does not run; it is started for this")
        try:
            work = awake(known, self._paths, self._tell, lambda: self._sweep(known, signer))
            return self._judged(asyncio.run(work))
        except (HftdError, OSError, subprocess.SubprocessError) as error:
            self._lacks(f"orders may be open: the simulated exchange cannot be started: {error}")
            return None

    def _sweep(
        self, known: Known, signer: Signer, is_gone: Callable[[], bool] = lambda: False
    ) -> Swept:
        return self._swept(known, VenueRoad(self._address, signer), is_gone)

    def _swept(
        self, known: Known, road: VenueRoad, is_gone: Callable[[], bool] = lambda: False
    ) -> Swept:
        # An orderly end has waited for its own orders already.
        settle_s = 0.0 if self._order.orderly else known.recv_window_ms / 1000
        swept = sweep(
            road, known.symbols, known.tag, settle_s=settle_s, bound_s=BOUND_SECONDS,
            is_gone=is_gone,
        )  # fmt: skip
        known_left = f"at least {len(swept.left)}" if swept.left else "an unknown number"
        left = known_left if swept.unseen else str(len(swept.left))
        self._step(
            f"venue: {swept.canceled} of our orders canceled, {left} left, "
            f"{swept.foreign} of others not touched"
        )
        return swept

    def _judged(self, swept: Swept) -> Swept:
        if not swept.is_clear:
            names = ", ".join(str(order["clientOrderId"]) for order in swept.left)
            what = f"{len(swept.left)} orders are open: {names}" if names else "orders may be open"
            self._lacks(f"{what}: {swept.why}")
        return swept

    def _address(self) -> Address | None:
        from hftd.runtime.exchange_state import read_listening

        try:
            listening = read_listening(self._paths.simex_dir)
        except (OSError, ValueError):
            return None  # Being written at this moment, or gone: the next look tells.
        return None if listening is None else (listening.host, listening.port)


def _as_owner(name: str, state: Path) -> str:
    """Return the command of who may do what we may not."""
    try:
        uid = state.stat().st_uid
        owner = pwd.getpwuid(uid).pw_name
    except (OSError, KeyError):
        return f"run: sudo hftd kill-offline {name}"
    if uid == os.geteuid():
        return f"mend that and run: hftd kill-offline {name}"
    return f"run: sudo -u {owner} hftd kill-offline {name}"


def _give_to_owner(path: Path) -> None:
    # The latch that root wrote must be the daemon's to read and to remove.
    folder = path.parent.stat()
    if os.geteuid() == 0 and folder.st_uid != 0:
        os.chown(path, folder.st_uid, folder.st_gid)
