"""Market presets: every shipped one loads, own files build on them, mistakes say where."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from hftd.config.load import load_profile
from hftd.config.preset_shelf import load_preset, names
from hftd.config.schema import AgentsMarket
from hftd.errors import ProfileError, UsageError


def test_the_five_presets_are_shipped_each_with_its_sentence() -> None:
    """calm, busy, trending, crash and wide load, and no two say the same."""
    assert names() == ("busy", "calm", "crash", "trending", "wide")
    sentences = [load_preset(name).description for name in names()]
    assert len(set(sentences)) == 5
    assert all(sentence.endswith(".") for sentence in sentences)


def test_an_unknown_preset_is_answered_with_the_nearest() -> None:
    """A slip of the finger is named, and so is all that there is."""
    with pytest.raises(UsageError, match=r"did you mean trending.*busy, calm, crash"):
        load_preset("trendin")
    with pytest.raises(UsageError, match=r"no preset file \./none.yaml"):
        load_preset("./none.yaml")


def test_an_own_preset_builds_on_a_shipped_one(tmp_path: Path) -> None:
    """Two keys of a file of one's own count; the rest is calm's, its lists as well."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: calm\ndescription: Mine.\nmakers: {lag_beats: 7}\n")
    found, calm = load_preset(str(mine)), load_preset("calm")
    assert (found.description, found.makers.lag_beats) == ("Mine.", 7)
    assert found.makers.model_copy(update={"lag_beats": 24}) == calm.makers
    assert found.worth == calm.worth
    beside = tmp_path / "beside.yml"
    beside.write_text('extends: mine.yaml\nworth: {step_ticks: "0.000001"}\n')
    assert load_preset(str(beside)).worth.step_ticks == Decimal("0.000001")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: calm\nmakers:\n  lag_beat: 7\n", ":3:3: makers.lag_beat: no such key; did you "),
        ("extends: calm\nmakers:\n  lag_beats: 0\n", ":3:14: makers.lag_beats: more than 0, was 0"),
        ("extends: calm\nworth: {step_ticks: 1e3}\n", ":2:21: worth.step_ticks: a plain decimal"),
        ('extends: calm\nworth: {step_ticks: "0.0000001"}\n', ":2:21: worth.step_ticks: .*6"),
        ('extends: calm\nworth: {jump_min_ticks: "9"}\n', "jump_max_ticks: at least jump_min"),
        ("extends: cal\n", ":1:10: extends: .*did you mean calm"),
        ("extends: mine.yaml\n", ":1:10: extends: .* without a cycle"),
        ("description: Nothing else.\n", "worth: is required: the path of the coin's worth"),
        ("extends: calm\nmakers: {offsets_ticks: []}\n", "makers.offsets_ticks: at least 1 item"),
    ],
)
def test_a_mistake_says_where_and_what_would_be_right(
    tmp_path: Path, text: str, message: str
) -> None:
    """File, line, column and key stand in one line, and the exit code is a bad profile's."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    with pytest.raises(ProfileError, match=message) as refused:
        load_preset(str(mine))
    assert refused.value.exit_code == 78
    assert "mine.yaml" in str(refused.value) or "calm.yaml" in str(refused.value)


def test_a_profile_names_a_preset_of_its_own(tmp_path: Path) -> None:
    """The path counts from the profile that says it; an unknown name is a mistake in it."""
    (tmp_path / "mine.yaml").write_text("extends: busy\n")
    profile = tmp_path / "profile.yaml"
    text = "schema_version: 1\nextends: canary.yaml\nvenue: {market: {preset: PRESET}}\n"
    profile.write_text(text.replace("PRESET", "mine.yaml"))
    market = load_profile(str(profile), environ={}).profile.venue.market
    assert isinstance(market, AgentsMarket)
    assert market.preset == str(tmp_path / "mine.yaml")
    profile.write_text(text.replace("PRESET", "bussy"))
    with pytest.raises(ProfileError, match=r":3:26: venue.market.preset: .*did you mean busy"):
        load_profile(str(profile), environ={})
    (tmp_path / "mine.yaml").write_text("extends: busy\nmakerz: {}\n")
    profile.write_text(text.replace("PRESET", "mine.yaml"))
    with pytest.raises(ProfileError, match=r"mine.yaml:2:1: makerz: no such key"):
        load_profile(str(profile), environ={})
