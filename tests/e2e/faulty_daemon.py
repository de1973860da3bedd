"""The daemon with a bug in it: once a file is there, the codec does what it says at a frame.

    python -m tests.e2e.faulty_daemon FILE [KEY=VALUE ...]

``raise`` breaks the step, ``block`` never comes back, so that the event loop turns no more;
``ask`` breaks the answer to ``pnl`` and nothing else.

Everything else is the product, put together as ``hftd/wiring.py`` does it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from hftd.runtime import kernel_cache

kernel_cache.prepare()  # Before anything imports Numba.

from hftd import wiring  # noqa: E402
from hftd.cli.start import say, warm  # noqa: E402
from hftd.config.load import load_profile  # noqa: E402
from hftd.config.schema import Profile  # noqa: E402
from hftd.config.secrets import resolve_credentials  # noqa: E402
from hftd.domain.events import Link  # noqa: E402
from hftd.domain.instrument import Instrument  # noqa: E402
from hftd.domain.layout import Records  # noqa: E402
from hftd.drivers.books import assets_of  # noqa: E402
from hftd.drivers.live import Live, Parts  # noqa: E402
from hftd.drivers.memory import Builders  # noqa: E402
from hftd.errors import HftdError  # noqa: E402
from hftd.runtime.children import ExchangeProcess  # noqa: E402
from hftd.runtime.lock import InstanceLock  # noqa: E402
from hftd.runtime.notify import Notifier  # noqa: E402
from hftd.runtime.paths import InstancePaths  # noqa: E402
from hftd.venues.binance.codec import BinanceCodec  # noqa: E402
from hftd.venues.binance.signing import signer_of  # noqa: E402
from hftd.venues.port import Levels  # noqa: E402

TRIGGER = Path(sys.argv[1])
BLOCK_S = 600.0  # Longer than any test waits.


class FaultyCodec(BinanceCodec):
    """A codec that meets a case which nobody thought of."""

    def decode(self, link: Link, data: bytes, ts_ns: int, events: Records, levels: Levels) -> int:
        """Decode a frame, or break."""
        said = TRIGGER.read_text() if link == Link.MARKET and TRIGGER.exists() else "ask"
        if said != "ask":
            if said == "block":
                signal.sigtimedwait([], BLOCK_S)
            raise KeyError("a case that nobody thought of")
        return super().decode(link, data, ts_ns, events, levels)


class FaultyExchange(ExchangeProcess):
    """An exchange that is asked what nobody thought of."""

    def doubt_atoms(self, quote_asset: str) -> int | None:
        """Tell what ``pnl`` asks for, or break."""
        if TRIGGER.exists():
            raise KeyError("a question that nobody thought of")
        return super().doubt_atoms(quote_asset)


def build_codec(profile: Profile, instruments: Sequence[Instrument], tag: str) -> FaultyCodec:
    """Return the codec with the bug."""
    assets = assets_of(instruments)
    return FaultyCodec(instruments, assets, tag, profile.venue.recv_window_ms)


def main() -> int:
    """Run the daemon; return the exit code as ``hftd`` does."""
    loaded = load_profile("canary", sets=sys.argv[2:], environ=os.environ)
    keys = resolve_credentials(loaded.profile.venue, os.environ)
    paths = InstancePaths.locate(loaded.name)
    paths.create()
    parts = Parts(
        build=Builders(wiring.build_engine, build_codec),
        signer=signer_of(keys.api_key.reveal(), keys.api_secret.reveal()),
        recorder=lambda it: (
            wiring.recorder_arguments(it, paths),
            wiring.recorder_environment(it, os.environ),
        ),
        read=lambda _: loaded,
        venue_host=FaultyExchange(
            loaded.profile, paths.simex_dir, paths.state_dir / "exchange.log", say
        ),
    )
    with InstanceLock(paths.lock_path):
        warm(loaded)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                return runner.run(Live(loaded, paths, parts, Notifier(), say).run())
            except HftdError as error:
                print(f"hftd: {error}", file=sys.stderr)
                return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
