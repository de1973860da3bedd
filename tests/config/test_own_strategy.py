"""A strategy of the user's own in a profile: every mistake is one line with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.config import own_strategy
from hftd.config.load import load_profile
from hftd.config.strategy_parameters import OwnStrategy
from hftd.errors import ProfileError

SOURCE = '''
from decimal import Decimal

from hftd.strategies.own import Integer, PositiveBps, Quote, Side, Strategy, View


class Maker(Strategy):
    """Quote at a distance."""

    half_spread_bps: PositiveBps
    """Distance from mid to each quote."""
    depth: Integer = 5
    """Levels looked at."""
    reasons = ("too thin",)

    def decide(self, view: View):
        return [Quote(Side.BUY, view.below_mid(self.half_spread_bps), 1)]
'''
PROFILE = """schema_version: 1
description: A strategy of one's own.
extends: canary.yaml
strategy:
  kind: mine.py:Maker
  order_size_base: "0.01"
  half_spread_bps: "4"
"""


def write(folder: Path, profile: str = PROFILE, source: str = SOURCE) -> str:
    """Write both files and return the profile's path."""
    (folder / "mine.py").write_text(source)
    (folder / "mine.yaml").write_text(profile)
    return str(folder / "mine.yaml")


def refusal(path: str) -> ProfileError:
    """Return the error of a profile that may not load."""
    with pytest.raises(ProfileError) as caught:
        load_profile(path, environ={})
    return caught.value


def strategy_of(path: str, *sets: str) -> OwnStrategy:
    """Return the strategy of a profile that loads."""
    found = load_profile(path, sets=sets, environ={}).profile.strategy
    assert isinstance(found, OwnStrategy)
    return found


def test_its_keys_are_typed_by_its_own_class(tmp_path: Path) -> None:
    """Values, defaults and declared reasons are held, with the hash of the source."""
    found = strategy_of(write(tmp_path))
    assert found.path == str(tmp_path / "mine.py") and found.class_name == "Maker"
    assert found.given() == {
        "kind": f"{tmp_path}/mine.py:Maker",
        "order_size_base": found.order_size_base,
        "half_spread_bps": 4,
        "depth": 5,
        "imbalance_levels": 5,
        "price_tolerance_ticks": 0,
        "min_quote_life_ms": 500,
    }
    assert found.reasons == ("too thin",)
    assert own_strategy.source_of(found) == SOURCE


def test_the_file_is_beside_the_profile_that_names_it(tmp_path: Path) -> None:
    """Whoever extends it elsewhere gets the same file."""
    base = write(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "upper.yaml").write_text(
        f"schema_version: 1\ndescription: Over it.\nextends: {base}\nstrategy: {{depth: 7}}\n"
    )
    found = strategy_of(str(elsewhere / "upper.yaml"))
    assert found.path == str(tmp_path / "mine.py") and found.given()["depth"] == 7


def test_another_source_is_another_configuration(tmp_path: Path) -> None:
    """The hash of the profile follows the file's text."""
    path = write(tmp_path)
    before = load_profile(path, environ={}).config_hash
    assert load_profile(path, environ={}).config_hash == before
    write(tmp_path, source=SOURCE + "\n")
    assert load_profile(path, environ={}).config_hash != before


MISTAKES = (
    ("half_spread_bps", "half_spred_bps", (7, 3), "no such key; did you mean half_spread_bps?"),
    ('"4"', "4bps", (7, 20), "a plain decimal"),
    ('"4"', '"0"', (7, 20), "more than 0, was 0"),
    ('"4"', "[1]", (7, 20), "a plain decimal"),
    ('  half_spread_bps: "4"\n', "", (4, 1), "is required: distance from mid to each quote"),
    ('"0.01"', '"9"', (6, 20), "small enough that its largest order, 9"),
    ('"4"\n', '"4"\n  depth: five\n', (8, 10), "a whole number"),
    ('"4"\n', '"4"\n  source_sha256: ab\n', (8, 3), "no such key"),
    ("mine.py:Maker", "mine.py:Makr", (5, 9), "did you mean Maker?"),
    ("mine.py:Maker", "mine.py:Strategy", (5, 9), "it has Maker"),
    ("mine.py:Maker", "gone.py:Maker", (5, 9), "no such file"),
    ("mine.py:Maker", "mine.py", (5, 9), "one of market_making"),
)


@pytest.mark.parametrize(("old", "new", "place", "says"), MISTAKES)
def test_each_mistake_in_a_profile_says_where(
    tmp_path: Path, old: str, new: str, place: tuple[int, int], says: str
) -> None:
    """File, line, column, and what would be right: as for the built-in strategies, with 78."""
    error = refusal(write(tmp_path, PROFILE.replace(old, new, 1)))
    assert (error.line, error.column) == place, str(error)
    assert says in str(error) and "\n" not in str(error)
    assert error.exit_code == 78


