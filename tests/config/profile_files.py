"""Profiles written to real files, for the tests of loading."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.config.load import LoadedProfile, load_profile
from hftd.errors import ProfileError

REQUIRED_LIMITS = {
    "max_order_size_base": "0.02",
    "max_order_notional_quote": "2500",
    "max_position_base": "0.10",
    "max_open_orders": "8",
    "price_collar_bps": "50",
    "max_daily_loss_quote": "250",
    "max_drawdown_quote": "250",
    "max_daily_turnover_quote": "5000000",
    "max_gross_exposure_quote": "10000",
    "max_book_age_ms": "2000",
}

HEAD = """\
schema_version: 1
description: A profile for a test.
mode: paper
venue: {kind: simex}
instruments: [BTC-USDT]
strategy: {kind: market_making, order_size_base: "0.01"}
"""


def risk_text(limits: dict[str, str] = REQUIRED_LIMITS) -> str:
    """Return the risk section that holds ``limits``, one a line from line 8 of a profile on."""
    return "risk:\n" + "".join(f"  {key}: {value}\n" for key, value in limits.items())


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    """Write a profile that only its owner may change."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return path


def load(path: Path, *sets: str, **environ: str) -> LoadedProfile:
    """Load a file with overrides and an environment of its own."""
    return load_profile(str(path), sets=sets, environ=environ)


def refusal(path: Path, *sets: str, **environ: str) -> ProfileError:
    """Return the error with which a file is refused; fail when it is not."""
    with pytest.raises(ProfileError) as caught:
        load(path, *sets, **environ)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 78
    return caught.value
