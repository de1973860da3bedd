"""check, profiles, schema and paths, as a user runs them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.cli.command import ROOT, hftd
from tests.cli.lone_exchange import lone_exchange
from tests.config.profile_files import HEAD, risk_text, write

RECORDED = ROOT.parent / "shared/data/binance-spot/btcusdt_20240808.gz"


def test_check_shows_values_origins_limits_and_economics(tmp_path: Path) -> None:
    """The default profile: what is in force, where it was written, what an order is."""
    ran = hftd(tmp_path, "check", HFTD__RISK__MAX_OPEN_ORDERS="4")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("profile  canary: ")
    assert max(len(line) for line in lines) <= 100
    assert any(
        line.startswith("risk.max_position_base = 0.1 ") and "market-making.yaml:" in line
        for line in lines
    )
    assert any(
        line.split() == ["risk.max_open_orders", "=", "4", "HFTD__RISK__MAX_OPEN_ORDERS"]
        for line in lines
    )
    assert any(line.split() == ["max_position_base", "0.01", "0.1"] for line in lines)
    assert "order        0.001 BTC, 60.00 USDT: trades; the least is 0.00009 BTC" in lines


def test_check_as_json_holds_the_same(tmp_path: Path) -> None:
    """Programs read values, origins, limits and economics as text decimals."""
    ran = hftd(tmp_path, "check", "market-making", "--set", "risk.max_open_orders=3", "--json")
    report = json.loads(ran.out)
    assert report["values"]["risk.max_open_orders"] == {"value": 3, "origin": "--set"}
    assert report["limits"]["BTC-USDT"]["max_position_base"] == "0.1"
    assert report["economics"][0]["order_base"] == "0.01"
    assert report["economics"][0]["trades"] is True
    assert len(report["config_hash"]) == 16


def test_check_refuses_a_profile_with_the_place_and_78(tmp_path: Path) -> None:
    """A mistake in a file is one line that an editor can jump to."""
    path = write(tmp_path, HEAD + risk_text().replace("max_open_orders: 8", "max_open_orders: 0"))
    ran = hftd(tmp_path, "check", str(path))
    assert ran.code == 78
    assert ran.out == ""
    assert ran.err == f"hftd: {path}:11:20: risk.max_open_orders: more than 0, was 0\n"


def test_check_tells_every_mistake_on_a_line_of_its_own(tmp_path: Path) -> None:
    """Two wrong limits are two lines, so that one run shows them all."""
    text = risk_text().replace("max_open_orders: 8", "max_open_orders: 0").replace("50", "no", 1)
    ran = hftd(tmp_path, "check", str(write(tmp_path, HEAD + text)))
    assert ran.code == 78
    assert ran.err.count("\n") == 2


def test_check_refuses_an_order_that_the_venue_would_not_take(tmp_path: Path) -> None:
    """The smallest factor that trades is named, with the place of the one written."""
    ran = hftd(tmp_path, "check", "--set", "canary.size_factor=0.001")
    assert ran.code == 78
    assert "WOULD BE REFUSED" in ran.out
    assert ran.err == (
        'hftd: --set: canary.size_factor: at least "0.009", which orders 0.00009, the least that'
        " BTC-USDT takes at 60000, was an order of 0.00001 (0.6 USDT)\n"
    )


def test_check_names_the_instruments_that_the_agents_make(tmp_path: Path) -> None:
    """An instrument without a market is refused before an exchange would have to."""
    sets = ("instruments=[XYZ-USDT]", "venue.opening_balances={XYZ: 1, USDT: 1}")
    ran = hftd(tmp_path, "check", "--set", sets[0], "--set", sets[1])
    assert ran.code == 78
    assert "instruments.0: one of BTC-USDT, ETH-USDT, SOL-USDT" in ran.err


def tape_of(folder: Path, *spreads: str) -> Path:
    """Write a recording with a touch a second around 60,000, of the spreads given."""
    path = folder / "tape.gz"
    with gzip.open(path, "wt") as tape:
        for second, spread in enumerate(spreads):
            ask = 60_000 + float(spread)
            data = {"u": second, "s": "BTCUSDT", "b": "60000.00", "B": "1", "a": f"{ask:.2f}"}
            frame = {"stream": "btcusdt@bookTicker", "data": data | {"A": "1"}}
            tape.write(f"{second * 10**9} {json.dumps(frame)}\n")
    return path


def test_check_measures_the_rule_on_a_recording(tmp_path: Path) -> None:
    """Two of three seconds have a spread over 5 bps, which is 30 at 60,000."""
    tape = tape_of(tmp_path, "60", "31", "6", "6")
    ran = hftd(tmp_path, "check", "--tape", str(tape), "--json")
    found = json.loads(ran.out)["spreads"][0]
    assert (found["updates"], found["updates_over_min_spread"]) == (4, 2)
    assert found["would_quote_share"] == pytest.approx(2 / 3)
    text = hftd(tmp_path, "check", "--tape", str(tape)).out
    assert "would quote  66.67% of the time" in text


def test_check_says_where_the_fee_leaves_no_edge(tmp_path: Path) -> None:
    """At 3 bps a side 31 of spread, 15.5 from mid, are too little, and 60 are enough."""
    tape = tape_of(tmp_path, "60", "31", "6", "6")
    fee = ("--set", "venue.fees.maker_bps=3")
    found = json.loads(hftd(tmp_path, "check", "--tape", str(tape), "--json", *fee).out)["spreads"]
    assert found[0]["wide_share"] == pytest.approx(2 / 3)
    assert found[0]["would_quote_share"] == pytest.approx(1 / 3)
    text = hftd(tmp_path, "check", "--tape", str(tape), *fee).out
    assert "would quote  33.33% of the time" in text
    assert "66.67% by the spread alone; the rest has no edge of 0 bps" in text


GIVEN = ("volatility_bps=1", "arrival_decay_per_bps=0.1", "arrival_rate_per_s=0.3")
OWN = """
from hftd.strategies.own import NoQuote, Side, Strategy

