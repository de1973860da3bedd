"""From what is asked for to a venue: sources, accounts, balances, fees."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from hftd.config.preset_shelf import load_preset
from hftd.errors import UsageError
from hftd.runtime.exchange_markets import DEFAULT_KEY, DEFAULT_SECRET, ExchangeWish, build_venue
from hftd.runtime.synthetic_tape import write_tape
from hftd.simex.events import Fees
from hftd.simex.presets import preset_of
from hftd.simex.synthetic import tape_lines

SHIPPED = Path(__file__).parents[2] / "hftd" / "data" / "synthetic-btcusdt.gz"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"market": "moon"}, "agents, tape:FILE or live:URL"),
        ({"market": "tape:"}, "agents, tape:FILE or live:URL"),
        ({"market": "tape:no-such-file"}, "no-such-file"),
        ({"market": f"tape:{SHIPPED}", "symbols": ("ETHUSDT",)}, "BTCUSDT"),
        ({"market": "tape:x", "speed": "0"}, "above 0"),
        ({"market": "tape:x", "speed": "fast"}, "above 0"),
        ({"market": "tape:x", "speed": "1001"}, "1000"),
        ({"queue": "fifo"}, "log2, was fifo"),
        ({"preset": "odd"}, "calm"),
        ({"symbols": ("NOPE",)}, "BTCUSDT"),
        ({"speed": "2"}, "tape"),
        ({"accounts": ("nosecret",)}, "KEY:SECRET"),
        ({"accounts": ("key:@no-such-file",)}, "does not read"),
        ({"balances": ("USDT=1.123456789",)}, "8 decimals"),
        ({"balances": ("USDT",)}, "ASSET=AMOUNT"),
        ({"taker_bps": "x"}, "--taker-bps"),
        ({"maker_bps": "0.00001"}, "--maker-bps"),
    ],
)
def test_what_cannot_be_built_says_what_can(changes: dict[str, object], message: str) -> None:
    """Each wrong wish is refused by name, with what there is."""
    with pytest.raises(UsageError, match=message):
        build_venue(replace(ExchangeWish(), **changes))


def test_the_default_is_the_documented_account_on_calm() -> None:
    """Nothing asked for: calm agents, their fees, the paper key with its balances."""
    config = build_venue(ExchangeWish()).config
    (account,) = config.accounts
    assert (account.key, account.secret) == (DEFAULT_KEY, DEFAULT_SECRET)
    assert account.balances == {"USDT": "100000", "BTC": "1"}
    assert config.fees == Fees(maker=0, taker=50_000)
    assert config.identity == "agents calm 7 BTCUSDT"


def test_fees_are_given_in_basis_points() -> None:
    """7.5 bps are 0.00075 of the amount, and a zero given is a zero."""
    wish = ExchangeWish(maker_bps="7.5", taker_bps="0")
    assert build_venue(wish).config.fees == Fees(maker=75_000, taker=0)


def test_a_public_key_is_read_from_its_file(tmp_path: Path) -> None:
    """An account may sign with Ed25519: its public key stands in a file."""
    public = Ed25519PrivateKey.generate().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(pem)
    wish = ExchangeWish(accounts=(f"ed:@{tmp_path / 'public.pem'}", "other:secret"))
    keys = [account.key for account in build_venue(wish).config.accounts]
    assert keys == ["ed", "other"]


def test_a_tape_is_served(tmp_path: Path) -> None:
    """A recording is a market: it has a book as soon as it starts."""
    path = tmp_path / "tape.gz"
    write_tape(path, tape_lines(preset_of(load_preset("calm")), "BTCUSDT", 7, 5))
    venue = build_venue(ExchangeWish(market=f"tape:{path}", speed="2.5"))
    venue.start(1_800_000_000_000_000_000)
    status, _, body = venue.http(
        "GET", "/api/v3/depth?symbol=BTCUSDT", {}, b"", 1_800_000_000_500_000_000
    )
    assert status == 200
    assert b'"bids":[[' in body
    for after_s, told in ((1, b'"status":"TRADING"'), (60, b'"status":"BREAK"')):
        ts_ns = 1_800_000_000_000_000_000 + after_s * 1_000_000_000
        assert told in venue.http("GET", "/api/v3/exchangeInfo", {}, b"", ts_ns)[2]
