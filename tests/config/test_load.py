"""Loading: the layers, the origins, the hash, and what each mistake is told."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hftd.config.load import load_profile, tape_path
from hftd.config.schema import SimexVenue, TapeMarket
from hftd.config.strategy_parameters import OrderBookImbalance
from hftd.errors import ProfileError, UsageError
from tests.config.profile_files import HEAD, REQUIRED_LIMITS, load, refusal, risk_text, write

GOOD = HEAD + risk_text()


def place(error: ProfileError) -> tuple[str, int, int, str]:
    """Return where an error points, with the file's name alone."""
    return Path(error.path).name, error.line, error.column, error.key


def test_a_complete_profile_loads_with_types(tmp_path: Path) -> None:
    """Text becomes decimals and whole numbers, and defaults fill what is not required."""
    loaded = load(write(tmp_path, GOOD))
    profile = loaded.profile
    assert loaded.name == "mine"
    assert profile.risk.max_position_base == Decimal("0.10")
    assert profile.risk.max_open_orders == 8
    assert profile.instruments == ("BTC-USDT",)
    assert profile.canary.enabled
    assert profile.risk.max_open_notional_quote == profile.risk.max_gross_exposure_quote


def test_every_value_knows_its_origin(tmp_path: Path) -> None:
    """Each dotted key has file, line and column, or the override, or default."""
    loaded = load(
        write(tmp_path, GOOD), "risk.max_open_orders=4", HFTD__RISK__MAX_POSITION_BASE="0.05"
    )
    origins = loaded.origins
    assert origins["risk.max_order_size_base"].endswith("mine.yaml:8:24")
    assert origins["risk.max_open_orders"] == "--set"
    assert origins["risk.max_position_base"] == "HFTD__RISK__MAX_POSITION_BASE"
    assert origins["risk.pause_dwell_ms"] == "default"
    assert origins["instruments.0"].endswith("mine.yaml:5:15")


def test_set_wins_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    """The layers stand in one order: file, environment, --set; the last --set of a key holds."""
    path = write(tmp_path, GOOD)
    environ = {"HFTD__RISK__MAX_OPEN_ORDERS": "5"}
    assert load(path, **environ).profile.risk.max_open_orders == 5
    sets = ("risk.max_open_orders=6", "risk.max_open_orders=7")
    assert load(path, *sets, **environ).profile.risk.max_open_orders == 7


def test_the_hash_follows_values_and_not_their_form(tmp_path: Path) -> None:
    """Comments, quotes, trailing zeros and where a value stands do not change config_hash."""
    plain = load(write(tmp_path, GOOD, "a.yaml"))
    dressed = GOOD.replace('"0.01"', "0.010").replace("0.10", '"0.1"  # a comment')
    other = load(write(tmp_path, dressed, "b.yaml"))
    layered = load(write(tmp_path, GOOD, "c.yaml"), "risk.max_open_orders=8")
    changed = load(write(tmp_path, GOOD, "d.yaml"), "risk.max_open_orders=7")
    assert plain.config_hash == other.config_hash == layered.config_hash
    assert plain.config_hash != changed.config_hash


def test_extends_merges_key_by_key(tmp_path: Path) -> None:
    """A profile that extends another changes what it names and keeps the rest."""
    write(tmp_path, GOOD, "base.yaml")
    text = "extends: base.yaml\nrisk: {max_open_orders: 3}\ncanary: {enabled: false}\n"
    loaded = load(write(tmp_path, text))
    assert loaded.profile.risk.max_open_orders == 3
    assert loaded.profile.risk.max_position_base == Decimal("0.10")
    assert not loaded.profile.canary.enabled
    assert [file.name for file in loaded.files] == ["mine.yaml", "base.yaml"]
    assert loaded.origins["mode"].endswith("base.yaml:3:7")


def test_another_kind_of_strategy_replaces_the_whole_section(tmp_path: Path) -> None:
    """The parameters of the strategy below mean nothing to another kind and do not linger."""
    write(
        tmp_path,
        GOOD.replace("kind: market_making", "kind: market_making, min_spread_bps: 3"),
        "base.yaml",
    )
    text = "extends: base.yaml\nstrategy: {kind: order_book_imbalance, order_size_base: 0.01}\n"
    strategy = load(write(tmp_path, text)).profile.strategy
    assert isinstance(strategy, OrderBookImbalance)


