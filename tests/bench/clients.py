"""Programs that nobody here wrote against the exchange, each in an environment of its own.

Owns the verb ``scripts/bench clients [--events N] [--pace X] [--only NAME]``. Package names
clash (``binance`` is two packages), so each client has a virtual environment in the cache
folder, made at first use from the package index. Each follows the book of an exchange whose
clock runs ``--pace`` times as fast, in a process of its own, and its book is compared with the
exchange's own, whole, after every depth event (``client_market``); each that can trade then
does, on ``hftd exchange`` at the pace of the clock. Results: ``clients_results.json``.

ccxt 4.5 takes messages out of aiohttp's queue past its front and pays back their bytes, but not
the 128 that aiohttp 3.14 counts besides for each. When bursts have brought it some 4,100
messages that way the queue looks full for ever, reading stops, and a venue sees a client that
reads nothing (measured: of 20,000 messages from a bare aiohttp server 4,236 arrive with aiohttp
3.14.5, all with 3.13.5). So its environment pins aiohttp.

cryptofeed 2.4 has no wheel for Python 3.11 and pip then falls back silently to 1.9; so its
version is pinned and it is built from its source where a compiler is at hand, else skipped.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hftd.runtime.exchange_markets import DEFAULT_KEY, DEFAULT_SECRET
from tests.bench.client_book import compare
from tests.bench.foreign import Missing, environment
from tests.bench.rows import machine
from tests.runtime.exchange_process import exchange

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("clients_results.json")
WITHIN_S = 300


class Client(NamedTuple):
    """A program: its packages, its module here, and what it can do beside following the book."""

    name: str
    packages: tuple[str, ...]
    module: str
    trades: bool = True
    tls: bool = False
    needs: tuple[str, ...] = ()
    """What its source is built with; empty: wheels alone."""


CLIENTS = (
    Client("ccxt", ("ccxt==4.5.64", "aiohttp==3.13.5"), "tests.bench.client_ccxt"),
    Client("binance-connector", ("binance-connector==3.13.0",), "tests.bench.client_connector"),
    Client("unicorn", ("unicorn-binance-websocket-api==2.16.1",), "tests.bench.client_unicorn"),
    Client(
        "cryptofeed",
        ("cryptofeed==2.4.1",),
        "tests.bench.client_cryptofeed",
        trades=False,
        tls=True,
        needs=("cython<3.1", "setuptools", "wheel"),
    ),
)


def say(text: str) -> None:
    """Show progress."""
    print(text, flush=True)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for the loopback address and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, key_pem


@asynccontextmanager
async def fast_market(truth: Path, pace: int, pem: Sequence[Path] = ()) -> AsyncIterator[str]:
    """Run ``client_market`` as a process of its own; yield its address."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.client_market", str(truth), str(pace), *map(str, pem)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        yield (await child.stdout.readline()).decode().split()[-1]
    finally:
        if child.returncode is None:
            child.terminate()
        assert await child.wait() == 0, "the exchange failed"


async def run(python: Path | str, module: str, *words: str, trust: Path | None = None) -> None:
    """Run a client's program; a program that fails ends the run."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    if trust is not None:
        environ["SSL_CERT_FILE"] = environ["REQUESTS_CA_BUNDLE"] = str(trust)
    child = await asyncio.create_subprocess_exec(
        str(python), "-m", module, *words, cwd=ROOT, env=environ
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            code = await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
    assert code == 0, f"{module} {words[0]}: exit {code}"


async def follow(client: Client, python: Path | str, events: int, pace: int) -> dict[str, Any]:
    """Let a client follow the book; return at how many update ids it was the exchange's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth, seen = folder / "truth", folder / "seen"
        pem = certificate(folder) if client.tls else ()
        begun_s = time.monotonic()
        async with fast_market(truth, pace, pem) as url:
            trust = pem[0] if pem else None
            await run(python, client.module, "book", url, str(events), str(seen), trust=trust)
        took_s = round(time.monotonic() - begun_s, 1)
        return {"events": compare(truth, seen), "pace": pace, "took_s": took_s}


async def trade(client: Client, python: Path | str) -> None:
    """Let a client trade on the exchange as it is shipped."""
    async with exchange(None) as process:
        await run(python, client.module, "trade", process.url, DEFAULT_KEY, DEFAULT_SECRET)


async def one(client: Client, events: int, pace: int) -> dict[str, Any]:
    """Return what a client did; an assertion that fails ends the run."""
    try:
        python = await asyncio.to_thread(
            environment,
            client.name,
            *client.packages,
            wheels_only=not client.needs,
            needs=client.needs,
        )
    except Missing as reason:
        say(f"{client.name}: skipped, {reason}")
        return {"skipped": str(reason)}
    say(f"{client.name}: following {events} depth events at pace {pace} …")
    book = await follow(client, python, events, pace)
    if client.trades:
        await trade(client, python)
    say(f"{client.name}: equal books at {book['events']} update ids")
    return {"packages": client.packages, "tls": client.tls, "book": book, "trades": client.trades}


def main() -> None:
    """Run them one after the other; each result is kept with the machine that it was seen on."""
    parser = argparse.ArgumentParser(prog="scripts/bench clients")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--pace", type=int, default=30, help="seconds of the venue in a real one")
    parser.add_argument("--only", choices=[client.name for client in CLIENTS])
    wish = parser.parse_args()
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for client in CLIENTS:
        if wish.only in (None, client.name):
            row = asyncio.run(one(client, wish.events, wish.pace))
            rows[client.name] = {**row, "machine": machine()}
            RESULTS.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
    say(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
