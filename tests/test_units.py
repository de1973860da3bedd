"""The systemd units: they are well formed, hardened, and agree with the code's exit codes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hftd import errors

UNITS = Path(__file__).parents[1] / "systemd"
NAMES = ("hftd@.service", "hftd-exchange@.service")

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine"
)


@pytest.fixture(params=NAMES)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit whose program exists on this machine, and which has an instance's name."""
    text = (UNITS / request.param).read_text()
    assert "/usr/local/bin/hftd " in text
    copy = tmp_path / request.param
    copy.write_text(text.replace("/usr/local/bin/hftd ", f"{shutil.which('true')} "))
    return tmp_path / request.param.replace("@", "@canary")


@needs_systemd
def test_systemd_finds_no_fault(unit: Path) -> None:
    """An unknown directive or a bad value would be a line of output here."""
    answer = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True
    )
    said = [line for line in answer.stderr.splitlines() if unit.name.split("@")[0] in line]
    assert (answer.returncode, said) == (0, [])


@needs_systemd
def test_exposure_stays_low(unit: Path) -> None:
    """systemd's own judgement of the hardening: 1.5 of 10 at most."""
    answer = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", unit],
        capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout


def _settings(name: str) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


@pytest.mark.parametrize("name", NAMES)
def test_no_restart_where_a_restart_mends_nothing(name: str) -> None:
    """The exit codes of the exception tree, but for our own bugs, end the service for good."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.HftdError)}
    (prevented,) = _settings(name)["RestartPreventExitStatus"]
    assert {int(code) for code in prevented.split()} == codes - {1, 70}


@pytest.mark.parametrize("name", NAMES)
def test_what_would_break_us_is_off(name: str) -> None:
    """Kernels need to be compiled, and peers' real uids are what roles hang on."""
    assert not {"MemoryDenyWriteExecute", "PrivateUsers"} & set(_settings(name))


def test_the_daemon_is_ready_when_it_says_so() -> None:
    """The unit waits for READY=1 and wants a sign of life from the loop."""
    settings = _settings("hftd@.service")
    assert settings["Type"] == ["notify"]
    assert settings["WatchdogSec"] == ["2s"]
