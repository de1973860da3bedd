"""Tick to order over TLS beside plain: the same daemon, the same exchange in C.

The daemon is `hftd start --profile binance-testnet` pointed at the harness by `venue.rest_url`,
once with http and once with https, quoting as `market-making` does. The key is Ed25519, so that
the session is logged on and no order is signed by itself. The certificate is made for the run and
verified. The harness speaks TLS by OpenSSL where its headers are found; its floor, the client in
C, then does so too.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.bench.clients import certificate
from tests.bench.harness import (
    ORDER_BYTES,
    SETS,
    Harness,
    Trading,
    await_answer,
    build,
    end,
)
from tests.bench.peers import write_canned
from tests.bench.rows import Row, save, text
from tests.bench.tick_to_order import figures
from tests.e2e.daemon import Instance

ROADS = ("plain", "tls")
PEERS = ("hftd", "c")
# What is timed is the profile's own way, with the quotes of `market-making`.
QUOTES = (
    "canary.enabled=false",
    "strategy.quote=touch",
    "strategy.min_spread_bps=5",
    "strategy.min_edge_bps=-20",
    "strategy.price_tolerance_ticks=0",
)
BEAT_US = 4_000


def write_key(folder: Path) -> Path:
    """Write a private key as a profile may name it."""
    path = folder / "key.pem"
    path.write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    path.chmod(0o600)
    return path


@contextlib.contextmanager
def trading(folder: Path, road: str, mode: str) -> Iterator[Trading]:
    """Have a daemon trade against a harness that it finds by its profile; end both."""
    pem, key = certificate(folder)
    harness = Harness(
        folder / "harness", str(folder), *([str(pem), str(key)] if road == "tls" else [])
    )
    with tempfile.TemporaryDirectory(prefix="tls") as place:
        instance = Instance(Path(place))
        scheme = "https" if road == "tls" else "http"
        sets = [
            *SETS, *QUOTES, f"runtime.spin={str(mode == 'spin').lower()}",
            f"venue.rest_url={scheme}://127.0.0.1:{harness.port}",
            "venue.api_key=env:KEY", f"venue.api_secret=file:{write_key(folder)}",
            *([f"venue.tls_ca={pem}"] if road == "tls" else []),
        ]  # fmt: skip
        arguments = [part for each in sets for part in ("--set", each)]
        try:
            profile = ("--profile", "binance-testnet", *arguments)
            daemon = instance.start(*profile, environ={"KEY": "key"}).running()
            instance.await_quotes()
            harness.know("hftd", daemon.pid)
            yield Trading(harness, instance, daemon)
            instance.await_state("RUNNING")  # A pause shows as rounds without an order.
        finally:
            end(harness, instance)


def measure(folder: Path, road: str, options: argparse.Namespace) -> dict[str, Any]:
    """Time daemon and floor over one road."""
    with trading(folder, road, options.mode) as all_three:
        harness = all_three.harness
        tail = [str(harness.port), options.mode, str(ORDER_BYTES), road]
        floor = subprocess.Popen([str(folder / "harness_echo"), *tail])
        try:
            await_answer(harness, "c")
            harness.know("c", floor.pid)
            rows: dict[str, list[np.ndarray[Any, Any]]] = {peer: [] for peer in PEERS}
            for _ in range(options.blocks):
                for peer, blocks in rows.items():
                    blocks.append(harness.block(peer, "touch", options.rounds, BEAT_US))
        finally:
            floor.kill()
            floor.wait()
    return {peer: figures(np.concatenate(blocks)) for peer, blocks in rows.items()}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench tls", description=__doc__)
    parser.add_argument("--mode", choices=("spin", "sleep"), default="spin")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=100, help="of each block")
    parser.add_argument("--no-save", dest="save", action="store_false")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        folder = Path(place)
        has_tls = build(folder)
        write_canned(folder)
        for road in ROADS if has_tls else ROADS[:1]:
            found[road] = measure(folder, road, options)
    rows = []
    for road, peers in found.items():
        for quantile in ("p50", "p99"):
            ours, theirs = (peers[peer]["first"][quantile] for peer in PEERS)
            name = f"wire, touch, {road}, {options.mode}, {quantile}"
            rows.append(Row(name, ours, "µs", "floor in C", theirs, ours / theirs))
    if has_tls:
        ours, theirs = (found[road]["hftd"]["first"]["p50"] for road in reversed(ROADS))
        name = f"wire, touch, tls, {options.mode}, p50"
        rows.append(Row(name, ours, "µs", "plain", theirs, ours / theirs))
    else:
        rows.append(Row("wire, touch, tls", note="OpenSSL's headers are not installed here"))
    print(text(rows), flush=True)
    if options.save:
        save("tls", rows, figures=found)


if __name__ == "__main__":
    main()
