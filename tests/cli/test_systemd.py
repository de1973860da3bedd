"""hftd systemd: the units as printed and as installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.cli.hftd import run
from hftd.cli.systemd import PLACES, UNIT_COMMAND
from hftd.runtime.paths import shipped


def test_every_shipped_unit_has_a_place() -> None:
    """A unit that is added is installed as well."""
    assert sorted(path.name for path in shipped("systemd").iterdir()) == sorted(PLACES)


def test_a_printed_unit_starts_the_hftd_that_was_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The path in the unit is the one given; the rest is the shipped file."""
    assert run(["systemd", "print", "--command", "/opt/hftd/bin/hftd"]) == 0
    printed = capsys.readouterr().out
    original = (shipped("systemd") / "hftd@.service").read_text()
    assert "ExecStart=/opt/hftd/bin/hftd start" in printed
    assert printed.replace("/opt/hftd/bin/hftd", UNIT_COMMAND) == original


def test_install_writes_what_differs_and_leaves_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second run finds nothing to do; a changed file is written again."""
    arguments = ["systemd", "install", "--root", str(tmp_path), "--command", "/opt/hftd"]
    assert run(arguments) == 0
    assert capsys.readouterr().out.count("written ") == len(PLACES)
    unit = tmp_path / PLACES["hftd@.service"]
    assert "ExecStart=/opt/hftd start" in unit.read_text()
    assert run(arguments) == 0
    assert capsys.readouterr().out.count("unchanged ") == len(PLACES)
    unit.write_text("old")
    assert run(arguments) == 0
    assert capsys.readouterr().out.count("written ") == 1
    assert [path.name for path in unit.parent.glob(".*")] == []


def test_install_where_nobody_may_write_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that cannot be made is one line."""
    assert run(["systemd", "install", "--root", "/proc/none", "--command", "/opt/hftd"]) == 64
    assert "run it as root" in capsys.readouterr().err


def test_a_path_that_a_unit_cannot_hold_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A space in ExecStart would start something else."""
    assert run(["systemd", "print", "--command", "/opt/my hftd"]) == 64
    assert "without spaces" in capsys.readouterr().err
