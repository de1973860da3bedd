"""A deposit or withdrawal that nobody reported: what a person may say of it, and what not."""

from __future__ import annotations

from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import ResetKind
from hftd.domain.facts import FactKind as F
from tests.playbook import BTC, USDT, Playbook

HOLDING = 40
DEPOSIT, WITHDRAWAL = 500 * 10**8, -3_000


def differ(play: Playbook) -> Playbook:
    """Answer three whole comparisons in which the account has what our books do not explain."""
    for attempt in range(3):
        play.open_orders_end().trades_end().balances(usdt=DEPOSIT, btc=WITHDRAWAL)
        if attempt < 2:
            play.after(ms=300).pulse()
    return play


def halted() -> Playbook:
    """Return a daemon that holds a position, HALTED at a start since balances differ."""
    play = Playbook().hold(HOLDING).after(seconds=5).boot().links()
    differ(play).trades_end(1)
    assert (play.state, play.core["state_code"]) == (
        TradingState.HALTED, Code.RECONCILE_DIFFERENCE,
    )  # fmt: skip
    return play.command(C.ACK).after(seconds=5)


def reset(play: Playbook, kind: ResetKind) -> Code:
    """Say reset; return why it was refused."""
    return Code(play.command(C.RESET, order_key=kind).fact(F.COMMAND)["code"])


def test_a_person_accepts_what_differs_as_flows() -> None:
    """Booked as flows, then compared once more: PAUSED, and position and PnL are what they were."""
    play = halted()
    total = int(play.core["total_atoms"])
    assert reset(play, ResetKind.ACCEPT_FLOWS) == Code.NONE
    differ(play)
    play.held[USDT] += DEPOSIT  # From here on the playbook holds the engine to them.
    play.held[BTC] += WITHDRAWAL
    play.trades_end(1)
    told = {row["asset"]: row["delta_atoms"] for row in play.told(F.EXTERNAL_FLOW)}
    assert told == {USDT: DEPOSIT, BTC: WITHDRAWAL}
    assert play.state == TradingState.HALTED, "not before all was compared again"
    play.after(ms=300).pulse().reconcile()
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.OPERATOR)
    assert (int(play.instrument["position_lots"]), int(play.core["total_atoms"])) == (
        HOLDING, total,
    )  # fmt: skip


def test_a_plain_reset_accepts_nothing() -> None:
    """The same difference halts again, as often as it is tried."""
    play = halted()
    assert reset(play, ResetKind.PLAIN) == Code.NONE
    differ(play).trades_end(1)
    assert (play.state, play.told(F.EXTERNAL_FLOW)) == (TradingState.HALTED, [])
    assert play.core["reset_wanted"] == 0


def test_what_differs_once_more_is_refused() -> None:
    """The account moves on while it is accepted: a person looks again."""
    play = halted()
    assert reset(play, ResetKind.ACCEPT_FLOWS) == Code.NONE
    differ(play)
    play.held[USDT] += DEPOSIT
    play.held[BTC] += WITHDRAWAL
    play.trades_end(1).after(ms=300).pulse()
    differ(play).trades_end(1)
    assert (play.state, play.told(F.EXTERNAL_FLOW)) == (TradingState.HALTED, [])


def test_a_venue_that_forgot_us_is_not_accepted_as_a_flow() -> None:
    """None of our trades is listed: VENUE_RESET, which is another word to say."""
    play = halted()
    assert reset(play, ResetKind.ACCEPT_FLOWS) == Code.NONE
    differ(play).trades_end(0)
    assert (play.state, play.told(F.EXTERNAL_FLOW)) == (TradingState.HALTED, [])
    assert play.fact(F.NOTE)["code"] == Code.VENUE_RESET
    play.fills.clear()  # From here on the playbook counts by the new account as well.
    assert reset(play, ResetKind.VENUE_WIPED) == Code.NONE


def test_a_ledger_without_a_trade_accepts_at_once() -> None:
    """There is no history to ask for, and nothing of ours that could differ."""
    play = Playbook().start().after(seconds=5).boot().links()
    differ(play).command(C.ACK).after(seconds=5)
    assert reset(play, ResetKind.ACCEPT_FLOWS) == Code.NONE
    for attempt in range(3):
        play.open_orders_end().trades_end()
        off = {"usdt": DEPOSIT, "btc": WITHDRAWAL}
        if attempt == 2:
            play.held[USDT] += DEPOSIT
            play.held[BTC] += WITHDRAWAL
            off = {}
        play.balances(**off).after(ms=300).pulse()
    play.reconcile()
    assert play.state == TradingState.PAUSED


def test_a_venue_that_lists_our_trades_was_not_wiped() -> None:
    """Position and PnL are not forgotten for a deposit; the word is refused, until a wipe shows."""
    play = halted()
    assert reset(play, ResetKind.VENUE_WIPED) == Code.RECONCILE_DIFFERENCE
    assert play.instrument["position_lots"] == HOLDING
    reset(play, ResetKind.PLAIN)
    differ(play).trades_end(0)
    play.fills.clear()  # From here on the playbook counts by the new account as well.
    assert reset(play, ResetKind.VENUE_WIPED) == Code.NONE


def test_a_trade_that_fits_no_step_halts_and_is_accepted_as_a_flow() -> None:
    """It is never rounded into the position; what it moved is booked by a person's word."""
    play = Playbook().hold(HOLDING).after(seconds=5)
    play.feed(E.FILL, instrument=0, venue_order_id=7, trade_id=99)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.LATE_REPORT)
    play.open_orders_end().command(C.ACK).after(seconds=5)
    assert reset(play, ResetKind.ACCEPT_FLOWS) == Code.NONE
    differ(play)
    play.held[USDT] += DEPOSIT
    play.held[BTC] += WITHDRAWAL
    play.trades_end(1).after(ms=300).pulse().reconcile()
    assert (play.state, play.instrument["position_lots"]) == (TradingState.PAUSED, HOLDING)
