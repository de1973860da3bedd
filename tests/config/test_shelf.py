"""Where profiles are found by name, and the shipped ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.config.load import load_profile
from hftd.config.shelf import DEFAULT_PROFILE, SHIPPED, find_profile, folders, list_profiles
from hftd.errors import UsageError
from tests.config.profile_files import HEAD, risk_text, write

SHIPPED_NAMES = [
    "avellaneda-stoikov", "binance-testnet", "canary", "glft", "imbalance", "market-making", "tape"
]  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_each_shipped_profile_loads_and_is_commented(name: str) -> None:
    """What is shipped can be started as it is, and says in comments why it is so."""
    loaded = load_profile(name, environ={})
    assert loaded.path.parent == SHIPPED
    assert loaded.profile.mode == ("testnet" if name == "binance-testnet" else "paper")
    text = loaded.path.read_text()
    assert text.startswith("# ")
    assert max(len(line) for line in text.splitlines()) <= 100


def test_all_shipped_profiles_are_tested() -> None:
    """The list above is the folder's."""
    assert sorted(path.stem for path in SHIPPED.glob("*.yaml")) == SHIPPED_NAMES
    assert DEFAULT_PROFILE in SHIPPED_NAMES


def test_the_users_own_profile_stands_before_the_shipped_one(tmp_path: Path) -> None:
    """The first folder that has the name wins, systemd's before the user's."""
    for folder in ("unit", "own/hftd"):
        (tmp_path / folder).mkdir(parents=True)
    write(tmp_path / "own/hftd", HEAD + risk_text(), "canary.yaml")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "own")}
    assert find_profile("canary", environ).path == tmp_path / "own/hftd/canary.yaml"
    assert not find_profile("canary", environ).shipped
    environ["CONFIGURATION_DIRECTORY"] = str(tmp_path / "unit")
    write(tmp_path / "unit", HEAD + risk_text(), "canary.yaml")
    assert find_profile("canary", environ).path == tmp_path / "unit/canary.yaml"
    assert [found.name for found in list_profiles(environ)] == SHIPPED_NAMES
    assert folders(environ)[-1] == SHIPPED


@pytest.mark.parametrize("name", ["", "..", "a b", "x" * 60, "canary\n"])
def test_what_is_no_name_is_not_looked_for(name: str) -> None:
    """A name is a word, never a way through folders."""
    with pytest.raises(UsageError, match="no profile"):
        find_profile(name, {})