def test_a_copied_profile_finds_the_shipped_one_it_extends(tmp_path: Path) -> None:
    """What is not beside the file is looked for by name, so canary.yaml can be copied out."""
    text = "schema_version: 1\nextends: market-making.yaml\n"
    assert load(write(tmp_path, text)).files[1].name == "market-making.yaml"


def test_a_hosts_own_profile_extends_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    """A name leads past the files of the chain, so canary.yaml in /etc can build on canary."""
    folder = tmp_path / "hftd"
    folder.mkdir()
    own = write(folder, "extends: canary\nrisk: {max_open_orders: 2}\n", "canary.yaml")
    loaded = load_profile("canary", environ={"XDG_CONFIG_HOME": str(tmp_path)})
    assert loaded.path == own
    assert [file.name for file in loaded.files] == ["canary.yaml"] * 2 + ["market-making.yaml"]
    assert loaded.profile.risk.max_open_orders == 2


def test_what_is_missing_is_wanted_in_the_uppermost_file(tmp_path: Path) -> None:
    """A section that no file has is asked of the file that was named, overrides or not."""
    write(tmp_path, HEAD, "base.yaml")
    path = write(tmp_path, "# mine\nextends: base.yaml\n")
    for sets in ((), ("on_crash=halt",)):
        assert place(refusal(path, *sets)) == ("mine.yaml", 2, 1, "risk")


def test_a_misspelled_key_gets_one_line_with_the_right_one(tmp_path: Path) -> None:
    """An unknown key names file, line, column and key, and what was probably meant, once."""
    error = refusal(write(tmp_path, GOOD.replace("max_position_base", "max_positon_base")))
    assert place(error) == ("mine.yaml", 10, 3, "risk.max_positon_base")
    assert "did you mean max_position_base?" in str(error)
    # The limit that is missing because of it is not a second mistake.
    assert not hasattr(error, "__notes__")


def test_several_mistakes_are_all_told(tmp_path: Path) -> None:
    """The first mistake is the error, each further one a line of its own."""
    error = refusal(write(tmp_path, GOOD), "risk.max_open_orders=0", "risk.max_book_age_ms=x")
    assert "more than 0, was 0" in str(error)
    assert ["max_book_age_ms" in note for note in error.__notes__] == [True]


