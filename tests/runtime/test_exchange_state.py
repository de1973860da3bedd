"""The simulated exchange's folder: snapshots are whole, whoever writes them at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hftd.errors import JournalDamaged
from hftd.runtime.exchange_state import StateFolder

SNAPSHOTS = [bytes([number]) * (1 << 16) for number in range(40)]


def test_a_full_log_and_the_time_write_the_markets_at_once(tmp_path: Path) -> None:
    """The loop while a thread is at it: each is whole, and no draft stays."""

    async def write(state: StateFolder) -> None:
        kept = [asyncio.ensure_future(state.keep_markets(each)) for each in SNAPSHOTS]
        for each in SNAPSHOTS:
            await asyncio.sleep(0)
            state.write_markets(each)
        await asyncio.gather(*kept)

    with StateFolder(tmp_path) as state:
        asyncio.run(write(state))
        assert state.read_markets() in SNAPSHOTS
        assert not list(tmp_path.glob("*.new"))


def test_an_account_without_its_markets_is_damage(tmp_path: Path) -> None:
    """Without them no trade id is known to be free."""
    with StateFolder(tmp_path) as state:
        with pytest.raises(JournalDamaged, match=f"{tmp_path}: markets.json is needed"):
            state.read_markets()
        state.begin(1, b"accounts", b"markets")
        assert state.read_markets() == b"markets"
