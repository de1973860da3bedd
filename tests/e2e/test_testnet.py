"""README's section "Testnet" as a new user follows it, over TLS, and what goes wrong on the way.

The exchange stands where the venue's test hosts would: an address, a certificate, a key with its
secret. Its process is not the daemon's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import shutil
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.daemon import ROOT, Instance, until
from tests.tls_exchange import (
    ED25519_KEY,
    KEY,
    SECRET,
    WITHDRAWING_KEY,
    TlsExchange,
    certificate,
    tls_exchange,
)

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsExchange]:
    """One exchange over TLS for all."""
    with tls_exchange(tmp_path_factory.mktemp("exchange")) as served:
        yield served


@pytest.fixture
def rehearsal(exchange: TlsExchange, tmp_path: Path) -> Path:
    """README's profile, beside its certificate, with this exchange's port."""
    section = (ROOT / "README.md").read_text().split("\n## Testnet\n")[1].split("\n## ")[0]
    text = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0]
    assert "https://127.0.0.1:8900" in text
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(exchange.tls_ca, folder / "cert.pem")
    path = folder / "rehearsal.yaml"
    path.write_text(text.replace("https://127.0.0.1:8900", exchange.url))
    return path


def with_keys(instance: Instance, key: str = KEY, secret: str = SECRET) -> Instance:
    """Put a pair into the instance's environment."""
    instance.environ |= {"BINANCE_TESTNET_KEY": key, "BINANCE_TESTNET_SECRET": secret}
    return instance


@contextmanager
def order_of_another(exchange: TlsExchange, name: str) -> Iterator[None]:
    """Rest a bid far below the market under another program's id, and take it off again."""
    what = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=40000"
    _send(exchange, "POST", f"{what}&newClientOrderId={name}")
    try:
        yield
    finally:
        _send(exchange, "DELETE", f"origClientOrderId={name}")


def _send(exchange: TlsExchange, method: str, what: str) -> None:
    params = f"symbol=BTCUSDT&{what}&timestamp={time.time_ns() // 1_000_000}"
    signature = hmac.new(SECRET.encode(), params.encode(), hashlib.sha256).hexdigest()
    url = f"{exchange.url}/api/v3/order?{params}&signature={signature}"
    request = urllib.request.Request(url, headers={"X-MBX-APIKEY": KEY}, method=method)
    context = ssl.create_default_context(cafile=str(exchange.tls_ca))
    with urllib.request.urlopen(request, context=context, timeout=10):
        pass


