"""A simulated exchange that serves TLS on loopback, as a process of its own, and its certificates.

What a testnet is to the daemon: an address, a certificate to verify, keys with their secrets. The
certificates are made here, good ones and bad ones.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from hftd.runtime.exchange_ask import SOCKET_NAME, ask

ROOT = Path(__file__).parents[1]
KEY, SECRET = "testnet-shaped-key", "testnet-shaped-secret"
ED25519_KEY = "testnet-shaped-ed25519-key"
WITHDRAWING_KEY = "key-that-may-withdraw"


class TlsExchange(NamedTuple):
    """Where it is served, what to trust for it, and its folder."""

    url: str
    tls_ca: Path
    state: Path
    ed25519_pem: Path

    def arm(self, **fault: object) -> None:
        """Give it a fault."""
        ask(self.state / SOCKET_NAME, {"op": "arm", "faults": [fault]}, 10.0)

    def set_clock(self, skew_ms: int) -> None:
        """Put its clock off by so much, for good."""
        self.arm(fault="clock_skew", skew_ms=skew_ms, for_ms=0)

    def sets(self) -> list[str]:
        """Return the overrides with which a testnet profile trades here."""
        return [
            f"venue.rest_url={self.url}",
            f"venue.tls_ca={self.tls_ca}",
            "venue.fees={maker_bps: 0, taker_bps: 5}",
            "strategy.half_spread_bps=2",
            "strategy.price_tolerance_ticks=0",
        ]


def certificate(folder: Path, *, days: int = 30, host: str = "127.0.0.1") -> tuple[Path, Path]:
    """Write a certificate that signs itself, good until so many days from now, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hftd test")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / f"cert{days}.pem", folder / f"key{days}.pem"
    cert_path.write_bytes(made.public_bytes(Encoding.PEM))
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_path, key_path


def ed25519_pair(folder: Path) -> tuple[Path, Path]:
    """Write an Ed25519 private key, mode 0600, and its public key."""
    key = ed25519.Ed25519PrivateKey.generate()
    private, public = folder / "ed25519.pem", folder / "ed25519.pub"
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@contextmanager
def tls_exchange(folder: Path, *, days: int = 30, host: str = "127.0.0.1") -> Iterator[TlsExchange]:
    """Serve a calm market on a free port; it is gone afterwards."""
    cert, key = certificate(folder, days=days, host=host)
    private, public = ed25519_pair(folder)
    state, config = folder / "exchange", folder / "exchange.yaml"
    config.write_text(f"withdrawing: [{WITHDRAWING_KEY}]\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "hftd.cli.hftd", "exchange", "--config", str(config), "--state",
         str(state), "--account", f"{KEY}:{SECRET}", "--account", f"{ED25519_KEY}:@{public}",
         "--account", f"{WITHDRAWING_KEY}:{SECRET}", "--tls-cert", str(cert),
         "--tls-key", str(key)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "listens on https" in line, line
        yield TlsExchange(line.split()[3], cert, state, private)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