BROKEN = (
    ("import time\n" + SOURCE, "a strategy without time", "mine.py:1): view.now_ns"),
    (SOURCE + "from random import random\n", "a strategy without random", "replay"),
    (SOURCE.replace("return [", "return ["[:-2]), "a file that runs", "mine.py:17"),
    (SOURCE + "limit = 1 / 0\n", "a file that runs", "mine.py:18: ZeroDivisionError"),
    (SOURCE + "raise SystemExit(3)\n", "a file that runs", "SystemExit"),
    (SOURCE.replace("def decide", "def decode"), "a method decide", "Maker"),
    (SOURCE.replace("PositiveBps\n", "PositiveBsp\n"), "a file that runs", "PositiveBsp"),
    (
        "from __future__ import annotations\n" + SOURCE.replace("PositiveBps\n", "PositiveBsp\n"),
        "a class whose annotations are known",
        "Maker",
    ),
    ("# " + "x" * 300_000, "of at most 262144 bytes", "was 300002"),
    ("\0", "a file that runs", "null bytes"),
)


@pytest.mark.parametrize(("source", "says", "more"), BROKEN)
def test_each_mistake_in_a_file_says_which(
    tmp_path: Path, source: str, says: str, more: str
) -> None:
    """What the file itself gets wrong is told at the key that names it, in one line."""
    error = refusal(write(tmp_path, source=source))
    assert (error.line, error.column) == (5, 9), str(error)
    assert says in str(error) and more in str(error) and "\n" not in str(error), str(error)


def test_a_file_may_be_run_again_after_it_failed(tmp_path: Path) -> None:
    """What was mended loads, in the same process."""
    refusal(write(tmp_path, source=SOURCE + "1 / 0\n"))
    assert strategy_of(write(tmp_path)).class_name == "Maker"


def test_a_past_run_is_rebuilt_by_its_own_source(tmp_path: Path) -> None:
    """By the text that the journal keeps; without it another file is refused in one line."""
    held = strategy_of(write(tmp_path))
    write(tmp_path, source=SOURCE.replace("depth: Integer = 5", "width: Integer = 6"))
    with pytest.raises(ProfileError) as caught:
        own_strategy.rebuilt(held, None)
    assert "which the run traded with" in str(caught.value) and "\n" not in str(caught.value)
    assert own_strategy.rebuilt(held, SOURCE).model_dump()["depth"] == 5
    with pytest.raises(ProfileError):
        own_strategy.source_of(held)
    (tmp_path / "mine.py").unlink()
    assert own_strategy.rebuilt(held, SOURCE).model_dump()["depth"] == 5


TWO = ("instruments=[BTC-USDT,ETH-USDT]", "venue.opening_balances={BTC: 1, ETH: 9, USDT: 9000}")


def test_instruments_differ_in_parameters_alone(tmp_path: Path) -> None:
    """What one instrument says lies over what is said for all; its kind is the common one."""
    path = write(tmp_path)
    sets = (*TWO, "instrument_strategy.ETH-USDT={half_spread_bps: 9}")
    profile = load_profile(path, sets=sets, environ={}).profile
    both = [profile.strategy_of(name) for name in profile.instruments]
    found = [one.given()["half_spread_bps"] for one in both if isinstance(one, OwnStrategy)]
    assert found == [4, 9]
    wrong = (*TWO, "instrument_strategy.ETH-USDT={half_spred_bps: 9}")
    with pytest.raises(ProfileError, match=r"instrument_strategy\.ETH-USDT\.half_spred_bps"):
        load_profile(path, sets=wrong, environ={})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("instrument_strategy.SOL-USDT={min_edge_bps: 1}", "one of instruments"),
        ("instrument_strategy.BTC-USDT={kind: glft}", "instrument_strategy.BTC-USDT"),
        ("instrument_strategy.BTC-USDT={min_edge_bsp: 1}", "did you mean min_edge_bps"),
        ("instrument_strategy.BTC-USDT={min_edge_bps: 1bps}", "a plain decimal"),
        ("instrument_strategy.BTC-USDT={order_size_base: 9}", "small enough"),
        ("instrument_strategy={BTC-USDT: 7}", "is required"),
    ],
)
def test_mistakes_in_an_instruments_parameters(given: str, says: str) -> None:
    """They are checked as the common ones are."""
    with pytest.raises(ProfileError) as caught:
        load_profile("market-making", sets=[given], environ={})
    assert says in str(caught.value), str(caught.value)