def test_from_doctor_to_a_fill(exchange: TlsExchange, rehearsal: Path, instance: Instance) -> None:
    """Doctor is content, the daemon fills an order; a lost exchange is waited for; a clock that
    is off by an hour halts it; after a crash nothing is left open. No secret was written, and a
    command that an alert runs has none in its environment.
    """
    with_keys(instance)
    asked = instance.run("hftd", "doctor", "--profile", str(rehearsal))
    assert asked.returncode == 0, asked.stdout + asked.stderr
    told = instance.state / "told"
    command = f"alerts.info.command=[/bin/sh, -c, 'cat >/dev/null; env >>{told}']"
    daemon = instance.start("--profile", str(rehearsal), "--set", command).running()
    daemon.await_line(r"TESTNET trading, play money")
    instance.await_quotes()
    until(lambda: instance.ask("status")["fills"], "a fill", 120.0)

    exchange.arm(fault="restart", for_ms=1_500)
    daemon.await_line(r"PAUSED \((ORDER_LINK_DOWN|USER_STREAM_STALE|RECONCILE_DIFFERENCE)")
    instance.await_state("RUNNING", 60.0)

    exchange.set_clock(HOUR_MS)
    daemon.await_line(r"PAUSED \(CLOCK\)", 60.0)
    daemon.await_line(r"HALTED \(CLOCK\)", 60.0)
    exchange.set_clock(0)

    daemon.crash()
    killed = instance.run("hftd", "kill-offline", "rehearsal")
    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert "0 open orders (venue checked" in killed.stdout
    written = [path for path in instance.state.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    assert "PATH=" in told.read_text() and "BINANCE" not in told.read_text()
    assert SECRET not in daemon.text + asked.stdout + killed.stderr


def test_another_hftd_on_the_account_is_named(
    exchange: TlsExchange, rehearsal: Path, instance: Instance
) -> None:
    """By the doctor, and at the start, which an open order of the other halts; Ed25519 here."""
    with_keys(instance)
    with order_of_another(exchange, "h1-zzzzzz-s4zx1c-1"):
        asked = instance.run("hftd", "doctor", "--profile", str(rehearsal))
        assert asked.returncode == 1
        assert "another hftd (tag zzzzzz) has open orders" in " ".join(asked.stdout.split())
        daemon = instance.start("--profile", str(rehearsal))
        daemon.await_line(r"the account: another hftd \(tag zzzzzz\) has open orders on it")
        daemon.await_line(r"HALTED \(FOREIGN_ORDERS\)")
        assert daemon.stop() == 0


def test_a_session_by_ed25519_trades(
    exchange: TlsExchange, rehearsal: Path, instance: Instance
) -> None:
    """The key's private half stands in a file; orders rest, and an orderly stop takes them off."""
    with_keys(instance, ED25519_KEY)
    secret = f"venue.api_secret=file:{exchange.ed25519_pem}"
    daemon = instance.start("--profile", str(rehearsal), "--set", secret).running()
    instance.await_quotes()
    assert daemon.stop() == 0
    daemon.await_line(r"stopped\. 0 open orders \(venue checked")


def test_wiped_hosts_are_named_and_taken_as_new(
    exchange: TlsExchange, rehearsal: Path, instance: Instance
) -> None:
    """A start that finds nothing of before halts as VENUE_RESET; reset alone leads nowhere."""
    with_keys(instance)
    _send(exchange, "POST", "side=BUY&type=MARKET&quantity=0.01")
    assert instance.start("--profile", str(rehearsal)).running().stop() == 0
    exchange.arm(fault="restart_without_memory", for_ms=100)
    daemon = instance.start("--profile", str(rehearsal))
    daemon.await_line(r"HALTED \(VENUE_RESET\)")
    assert "--venue-wiped" in instance.hftctl("status").stdout
    assert instance.hftctl("ack").returncode == 0
    plain = instance.hftctl("reset", "--reason", "as after any halt")
    assert (plain.returncode, "--venue-wiped" in plain.stdout + plain.stderr) == (6, True)
    taken = instance.hftctl("reset", "--venue-wiped", "--reason", "the monthly wipe")
    assert (taken.returncode, "PAUSED" in taken.stdout) == (0, True), taken.stdout + taken.stderr
    assert instance.ask("positions")["balances"][1]["free"] == "1"
    assert instance.hftctl("resume").returncode == 0
    instance.await_quotes()
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("key", "secret", "sets", "code", "says"),
    [
        (KEY, "another-secret", [], 77, "the secret is not that of the key"),
        (WITHDRAWING_KEY, SECRET, [], 77, "the key may withdraw; make a key that may trade"),
        (KEY, SECRET, ["venue.rest_url=https://127.0.0.1:9"], 1, "connection refused"),
        (KEY, SECRET, ["venue.tls_ca={other}"], 1, "its certificate is refused: self-signed"),
    ],
)
def test_a_start_that_cannot_be_is_one_line_with_its_code(
    exchange: TlsExchange, rehearsal: Path, instance: Instance, tmp_path: Path,
    key: str, secret: str, sets: list[str], code: int, says: str,
) -> None:  # fmt: skip
    """Wrong secret, a key that may withdraw, nobody there, a stranger's certificate."""
    with_keys(instance, key, secret)
    other = tmp_path / "other"
    other.mkdir()
    given = [text.format(other=certificate(other)[0]) for text in sets]
    options = [part for text in given for part in ("--set", text)]
    done = instance.run("hftd", "start", "--profile", str(rehearsal), *options)
    assert done.returncode == code, done.stdout + done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("hftd: ")
    assert says in last
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