class Silent(Strategy):
    reasons = ("none",)

    def decide(self, view):
        yield NoQuote(Side.BUY, "none")
"""


@pytest.mark.parametrize(
    ("profile", "sets", "says", "key", "share"),
    [
        (
            "glft",
            [],
            "not judged: its distance comes from what it sees",
            "at_the_touch_share",
            None,
        ),
        ("glft", ["min_edge_bps=3"], "its nearest quote,", "at_the_touch_share", 1 / 3),
        ("glft", GIVEN, "its nearest quote,", "at_the_touch_share", 0),
        ("imbalance", ["target_bps=18"], "may enter    66.67%", "may_enter_share", 2 / 3),
        ("imbalance", ["target_bps=9"], "it would never enter", "may_enter_share", 0),
        ("{own}", [], "not judged: where and whether it quotes is its own", "wide_share", None),
    ],
)
def test_check_judges_each_rule_as_far_as_its_keys_go(
    tmp_path: Path, profile: str, sets: list[str], says: str, key: str, share: float | None
) -> None:
    """On spreads of 10, 5 and 1 bps: formulas by their least distance, takers by their target."""
    (tmp_path / "silent.py").write_text(OWN)
    own = write(
        tmp_path, "extends: canary\nstrategy: {kind: silent.py:Silent, order_size_base: 0.01}\n"
    )
    tape = tape_of(tmp_path, "60", "31", "6", "6")
    options = [word for text in sets for word in ("--set", f"strategy.{text}")]
    named = profile.format(own=own)
    text = hftd(tmp_path, "check", named, "--tape", str(tape), *options)
    assert (text.code, says in text.out) == (0, True), text
    found = json.loads(hftd(tmp_path, "check", named, "--tape", str(tape), *options, "--json").out)
    assert found["spreads"][0][key] == (None if share is None else pytest.approx(share))
    assert found["spreads"][0]["would_quote_share"] is None


def test_check_measures_the_rule_on_a_market_that_runs(tmp_path: Path) -> None:
    """By its address, or as the exchange of the instance that runs; its price is the order's."""
    with lone_exchange(tmp_path / "state") as port:
        where = {"STATE_DIRECTORY": str(tmp_path / "state")}
        for market in (f"http://127.0.0.1:{port}", "running"):
            ran = hftd(tmp_path, "check", "--market", market, "--seconds", "2", "--json", **where)
            assert ran.code == 0, ran.err
            found = json.loads(ran.out)
            assert found["economics"][0]["price_source"] == f"now at 127.0.0.1:{port}"
            seen = found["spreads"][0]
            assert (seen["instrument"], seen["source"]) == ("BTC-USDT", f"127.0.0.1:{port}")
            assert seen["updates"] > 0 and 0 < seen["spread_bps"]["median"] < 100
            assert 0 <= seen["would_quote_share"] <= 1
    gone = hftd(tmp_path, "check", "--market", "running", **where)
    assert gone.code == 64 and "no exchange runs for instance canary" in gone.err
    both = hftd(tmp_path, "check", "--market", "running", "--tape", "x")
    assert both.code == 64 and "one of --tape and --market" in both.err


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\x00nonsense", b"plain\n"])
def test_check_refuses_what_is_no_recording(tmp_path: Path, content: bytes) -> None:
    """An empty, broken or foreign file is one line and 64."""
    path = tmp_path / "tape.gz"
    path.write_bytes(content)
    ran = hftd(tmp_path, "check", "--tape", str(path))
    assert ran.code == 64
    assert ran.err.startswith("hftd: tape ")
    assert ran.err.count("\n") == 1


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded session is not beside the project")
def test_the_recorded_session_shows_why_the_touch_is_no_place(tmp_path: Path) -> None:
    """The spread is over 5 bps in 5 of 28,040 updates; its median is 0.0016 bps."""
    ran = hftd(tmp_path, "check", "--tape", str(RECORDED), "--json")
    found = json.loads(ran.out)["spreads"][0]
    assert (found["updates"], found["updates_over_min_spread"]) == (28_040, 5)
    assert found["spread_bps"]["median"] == 0.0016
    assert found["would_quote_share"] < 0.001


