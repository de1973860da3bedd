"""``hftd doctor``: each mistake before money is a line that names it, with its own exit code."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hftd.cli.doctor import examine
from hftd.cli.doctor_host import Finding, host_findings
from hftd.cli.doctor_venue import reach
from hftd.config.load import load_profile
from hftd.runtime.lock import InstanceLock
from hftd.runtime.tls import client_context
from hftd.venues.binance.endpoints import served_at
from tests.cli.command import hftd
from tests.control.small_daemon import as_nobody
from tests.tls_exchange import (
    ED25519_KEY,
    KEY,
    SECRET,
    WITHDRAWING_KEY,
    TlsExchange,
    certificate,
    tls_exchange,
)

TESTNET = "binance-testnet"
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsExchange]:
    """One exchange over TLS for all."""
    with tls_exchange(tmp_path_factory.mktemp("exchange")) as served:
        yield served


class Asked:
    """What a doctor said: the exit code that it stands for, and its findings by their checks."""

    def __init__(self, found: list[Finding]) -> None:
        self.found = found
        self.findings = {each.check: each for each in found}
        self.failed = [each for each in found if each.verdict == "FAIL"]
        self.code = self.failed[0].exit_code if self.failed else 0
        self.output = repr(found)

    def only_failure(self) -> str:
        """Return what the one failure said, remedy included."""
        assert len(self.failed) == 1, self.output
        assert self.failed[0].remedy, self.output
        return f"{self.failed[0].told} -> {self.failed[0].remedy}"


def environment(folder: Path) -> dict[str, str]:
    """Return an empty home with testnet-shaped keys."""
    (folder / "run").mkdir(mode=0o700, exist_ok=True)
    return {
        "HOME": str(folder), "STATE_DIRECTORY": str(folder / "state"),
        "RUNTIME_DIRECTORY": str(folder / "run"),
        "BINANCE_TESTNET_KEY": KEY, "BINANCE_TESTNET_SECRET": SECRET,
    }  # fmt: skip


def doctor(folder: Path, profile: str, *sets: str, **environ: str) -> Asked:
    """Ask about a profile in an empty home."""
    found: list[Finding] = []
    examine(profile, None, sets, environment(folder) | environ, found.append)
    return Asked(found)


@pytest.mark.parametrize("kind", ["HMAC", "Ed25519"])
def test_all_is_well_with_either_kind_of_key(
    exchange: TlsExchange, tmp_path: Path, kind: str
) -> None:
    """Every check is told, none fails, nothing was made, and no secret is shown."""
    of = {}
    sets: list[str] = []
    if kind == "Ed25519":
        of = {"BINANCE_TESTNET_KEY": ED25519_KEY}
        sets = [f"venue.api_secret=file:{exchange.ed25519_pem}"]
    asked = doctor(tmp_path, TESTNET, *exchange.sets(), *sets, **of)
    assert asked.code == 0, asked.output
    assert not asked.failed
    assert kind in asked.findings["key"].told
    assert set(asked.findings) >= {
        "profile", "versions", "limits", "sockets", "state", "disk", "instance", "ledger", "reach",
        "clock", "listing", "order", "key", "permission", "balance", "fees", "account", "weight",
    }  # fmt: skip
    assert SECRET not in asked.output
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"BINANCE_TESTNET_KEY": "another-key"}, "no such key"),
        ({"BINANCE_TESTNET_KEY": "no key!"}, "has not the form of a key"),
        ({"BINANCE_TESTNET_SECRET": "another-secret"}, "the secret is not that of the key"),
        ({"BINANCE_TESTNET_SECRET": "-----BEGIN PRIVATE KEY-----\nx"}, "PKCS#8 private key"),
        ({"BINANCE_TESTNET_SECRET": ""}, "env:BINANCE_TESTNET_SECRET: is empty"),
        ({"BINANCE_TESTNET_KEY": WITHDRAWING_KEY}, "the key may withdraw"),
    ],
)
def test_a_wrong_pair_is_one_line_and_77(
    exchange: TlsExchange, tmp_path: Path, environ: dict[str, str], says: str
) -> None:
    """Wrong key, wrong secret, a key that may withdraw: 77, and the secret is not repeated."""
    asked = doctor(tmp_path, TESTNET, *exchange.sets(), **environ)
    assert asked.code == 77
    assert says in asked.only_failure()
    assert SECRET not in asked.output
    assert "another-secret" not in asked.output


@pytest.mark.parametrize(
    ("sets", "code", "says"),
    [
        (["venue.rest_url=https://127.0.0.1:9"], 1, "127.0.0.1:9: connection refused"),
        (["venue.rest_url=https://nowhere.invalid"], 1, "name cannot be resolved"),
        (["venue.rest_url=https://localhost:{port}"], 1, "certificate is not valid for"),
        (["canary.size_factor=0.008"], 78, "the least that BTC-USDT takes"),
        (["venue.tls_ca={folder}/none.pem"], 78, "certificates in PEM that exists"),
        (["venue.tls_ca={folder}/empty.pem"], 78, "no certificate in it"),
        (["instruments=[ETH-USDT]"], 78, "symbols that the venue lists"),
        (["venue.kind=binanse"], 78, "one of simex, binance"),
        (["venue.rest_url=http://example.com"], 78, "http:// on loopback alone"),
        (["venue.rest_url=https://api.binance.com"], 78, "a test host"),
    ],
)
def test_what_is_wrong_with_the_address_or_the_profile(
    exchange: TlsExchange, tmp_path: Path, sets: list[str], code: int, says: str
) -> None:
    """Unreachable, unverified, too small, not listed: each its line and its code."""
    (tmp_path / "empty.pem").touch()
    port = exchange.url.rpartition(":")[2]
    given = [text.format(port=port, folder=tmp_path) for text in sets]
    asked = doctor(tmp_path, TESTNET, *exchange.sets(), *given)
    assert asked.code == code, asked.output
    assert says in asked.only_failure()


@pytest.mark.parametrize(
    ("days", "host", "verdict", "says"),
    [
        (-1, "127.0.0.1", "FAIL", "its certificate is refused: certificate has expired"),
        (3, "127.0.0.1", "warn", "its certificate is good for 3 days"),
        (30, "127.0.0.2", "FAIL", "its certificate is refused: IP address mismatch"),
    ],
)
def test_a_certificate_is_looked_at_before_anything_is_sent(
    tmp_path: Path, days: int, host: str, verdict: str, says: str
) -> None:
    """Expired, nearly expired, of another host; a good one that nobody trusts is refused too."""
    cert, key = certificate(tmp_path, days=days, host=host)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(cert, key)

    async def ask() -> list[Finding]:
        server = await asyncio.start_server(
            lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=serving
        )
        async with server:
            url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            served = [served_at(url.replace("wss", "https"), tls_ca=ca) for ca in (str(cert), "")]
            return [await reach(url, client_context(each)) for each in served]

    trusted, unknown = asyncio.run(ask())
    assert (trusted.verdict, trusted.exit_code) == (verdict, int(verdict == "FAIL"))
    assert says.lower() in trusted.told.lower()
    assert trusted.remedy
    assert unknown.verdict == "FAIL"


def test_a_clock_off_by_an_hour_is_told_with_its_remedy(
    exchange: TlsExchange, tmp_path: Path
) -> None:
    """The distance and its direction; the other questions are asked by the venue's clock."""
    exchange.set_clock(HOUR_MS)
    try:
        asked = doctor(tmp_path, TESTNET, *exchange.sets())
    finally:
        exchange.set_clock(0)
    assert asked.code == 1
    assert "ms behind the venue's (C24 allows 500)" in asked.only_failure()
    assert "timedatectl" in asked.only_failure()
    assert asked.findings["key"].verdict == "ok"


