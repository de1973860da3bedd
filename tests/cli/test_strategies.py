"""``hftd strategies``: what may stand in a profile, built in or of a file of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hftd.cli.hftd import run as hftd
from hftd.config.strategy_parameters import BUILT_IN
from tests.strategies.own_files import HEAD, MAKER


def test_each_built_in_strategy_is_listed_with_its_keys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the kind that a profile names, with what must be given and what need not."""
    assert hftd(["strategies"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if not line.startswith(" ")] == list(BUILT_IN)
    assert "    order_size_base (required)" in told
    assert any(line.startswith("    min_edge_bps (default ") for line in told)
    assert max(map(len, told)) <= 80


def test_the_same_as_json_says_what_a_key_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Each key of each strategy has its words, and a default only where it has one."""
    assert hftd(["strategies", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == list(BUILT_IN)
    for each in told.values():
        assert each["description"]
        for key, words in each["parameters"].items():
            assert words["description"], key
            assert words["default"] is None or not words["required"], key
    size = told["market_making"]["parameters"]["order_size_base"]
    assert (size["required"], size["default"]) == (True, None)


def test_a_file_of_ones_own_is_listed_by_the_kind_that_a_profile_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """FILE:CLASS, its first words and its own keys."""
    path = tmp_path / "mine.py"
    path.write_text(MAKER)
    assert hftd(["strategies", str(path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [
        f"{path}:Maker",
        "    Quote at a distance from mid, not at all while the book leans.",
    ]
    assert "    half_spread_bps (default 10)" in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "FILE must be"),
        (HEAD, "FILE must have a class that is a Strategy"),
        ("def", "FILE must be"),
    ],
)
def test_a_file_that_holds_none_is_64_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, says: str
) -> None:
    """One that is not there, has no strategy or is no Python."""
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    assert hftd(["strategies", str(path)]) == 64
    told = capsys.readouterr()
    assert told.out == ""
    assert says in told.err and "mine.py" in told.err
    assert len(told.err.splitlines()) == 1