def test_profiles_lists_shipped_and_own(tmp_path: Path) -> None:
    """The user's folder is listed with the shipped ones, and a broken file says so."""
    own = tmp_path / ".config/hftd"
    own.mkdir(parents=True)
    write(own, HEAD + risk_text(), "mine.yaml")
    write(own, "nonsense", "broken.yaml")
    ran = hftd(tmp_path, "profiles", "--json")
    listed = {found["name"]: found for found in json.loads(ran.out)}
    assert listed["mine"]["description"] == "A profile for a test."
    assert not listed["mine"]["shipped"]
    assert listed["canary"]["default"]
    assert listed["broken"]["description"].startswith("unusable: ")
    text = hftd(tmp_path, "profiles").out
    assert "canary (shipped, default)" in text


def test_schema_is_json_schema_with_every_limit(tmp_path: Path) -> None:
    """Editors get bounds in their own words, and may leave to the base what is required."""
    schema = json.loads(hftd(tmp_path, "schema").out)
    limit = schema["$defs"]["RiskLimits"]["properties"]["max_open_orders"]
    assert (limit["exclusiveMinimum"], limit["maximum"]) == (0, 200)
    assert limit["description"].startswith("Most orders open")
    assert "extends" in schema["properties"]
    assert "max_open_orders" in schema["then"]["properties"]["risk"]["required"]
    assert "required" not in schema["$defs"]["RiskLimits"]


def test_paths_follow_name_and_environment(tmp_path: Path) -> None:
    """The folders of an instance are told without making one."""
    ran = hftd(
        tmp_path, "paths", "--name", "x1", "--json",
        XDG_STATE_HOME=str(tmp_path / "state"), RUNTIME_DIRECTORY=str(tmp_path / "run"),
    )  # fmt: skip
    found = json.loads(ran.out)
    assert found["ledger"] == str(tmp_path / "state/hftd/x1/hftd.db")
    assert found["control_socket"] == str(tmp_path / "run/control.sock")
    assert found["profiles"][0] == str(tmp_path / ".config/hftd")
    assert not (tmp_path / "state").exists()
    assert "control socket" in hftd(tmp_path, "paths").out