def test_what_stands_on_the_host_is_looked_at(tmp_path: Path) -> None:
    """A running instance 75, a folder that others may write 64, a disk too full 1."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with InstanceLock(state / "lock"):
        asked = doctor(tmp_path, "canary")
        assert asked.code == 75
        assert f"canary runs already as pid {os.getpid()}" in asked.only_failure()
    (tmp_path / "run").chmod(0o777)
    asked = doctor(tmp_path, "canary", "journal.disk_floor_mb=1000000")
    assert asked.code == 64
    assert asked.findings["sockets"].remedy == f"chmod 700 {tmp_path / 'run'}"
    assert "trading halts under 1000000 MB" in asked.findings["disk"].told
    assert [each.check for each in asked.failed] == ["sockets", "disk"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
def test_a_state_folder_of_somebody_else_is_told_and_not_looked_into(tmp_path: Path) -> None:
    """Its owner alone may say what stands in it: a finding, and no traceback."""
    with tempfile.TemporaryDirectory() as folder:  # Private: pytest's own are, too, all the way.
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        (state / "lock").write_text("1\n")
        environ = {"STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": folder}
        loaded = load_profile("canary", environ={})
        assert list(host_findings(loaded, "canary", environ))  # All that is imported is by now.
        os.chmod(folder, 0o755)
        with as_nobody():
            found = {each.check: each for each in host_findings(loaded, "canary", environ)}
    assert found["state"].verdict == "FAIL" and found["state"].exit_code == 64
    assert {"instance", "latch", "ledger"}.isdisjoint(found)


def test_a_ledger_that_is_not_there_or_not_upgraded_is_told(tmp_path: Path) -> None:
    """A server that does not answer is a failure with its address and without its password."""
    url = "postgresql+psycopg://me@127.0.0.1:9/ledger"
    asked = doctor(
        tmp_path, "canary", f"storage.url={url}", "storage.password=env:SECRET_WORD",
        SECRET_WORD="hunter2",
    )  # fmt: skip
    assert asked.code == 1
    assert "127.0.0.1:9/ledger" in asked.only_failure()
    assert "hunter2" not in asked.output


def test_the_command_prints_lines_or_json_and_leaves_with_the_code(tmp_path: Path) -> None:
    """Lines of at most 80 columns; the same as JSON; the exit code is the first failure's."""
    environ = environment(tmp_path) | {"BINANCE_TESTNET_KEY": ""}
    asked = hftd(tmp_path, "doctor", "--profile", TESTNET, **environ)
    assert asked.code == 77
    assert "FAIL key         env:BINANCE_TESTNET_KEY: is empty ->" in asked.out
    assert asked.out.splitlines()[-1].endswith("1 failed: mend that first")
    told = json.loads(hftd(tmp_path, "doctor", "--json", **environ).out)
    assert told["exit_code"] == 0
    assert {each["verdict"] for each in told["findings"]} == {"ok"}
    assert not (tmp_path / "state").exists()
