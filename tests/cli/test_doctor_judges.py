"""What the doctor makes of an answer, of a folder and of a limit: which stop a start, and how."""

from __future__ import annotations

import asyncio
import resource
import shutil
from pathlib import Path

import pytest

from hftd.cli.doctor_host import LEAST_FILES, latch, open_files, socket_folder, state_folder
from hftd.cli.doctor_venue import listed, permissions, refused_key, stranger_finding
from hftd.domain.codes import Code, TradingState
from hftd.domain.instrument import InstrumentStatus
from hftd.runtime.identity import Latch, write_latch
from hftd.runtime.paths import InstancePaths
from hftd.runtime.rest import RestAnswer
from hftd.runtime.venue_look import Account, Look, Restrictions, Stranger
from hftd.venues.binance.exchange_info import Listing
from tests.playbook import BTC_USDT

ACCOUNT = Account(can_trade=True, can_withdraw=False, balances=[])
WITHDRAWING = Account(can_trade=True, can_withdraw=True, balances=[])
LOCKED = Account(can_trade=False, can_withdraw=False, balances=[])
NOT_SERVED = RestAnswer(404, b"")
TRADES_ALONE = Restrictions(enable_withdrawals=False)


class Told(Look):
    """A venue that has told of the key already."""

    def __init__(self, answer: Restrictions | RestAnswer) -> None:
        self._answer = answer

    async def restrictions(self) -> Restrictions | RestAnswer:
        """Return what it told."""
        return self._answer


@pytest.mark.parametrize(
    ("told", "account", "is_test", "verdict", "code", "says"),
    [
        (TRADES_ALONE, ACCOUNT, False, "ok", 0, "trade and not withdraw"),
        (Restrictions(enable_withdrawals=True), ACCOUNT, False, "FAIL", 77, "may withdraw"),
        (Restrictions(enable_withdrawals=True), ACCOUNT, True, "FAIL", 77, "may withdraw"),
        (Restrictions(False, False), ACCOUNT, False, "FAIL", 77, "key may not trade"),
        (TRADES_ALONE, LOCKED, False, "FAIL", 77, "key may not trade"),
        (Restrictions(False, True, False), ACCOUNT, False, "warn", 0, "from any address"),
        (NOT_SERVED, ACCOUNT, False, "ok", 0, "of the key the venue does not tell"),
        (NOT_SERVED, WITHDRAWING, True, "ok", 0, "of the key the venue does not tell"),
        (NOT_SERVED, WITHDRAWING, False, "FAIL", 77, "the key may withdraw"),
        (NOT_SERVED, LOCKED, True, "FAIL", 77, "the account may not trade"),
        (RestAnswer(500, b""), ACCOUNT, False, "FAIL", 1, "not told: it answered 500"),
    ],
)
def test_a_key_that_may_withdraw_or_may_not_trade_stops_a_start(
    told: Restrictions | RestAnswer, account: Account, is_test: bool,
    verdict: str, code: int, says: str,
) -> None:  # fmt: skip
    """The venue's word on the key counts, and where it has none its word on the account."""
    found = asyncio.run(permissions(Told(told), account, is_test=is_test))
    assert (found.verdict, found.exit_code) == (verdict, code)
    assert says in found.told
    assert bool(found.remedy) == (verdict != "ok")


def test_a_key_that_is_refused_is_77_and_an_account_that_is_not_told_is_not() -> None:
    """Only the venue's own refusal says that the key is wrong."""
    refused = refused_key(RestAnswer(401, b'{"code":-2015,"msg":"Invalid API-key"}'))
    assert (refused.verdict, refused.exit_code) == ("FAIL", 77)
    assert "code -2015" in refused.told
    away = refused_key(RestAnswer(503, b"away", fault="no answer in 10 s"))
    assert (away.verdict, away.exit_code) == ("FAIL", 1)
    assert "no answer in 10 s" in away.told


