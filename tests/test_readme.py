"""README says what is there: its files exist, its commands are known, its codes are complete."""

from __future__ import annotations

import re
from pathlib import Path

from hftd.cli.hftd import COMMANDS
from hftd.control.commands import COMMANDS as CONTROL_COMMANDS
from hftd.domain.codes import Code
from tests import reference

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FIRST_STATE_CODE = 40  # Codes below are the gate's refusals.


def test_files_named_in_readme_exist() -> None:
    """Every path of the tree that README names in code is there."""
    rooms = "hftd|tests|scripts|systemd|profiles"
    named = re.findall(rf"`((?:{rooms})/[\w./-]+|engine/\w+\.py)", README)
    assert len(named) > 30
    for name in named:
        path = ROOT / ("hftd/" + name if name.startswith("engine/") else name)
        assert path.exists(), name


def test_every_refusal_code_stands_in_readme() -> None:
    """The gate's codes and README's table are the same set."""
    table = README.split("## What a refusal means")[1].split("\n## ")[0]
    rows = set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE))
    gate = {code.name for code in Code if 0 < code < FIRST_STATE_CODE}
    assert gate <= rows
    assert rows <= {code.name for code in Code}


def test_every_code_stands_in_readme() -> None:
    """Whatever reason a screen or a log line names can be looked up."""
    sources = "".join(path.read_text() for path in (ROOT / "hftd").rglob("*.py"))
    told = [code.name for code in Code if f"Code.{code.name}" in sources and code]
    missing = [name for name in told if f"`{name}`" not in README]
    assert missing == []


def test_readme_holds_no_place_to_be_filled() -> None:
    """What was to be written in later has been."""
    assert re.findall(r"TABLE_OF_\w+|\w+_EXAMPLE", README) == []


def test_profiles_and_commands_are_all_named() -> None:
    """Every shipped profile and every command can be found in the text."""
    for profile in (ROOT / "profiles").glob("*.yaml"):
        assert f"`{profile.stem}`" in README, profile.name
    for name in (*COMMANDS, *CONTROL_COMMANDS):
        assert re.search(rf"`(?:scripts/)?(?:hftd |hftctl )?{name}\b", README), name


def test_commands_named_in_readme_are_known() -> None:
    """Every hftd and hftctl command that README shows exists."""
    for name in re.findall(r"scripts/hftd ([a-z-]+)", README):
        assert name in COMMANDS, name
    for name in re.findall(r"scripts/hftctl ([a-z-]+)", README):
        assert name in CONTROL_COMMANDS, name


def test_readme_opens_with_the_two_commands() -> None:
    """A newcomer finds how to start and how to test in the first block."""
    block = README.split("```")[1]
    assert "scripts/hftd start --profile canary" in block
    assert "scripts/test" in block


def test_references_are_those_of_the_code() -> None:
    """Every key of a profile and every command stands in README as the code has it."""
    assert reference.written(README) == README, "python -m tests.reference writes README anew"
