"""``hftd start``: from a profile's name to a daemon that trades, in the foreground.

Owns the order of what happens before the first socket, and the screen that is printed then.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hftd.config.shelf import DEFAULT_PROFILE

if TYPE_CHECKING:
    from hftd.config.load import LoadedProfile
    from hftd.drivers.reload import Read
    from hftd.runtime.paths import InstancePaths


def start(
    profile: Annotated[
        str, typer.Option(help="Profile, by name or file; hftd profiles lists them.")
    ] = DEFAULT_PROFILE,
    name: Annotated[
        str | None, typer.Option(help="Instance; by default the profile's name.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE over the profile; repeatable.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="New account, new ledger; the old is kept aside.")
    ] = False,
) -> int:
    """Trade by a profile, in the foreground, until Ctrl-C, SIGTERM or hftctl stop.

    Every order is canceled, and the venue asked, before it ends.
    """
    from hftd.cli.check_report import measure
    from hftd.cli.start_screen import screen
    from hftd.config.economics import require_tradable
    from hftd.config.load import load_profile
    from hftd.config.secrets import resolve_credentials
    from hftd.errors import RecordsDamaged
    from hftd.runtime import kernel_cache
    from hftd.runtime.lock import InstanceLock
    from hftd.runtime.paths import InstancePaths

    gc.disable()  # What is imported stays; `warm` sets it aside and collects from there on.
    faulthandler.enable()  # The watchdog's SIGABRT then shows where the loop hangs.
    kernel_cache.prepare()  # First: the file of a user's own kernel imports Numba.

    def read(more: Sequence[str]) -> LoadedProfile:
        return load_profile(profile, sets=(*(sets or ()), *more), environ=os.environ)

    loaded = read(())
    credentials = resolve_credentials(loaded.profile.venue, os.environ)
    report = measure(loaded, None)
    for economics in report.economics:
        require_tradable(economics.order, loaded)
    paths = InstancePaths.locate(name or loaded.name)
    paths.create()
    with InstanceLock(paths.lock_path):
        if fresh:
            require_own_ledger(loaded, paths)
            put_aside(paths)
            paths.create()
        paths.check_files()
        print(screen(report, paths), flush=True)
        ask_venue(loaded, paths, credentials)
        warm(loaded)
        try:
            return asyncio_run(loaded, paths, credentials, read)
        except RecordsDamaged as damaged:
            mend = f"what can be kept is kept by: hftd db repair {paths.name}"
            raise RecordsDamaged(f"{damaged}; {mend}") from None


def ask_venue(loaded: LoadedProfile, paths: InstancePaths, credentials: Any) -> None:
    """Ask a venue that others run about key and account, before anything is built on them."""
    from hftd.config.real_venue import BinanceVenue

    if not isinstance(loaded.profile.venue, BinanceVenue):
        return
    from hftd.cli.doctor_venue import before_start
    from hftd.venues.binance.signing import signer_of

    signer = signer_of(credentials.api_key.reveal(), credentials.api_secret.reveal())
    asyncio.run(before_start(loaded, signer, paths.name, say))


def say(text: str) -> None:
    """Tell the person in front of the daemon; systemd's journal reads stderr too.

    Whoever read it may be gone (a closed terminal, `hftd start | head`): no reason to fail.
    """
    now = time.time()
    clock = time.strftime("%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
    try:
        print(f"{clock} {text}", file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def require_own_ledger(loaded: LoadedProfile, paths: InstancePaths) -> None:
    """Refuse a new account beside a ledger that holds the old one and is not ours to move.

    Raises: UsageError; nothing was moved.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import DBAPIError

    from hftd.config.secrets import resolve
    from hftd.errors import UsageError
    from hftd.store.database import open_database
    from hftd.store.projector import Projector

    storage = loaded.profile.storage
    url = make_url(storage.url.replace("{state}", str(paths.state_dir)))
    if url.database == str(paths.ledger_path):
        return
    if storage.password is not None:
        url = url.set(password=resolve(storage.password, os.environ).reveal())
    engine = open_database(url)
    try:
        is_used = Projector(engine).seq > 0
    except DBAPIError:  # Away, or without tables: a recorder that finds another's rows says so.
        is_used = False
    finally:
        engine.dispose()
    if is_used:
        raise UsageError(
            f"--fresh: the ledger {url.render_as_string()} holds the account of before, and stays "
            "where it is: name an empty one as storage.url"
        )


def put_aside(paths: InstancePaths) -> None:
    """Move account, journal and ledger into a folder of their own; the latch stays.

    A new ledger is no way around a kill.
    """
    from hftd.runtime.children import end, running_exchange

    pid = running_exchange(paths.simex_dir)
    if pid is not None:
        asyncio.run(end(pid))
    aside = paths.state_dir / time.strftime("before-%Y%m%dT%H%M%SZ", time.gmtime())
    ledger = [Path(f"{paths.ledger_path}{end}") for end in ("", "-wal", "-shm")]
    found = [path for path in (paths.journal_dir, paths.simex_dir, *ledger) if path.exists()]
    if not found:
        return
    aside.mkdir(mode=0o700)
    for path in found:
        path.rename(aside / path.name)
    say(f"fresh: the old account and ledger are in {aside}")


def warm(loaded: LoadedProfile) -> None:
    """Compile the kernels, or load them from the cache.

    Raises: HftdError where the cache's disk does not take them.
    """
    from hftd import wiring
    from hftd.drivers.warmup import scratch_instruments, warm_up
    from hftd.errors import HftdError
    from hftd.runtime.kernel_cache import cache_root

    gc.freeze()
    gc.enable()  # Where kernels are compiled, that leaves a lot behind.
    instruments = scratch_instruments(loaded.profile.instruments)
    engine = wiring.build_engine(loaded.profile, instruments)
    codec = wiring.build_codec(loaded.profile, instruments, "warmup")
    try:
        took = warm_up(engine, codec, instruments[0].symbol, say)
    except OSError as error:
        raise HftdError(
            f"compiled kernels cannot be kept in {cache_root(os.environ)}: {error.strerror}"
        ) from error
    say(f"kernels ready in {took:.1f} s")


def asyncio_run(loaded: LoadedProfile, paths: InstancePaths, credentials: Any, read: Read) -> int:
    """Run the live driver on uvloop; freeze what is there, so that nothing pauses to collect."""
    import uvloop

    from hftd import wiring
    from hftd.drivers.machine import switch_collector_off
    from hftd.runtime.notify import Notifier

    live = wiring.build_live(loaded, paths, credentials, Notifier(), say, read)
    switch_collector_off()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(live())