@pytest.mark.parametrize(
    ("stranger", "refuses", "verdict", "says"),
    [
        (Stranger("abc123", False, 1_000), True, "warn", "another hftd (tag abc123) had orders"),
        (Stranger("", True, 1_000), True, "FAIL", "somebody else has open orders"),
        (Stranger("", True, 1_000), False, "warn", "somebody else has open orders"),
    ],
)
def test_somebody_elses_open_orders_stop_a_start_that_refuses_them(
    stranger: Stranger, refuses: bool, verdict: str, says: str
) -> None:
    """Where the profile lives with them it is told, and so are those that are over."""
    found = stranger_finding(stranger, refuses=refuses)
    assert found.verdict == verdict
    assert says in found.told and "1970-01-01 00:00:01Z" in found.told


def test_an_instrument_that_the_venue_does_not_trade_is_told() -> None:
    """It is no failure: the daemon waits for it."""
    statuses = (InstrumentStatus.TRADING, InstrumentStatus.HALT)
    trading, halted = listed(Listing((BTC_USDT, BTC_USDT), statuses))
    assert (trading.verdict, halted.verdict) == ("ok", "warn")
    assert "HALT" in halted.told


def a_place(folder: Path) -> InstancePaths:
    """Return the paths of an instance below a folder."""
    run, state = folder / "run", folder / "state"
    environ = {"HOME": str(folder), "STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": str(run)}
    return InstancePaths.locate("canary", environ)


def test_folders_that_others_may_write_stop_a_start(tmp_path: Path) -> None:
    """A socket of theirs would be answered as the daemon's, a ledger of theirs be read as ours."""
    paths = a_place(tmp_path)
    paths.runtime_dir.mkdir(parents=True)
    paths.state_dir.mkdir(parents=True)
    for mode in (0o777, 0o770):
        paths.runtime_dir.chmod(mode)
        paths.state_dir.chmod(mode)
        sockets, (state, _) = socket_folder(paths), state_folder(paths, 0)
        assert (sockets.verdict, sockets.exit_code) == (state.verdict, state.exit_code)
        assert (sockets.verdict, sockets.exit_code) == ("FAIL", 64)
        assert sockets.remedy == f"chmod 700 {paths.runtime_dir}"
    for folder in (paths.runtime_dir, paths.state_dir):
        folder.chmod(0o700)
    assert socket_folder(paths).verdict == next(state_folder(paths, 0)).verdict == "ok"


def test_a_disk_under_the_floor_stops_a_start_and_one_near_it_is_told(tmp_path: Path) -> None:
    """With both numbers: what is free, and under what trading halts."""
    free_mb = shutil.disk_usage(tmp_path).free >> 20
    for floor_mb, verdict in ((2 * free_mb, "FAIL"), (free_mb * 3 // 4, "warn"), (1, "ok")):
        _, disk = state_folder(a_place(tmp_path), floor_mb)
        assert (disk.check, disk.verdict) == ("disk", verdict)
        assert f"halts under {floor_mb} MB" in disk.told


def test_a_latch_is_told_and_one_that_cannot_be_read_stops_a_start(tmp_path: Path) -> None:
    """Who starts knows that it will not trade, and by what; 65 where nobody knows."""
    paths = a_place(tmp_path)
    paths.state_dir.mkdir(parents=True)
    assert list(latch(paths)) == []
    write_latch(paths.latch_path, Latch(TradingState.KILLED, Code.KILL, 1_000_000_000))
    (found,) = latch(paths)
    assert (found.verdict, found.told) == ("warn", "KILLED (KILL) since 1970-01-01 00:00:01Z")
    paths.latch_path.write_bytes(b"half a la")
    (found,) = latch(paths)
    assert (found.verdict, found.exit_code) == ("FAIL", 65)


def test_too_few_open_files_stop_a_start() -> None:
    """With the command that gives more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LEAST_FILES - 1, hard))
    try:
        found = open_files()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (found.verdict, str(LEAST_FILES) in found.remedy) == ("FAIL", True)
    assert open_files().verdict == "ok"