@pytest.mark.parametrize(
    ("change", "where", "says"),
    [
        (("mode: paper", "mode: papr"), (3, 7, "mode"), "paper, testnet or live, was papr"),
        (("mode: paper", "mod: paper"), (3, 1, "mod"), "did you mean mode?"),
        (("mode: paper", "mode: [paper]"), (3, 7, "mode"), "paper, testnet or live, was a list"),
        (("mode: paper", "mode:"), (3, 6, "mode"), "paper, testnet or live, was empty"),
        (
            ("  max_position_base: 0.10\n", ""),
            (7, 1, "risk.max_position_base"),
            "is required: largest position either way",
        ),
        (
            ("max_position_base: 0.10", "max_position_base: 0"),
            (10, 22, "risk.max_position_base"),
            "more than 0, was 0",
        ),
        (
            ("max_position_base: 0.10", "max_position_base: -1"),
            (10, 22, "risk.max_position_base"),
            "more than 0, was -1",
        ),
        (
            ("max_position_base: 0.10", "max_position_base: 1e3"),
            (10, 22, "risk.max_position_base"),
            'a plain decimal such as "0.01"',
        ),
        (
            ("max_position_base: 0.10", "max_position_base: .inf"),
            (10, 22, "risk.max_position_base"),
            "was .inf",
        ),
        (
            ("max_position_base: 0.10", "max_position_base: 0.10 BTC"),
            (10, 22, "risk.max_position_base"),
            "no unit, at most 8 decimals), was 0.10 BTC",
        ),
        (
            ("max_position_base: 0.10", "max_position_base: 0.123456789"),
            (10, 22, "risk.max_position_base"),
            "at most 8 decimals",
        ),
        (
            ("max_open_orders: 8", "max_open_orders: 012"),
            (11, 20, "risk.max_open_orders"),
            "a whole number such as 8 (no decimals, no unit), was 012",
        ),
        (
            ("max_open_orders: 8", "max_open_orders: 8.5"),
            (11, 20, "risk.max_open_orders"),
            "was 8.5",
        ),
        (
            ("max_open_orders: 8", "max_open_orders: 900"),
            (11, 20, "risk.max_open_orders"),
            "at most 200, was 900",
        ),
        (
            ("kind: market_making", "kind: market_makin"),
            (6, 18, "strategy.kind"),
            "one of market_making, order_book_imbalance, avellaneda_stoikov, glft,"
            " path/to/file.py:Class, was market_makin",
        ),
        (
            ("kind: market_making", "quote: touch"),
            (6, 1, "strategy.kind"),
            "is required",
        ),
        (
            ("kind: market_making", "kind: market_making, quote: offset"),
            (6, 1, "strategy.half_spread_bps"),
            "is required with quote: offset",
        ),
        (
            ("kind: market_making", "kind: market_making, min_spread_exit_bps: 9"),
            (6, 54, "strategy.min_spread_exit_bps"),
            "at most min_spread_bps, 5, was 9",
        ),
        (
            ('order_size_base: "0.01"', 'order_size_base: "0.05"'),
            (6, 50, "strategy.order_size_base"),
            "its largest order, 0.075, is at most max_order_size_base of BTC-USDT, 0.02, was 0.05",
        ),
        (
            ("max_position_base: 0.10", "max_position_base: 0.005"),
            (6, 50, "strategy.order_size_base"),
            "at most max_position_base of BTC-USDT, 0.005, was 0.01",
        ),
        (
            ("kind: simex", "kind: simex, market: {source: moon}"),
            (4, 39, "venue.market.source"),
            "one of agents, tape, live, was moon",
        ),
        (
            ("[BTC-USDT]", "[BTC-USDT, ETH-EUR]"),
            (5, 25, "instruments.1"),
            "an instrument quoted in USDT",
        ),
        (("[BTC-USDT]", "[BTC-USDT, BTC-USDT]"), (5, 25, "instruments.1"), "each instrument once"),
        (("[BTC-USDT]", "[btcusdt]"), (5, 15, "instruments.0"), "such as BTC-USDT, was btcusdt"),
        (("[BTC-USDT]", "BTC-USDT"), (5, 14, "instruments"), "a list such as [BTC-USDT]"),
        (("[BTC-USDT]", "[]"), (5, 14, "instruments"), "at least 1 item"),
        (
            ("[BTC-USDT]", "[ETH-USDT]"),
            (4, 1, "venue.opening_balances"),
            "a balance of ETH",
        ),
        (
            ("price_collar_bps: 50", "price_collar_bps: 0.125"),
            (12, 21, "risk.price_collar_bps"),
            "at most 2 decimals, was 0.125",
        ),
        (("mode: paper", "mode: testnet"), (3, 7, "mode"), "paper, as venue.kind simex"),
        (("schema_version: 1", "schema_version: 2"), (1, 17, "schema_version"), "at most 1, was 2"),
    ],
)
def test_each_mistake_says_where_and_what_would_be_right(
    tmp_path: Path, change: tuple[str, str], where: tuple[int, int, str], says: str
) -> None:
    """A mistake in a file is refused with 78 and its own file, line, column and key."""
    assert change[0] in GOOD
    error = refusal(write(tmp_path, GOOD.replace(*change, 1)))
    assert place(error) == ("mine.yaml", *where)
    assert says in str(error)


def test_live_is_refused_with_the_controls_it_lacks(tmp_path: Path) -> None:
    """No profile reaches production hosts before the controls it names stand."""
    error = refusal(write(tmp_path, GOOD.replace("mode: paper", "mode: live")))
    assert place(error) == ("mine.yaml", 3, 7, "mode")
    for control in ("C43",):
        assert control in str(error)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("venue: {kind: simex, api_key: env:K, api_secret: hunter2}", "venue.api_secret"),
        ("venue: {kind: simex, api_key: hunter2, api_secret: env:S}", "venue.api_key"),
        ("venue: {kind: simex, api_key: env:K, api_secret: [hunter2]}", "venue.api_secret"),
    ],
)
def test_a_secret_in_a_profile_is_refused_and_not_repeated(
    tmp_path: Path, section: str, key: str
) -> None:
    """A key or secret that is no reference is named by its place alone."""
    error = refusal(write(tmp_path, GOOD.replace("venue: {kind: simex}", section)))
    assert error.key == key
    assert "hunter2" not in str(error)
    assert "hunter2" not in repr(error.__cause__)
    assert "env:NAME, file:PATH or credential:NAME" in str(error)


def test_half_a_key_pair_is_refused(tmp_path: Path) -> None:
    """A key without its secret would fail at the venue; it fails here instead."""
    section = "venue: {kind: simex, api_key: env:K}"
    error = refusal(write(tmp_path, GOOD.replace("venue: {kind: simex}", section)))
    assert error.key == "venue.api_secret"


@pytest.mark.parametrize(
    "place",
    [
        "me:hunter2@localhost/hftd",
        "me:hun/hunter2@localhost/hftd",
        "h/hftd?user=me&password=hunter2",
    ],
)
def test_a_password_in_the_storage_url_is_refused_and_not_repeated(
    tmp_path: Path, place: str
) -> None:
    """A database password goes by reference, like every other secret: the URL is in an argv."""
    url = f'storage: {{url: "postgresql+psycopg://{place}"}}\n'
    error = refusal(write(tmp_path, GOOD + url))
    assert error.key == "storage.url"
    assert "hunter2" not in str(error)


def test_an_extends_cycle_is_refused(tmp_path: Path) -> None:
    """Two profiles cannot each be built on the other."""
    write(tmp_path, "extends: mine.yaml\n", "other.yaml")
    error = refusal(write(tmp_path, "mode: paper\nextends: other.yaml\n"))
    assert place(error) == ("other.yaml", 1, 10, "extends")
    assert "without a cycle, was mine.yaml" in str(error)


def test_a_missing_base_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    """A base that is neither a file nor a name says which name comes near."""
    error = refusal(write(tmp_path, "extends: market-makin\n"))
    assert place(error) == ("mine.yaml", 1, 10, "extends")
    assert "did you mean market-making?" in str(error)


def test_a_long_chain_of_extends_is_refused(tmp_path: Path) -> None:
    """Five profiles below the first are read, a sixth is not."""
    write(tmp_path, GOOD, "p0.yaml")
    for level in range(1, 7):
        write(tmp_path, f"extends: p{level - 1}.yaml\n", f"p{level}.yaml")
    assert load(tmp_path / "p5.yaml").profile.mode == "paper"
    error = refusal(tmp_path / "p6.yaml")
    assert "at most 5" in str(error)


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    """A profile that is not there is a usage error, exit 64, with the nearest name."""
    with pytest.raises(UsageError, match=r"no profile canari; did you mean canary\?"):
        load(Path("canari"))
    with pytest.raises(UsageError, match="no profile file"):
        load(tmp_path / "none.yaml")


def test_a_tape_is_found_beside_the_profile_that_names_it(tmp_path: Path) -> None:
    """A path in a file is relative to that file, wherever the daemon stands."""
    (tmp_path / "day.gz").write_bytes(b"")
    section = "venue: {kind: simex, market: {source: tape, path: day.gz}}"
    profile = load(write(tmp_path, GOOD.replace("venue: {kind: simex}", section))).profile
    assert isinstance(profile.venue, SimexVenue)
    assert isinstance(profile.venue.market, TapeMarket)
    assert tape_path(profile) == tmp_path / "day.gz"


def test_a_missing_tape_is_refused(tmp_path: Path) -> None:
    """A recording that does not exist is found out before anything starts."""
    error = refusal(write(tmp_path, GOOD), "venue.market={source: tape, path: none.gz}")
    assert error.key == "venue.market.path"
    assert "a recording that exists" in str(error)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_c01_a_limit_dropped_or_garbled_never_loads(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever happens to a required limit's line, the profile is refused with 78."""
    key = data.draw(st.sampled_from(sorted(REQUIRED_LIMITS)))
    garbage = data.draw(
        st.sampled_from(
            [
                "0",
                "-1",
                "0.0",
                "-0",
                ".inf",
                ".nan",
                "nan",
                "1e3",
                "0x10",
                "1_000",
                "012",
                "",
                "~",
                "null",
                "no",
                "[]",
                "{}",
                "5 BTC",
                "1,5",
                "999999999999",
            ]
        )
        | st.text(
            st.characters(categories=["L", "P", "S"], exclude_characters='"\\\n\r'), max_size=8
        ).map(lambda text: f'"{text}"')
    )
    limits = dict(REQUIRED_LIMITS)
    if data.draw(st.booleans()):
        del limits[key]
    else:
        limits[key] = garbage
    error = refusal(write(tmp_path, HEAD + risk_text(limits)))
    assert error.key == f"risk.{key}"
