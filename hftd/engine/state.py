"""All trading state: structured arrays of fixed capacity, declared in this one place.

A snapshot is the arrays' bytes, `state_hash` is their hash. Every other module of this room
is kernels over a `State`; none keeps anything of its own. Write ``order["leaves_lots"]``:
item access works compiled and uncompiled alike.

Units: ``_ticks`` and ``_lots`` are the instrument's steps; ``_atoms`` are 1e-8 of the asset
(quote asset unless said); ``_ns`` are nanoseconds of the event clock; ``_e2`` of basis
points are hundredths; ``_e6`` are millionths.
"""

# long: all state of the engine is declared in this one place.

from __future__ import annotations

import functools
import hashlib
from typing import Any, Protocol

import numpy as np

from hftd.domain.actions import ACTION
from hftd.domain.events import EVENT
from hftd.domain.facts import FACT
from hftd.domain.layout import Field, Records, layout

LEVELS_CAPACITY = 4096  # Levels a side; the farthest is dropped when a side is full.
PENDING_EVENTS_CAPACITY = 256  # Depth events kept while a snapshot is awaited.
PENDING_LEVELS_CAPACITY = 8192  # When either is full the resync starts again.
ORDERS_CAPACITY = 256  # Open orders; the gate refuses at ORDER_TABLE_FULL.
TOMBSTONES_CAPACITY = 4096  # Ended orders, oldest overwritten.
TRADES_SEEN_CAPACITY = 4096  # Own trade ids, oldest overwritten.
STRAYS_CAPACITY = 64  # Orders behind unknown trades; oldest answer overwritten, see strays.py.
TRADE_WINDOW_CAPACITY = 256  # Public trades of the last five seconds, oldest overwritten.
WINDOW_CAPACITY = 64  # Times of rejects and of collar breaches.
WISHES_CAPACITY = 256
ACTIONS_CAPACITY = 2048
FACTS_CAPACITY = 4096
CHECKS_CAPACITY = 16  # Conditions that `explain` shows a side.
ACKS_CAPACITY = 128  # Acknowledgements whose latency C28 judges, oldest overwritten.
MIDS_CAPACITY = 32  # Mids within C29's window, sampled evenly, oldest overwritten.
ALERTS_CAPACITY = 16  # A halt raises one and none may follow unacknowledged; oldest overwritten.
RATE_WINDOWS_CAPACITY = 4  # Windows of the venue's order limit; one more is not kept.
PROPOSALS_CAPACITY = 512  # Limits that one command may change: ten for each of 50 instruments.
KIND_ORDERS, KIND_TRADES, KIND_BALANCES = 0, 1, 2  # What reconcile.py compares.
RECONCILED_KINDS = 3

# One record for the daemon as a whole.
CORE = layout(
    Field("instruments", "i8", "records of instruments, books and targets that are in use"),
    Field("assets", "i8", "records of balances that are in use"),
    Field("now_ns", "i8", "time of the event being handled: the engine's only clock"),
    Field("decision_seq", "i8", "counts events; joins update, decision, order, ack and fill"),
    Field("epoch", "i8", "boot epoch in client order ids"),
    Field("next_seq", "i8", "next sequence in client order ids"),
    Field("orders_end", "i8", "slots of the order table from here on are free"),
    Field("state", "i8", "TradingState"),
    Field("state_code", "i8", "Code: why"),
    Field("state_since_ns", "i8", ""),
    Field("pause_mask", "i8", "bit a pausing reason, see breaker.PAUSE_*"),
    Field("pause_clear_ns", "i8", "when the last pausing reason cleared; dwell counts from it"),
    Field("on_crash", "i8", "1 resume, 0 halt"),
    Field("market_up", "i8", "1: the market stream is connected"),
    Field("order_up", "i8", "1: the order link is logged on"),
    Field("user_up", "i8", "1: our own reports are subscribed"),
    Field("user_alive_ns", "i8", "last sign of life of the user stream"),
    Field("wall_offset_ns", "i8", "wall clock less event clock, latest sample"),
    Field("venue_offset_ns", "i8", "venue clock less event clock, latest sample"),
    Field("clock_sampled_ns", "i8", "0 before the first sample"),
    Field("clock_bad_since_ns", "i8", "0 while the clock is good"),
    Field("rate_limited_until_ns", "i8", "the venue told us to keep quiet until then"),
    Field("order_tat_ns", "i8", "order throttle: theoretical arrival time of the bucket"),
    Field("journal_failed", "i8", "1: nothing may be sent any more"),
    # Recovery and reconciliation (recovery.py).
    Field("recovery_phase", "i8", "recovery.Phase"),
    Field("recovery_attempt", "i8", ""),
    Field("recovery_since_ns", "i8", "when the phase began"),
    Field("recovery_began_ns", "i8", "when the links were up for it; no list may be older"),
    Field("recovery_differed", "i8", "comparisons of balances in a row that found a difference"),
    Field("recovery_clean", "i8", "1: books and venue agreed; nothing is created before"),
    Field("reset_wanted", "i8", "1: a clean end leaves HALTED or KILLED; a new halt withdraws it"),
    Field("accepts_flows", "i8", "1: and balances that differ are accepted as flows"),
    Field("venue_remembers", "i8", "balances differ for good: venue_reset.NOT_ASKED, …"),
    Field("crashed", "i8", "1: the run before did not end by stop"),
    Field("kill_requested_ns", "i8", "when kill, halt or stop began to clear the venue"),
    Field("verify_asked_ns", "i8", "when it was last asked for open orders, 0 for not yet"),
    Field("verify_again_ns", "i8", "when to ask again without an answer, or after a bad one"),
    Field("check_due_ns", f"({RECONCILED_KINDS},)i8", "next question of each kind, reconcile.py"),
    Field("check_asked_ns", f"({RECONCILED_KINDS},)i8", "when it was asked, 0 for no answer due"),
    Field("check_asked_seq", f"({RECONCILED_KINDS},)i8", "decision that asked"),
    Field(
        "check_tries", f"({RECONCILED_KINDS},)i8", "answers in this cycle that had to be doubted"
    ),
    Field("check_found", f"({RECONCILED_KINDS},)i8", "differences that this cycle has found"),
    Field("check_suspects", f"({RECONCILED_KINDS},)i8", "differences that one answer shows"),
    Field("check_differed", f"({RECONCILED_KINDS},)i8", "cycles in a row that found a difference"),
    Field("check_done_ns", f"({RECONCILED_KINDS},)i8", "when the last cycle ended"),
    Field("check_wanted", "i8", "1: the operator asked, so differences are told again"),
    Field("venue_clear", "i8", "1: since then the venue has shown no open order of ours"),
    Field("venue_checked_ns", "i8", "when it showed that"),
    Field("stopping", "i8", "1: exit once clear"),
    Field("latched", "i8", "TradingState that the latch's file is to hold, 0 for none"),
    Field("latch_code", "i8", "Code: why"),
    Field("exit_sent", "i8", "1: EXIT was asked for"),
    # Windows.
    Field("reject_ns", f"({WINDOW_CAPACITY},)i8", "times of unexpected rejects, a ring"),
    Field("reject_next", "i8", ""),
    Field("breach_ns", f"({WINDOW_CAPACITY},)i8", "times of collar breaches, a ring"),
    Field("breach_next", "i8", ""),
    Field("ack_ns", f"({ACKS_CAPACITY},)i8", "times from submission to acknowledgement, a ring"),
    Field("ack_at_ns", f"({ACKS_CAPACITY},)i8", "when each was acknowledged"),
    Field("ack_next", "i8", ""),
    Field("orders_since_fill", "i8", "orders submitted since our last fill (C20)"),
    Field("waste_told", "i8", "1: half of that limit was noted"),
    Field("loop_lag_ns", "i8", "how late the driver took the last pulse (C25)"),
    Field("loop_lag_told_ns", "i8", "when a late loop was last noted"),
    # The venue's own order limits, by window (C17).
    Field("rate_window_ns", f"({RATE_WINDOWS_CAPACITY},)i8", "0 for a place that is free"),
    Field("rate_limit", f"({RATE_WINDOWS_CAPACITY},)i8", "orders that the venue takes in it"),
    Field("rate_used", f"({RATE_WINDOWS_CAPACITY},)i8", "of them used by this account"),
    Field("rate_number", f"({RATE_WINDOWS_CAPACITY},)i8", "which window that was, since 1970"),
    Field("banned_until_ns", "i8", "418 or 403: not even a cancel may leave before"),
    Field("proposals", "i8", "limits proposed since the last command that took or refused them"),
    Field("next_alert", "i8", "number of the last alert raised (C41)"),
    # Day (C15, C16).
    Field("day", "i8", "trading day, days since 1970 by the event clock"),
    Field("day_open_equity_atoms", "i8", "trading total at the day's opening"),
    Field("day_start_equity_atoms", "i8", "equity at the day's first marks, 0 before them"),
    Field("peak_equity_atoms", "i8", "highest trading total since the day opened"),
    Field("day_loss_atoms", "i8", "loss of the day, 0 or more"),
    Field("drawdown_atoms", "i8", "fall from the peak, 0 or more"),
    Field("turnover_atoms", "i8", "notional traded today"),
    Field("loss_seen_ns", "i8", "first mark that showed the loss limit broken, 0 for none"),
    Field("total_atoms", "i8", "trading total at the limit mark"),
    # Limits, already scaled by the canary (config decides, C37).
    Field("max_daily_loss_atoms", "i8", ""),
    Field("max_drawdown_atoms", "i8", ""),
    Field("max_turnover_atoms", "i8", ""),
    Field("max_gross_exposure_atoms", "i8", ""),
    Field("max_open_notional_atoms", "i8", ""),
    Field("order_interval_ns", "i8", "one order each so long, on average"),
    Field("order_burst_ns", "i8", "how far ahead of that a burst may run"),
    Field("max_book_age_ns", "i8", ""),
    Field("collar_breach_count", "i8", ""),
    Field("collar_breach_window_ns", "i8", ""),
    Field("reject_storm_count", "i8", ""),
    Field("reject_storm_window_ns", "i8", ""),
    Field("max_clock_offset_ns", "i8", ""),
    Field("max_clock_step_ns", "i8", ""),
    Field("clock_halt_after_ns", "i8", ""),
    Field("max_unknown_orders", "i8", ""),
    Field("unknown_timeout_ns", "i8", ""),
    Field("user_stream_timeout_ns", "i8", ""),
    Field("pause_dwell_ns", "i8", ""),
    Field("reset_dwell_ns", "i8", "how long a latch must have stood before reset (C33)"),
    Field("check_period_ns", f"({RECONCILED_KINDS},)i8", "of each kind of reconciliation (C35)"),
    Field("max_one_sided_fills", "i8", "C18"),
    Field("max_orders_without_fill", "i8", "C20"),
    Field("loop_lag_warn_ns", "i8", "C25"),
    Field("max_loop_lag_ns", "i8", "C25"),
    Field("max_ack_ns", "i8", "C28"),
    Field("price_jump_bps_e2", "i8", "C29"),
    Field("price_jump_window_ns", "i8", "C29"),
    Field("rate_share_pct", "i8", "how much of the venue's own order limits is ours (C17)"),
    Field("on_start", "i8", "OnStart: our own orders found open at a start (C34)"),
    Field("refuse_foreign", "i8", "1: orders of others on the account stop us (C34)"),
    Field("config_hash", "i8", "first 60 bits of the profile's hash, in every intent (C40)"),
    Field("halt_and_reduce", "i8", "1: on_daily_loss is halt_and_reduce"),
    Field("day_starts_ns", "i8", "offset of the trading day from 00:00 UTC"),
    Field("recv_window_ns", "i8", ""),
    Field("maker_fee_bps_e2", "i8", ""),
    Field("taker_fee_bps_e2", "i8", ""),
    Field("canary_size_e6", "i8", "factor on every quoted size, millionths"),
    Field("quote_asset", "i8", "index into balances"),
    # Counters since the boot.
    Field("submitted", "i8", ""),
    Field("denied", "i8", ""),
    Field("denied_by_code", "(128,)i8", "refusals by the gate, by Code"),
    Field("rejected", "i8", ""),
    Field("post_only_missed", "i8", ""),
    Field("fills", "i8", ""),
    Field("verdict_value", "i8", "what the gate found, for the refusal that follows"),
    Field("verdict_bound", "i8", ""),
)

# One record an instrument: what the venue and the profile fix, the market, the position.
INSTRUMENT = layout(
    Field("unit_atoms", "i8", "quote atoms of one tick times one lot"),
    Field("lot_atoms", "i8", "base atoms of one lot"),
    Field("base_asset", "i8", "index into balances"),
    Field("status", "i8", "InstrumentStatus"),
    Field("own_in_book", "i8", "1: the venue's depth contains our own orders (not on a tape)"),
    Field("min_price_ticks", "i8", ""),
    Field("max_price_ticks", "i8", ""),
    Field("min_qty_lots", "i8", ""),
    Field("max_qty_lots", "i8", ""),
    Field("min_notional_atoms", "i8", ""),
    Field("max_notional_atoms", "i8", ""),
    Field("venue_max_orders", "i8", "filter MAX_NUM_ORDERS"),
    # Limits: gate = scaled by the canary; reduce = unscaled, for reduce-only orders.
    Field("max_order_lots", "i8", ""),
    Field("max_order_lots_reduce", "i8", ""),
    Field("max_order_notional_atoms", "i8", ""),
    Field("max_order_notional_atoms_reduce", "i8", ""),
    Field("max_position_lots", "i8", ""),
    Field("max_open_orders", "i8", ""),
    Field("collar_bps_e2", "i8", "furthest aggressive price from the reference"),
    Field("max_quote_distance_bps_e2", "i8", "furthest passive price"),
    Field("target_position_lots", "i8", "to return to: 0 where the opening holding counts"),
    Field("target_base_atoms", "i8", "holding that counts as position 0; -1: the opening one"),
    # The market as last seen (book.py, signals.py).
    Field("frame_ns", "i8", "last frame of this instrument, or an answered ping"),
    Field("touch_update_id", "i8", "update id of the touch below"),
    Field("touch_ns", "i8", "when the touch was told"),
    Field("depth_exch_ns", "i8", "venue's time of the last depth event, 0 unknown"),
    Field("bid_ticks", "i8", "best bid, 0 for none"),
    Field("bid_lots", "i8", ""),
    Field("ask_ticks", "i8", "best ask, 0 for none"),
    Field("ask_lots", "i8", ""),
    Field("touch_asked_ns", "i8", "when a REST touch was asked for, 0 for not"),
    Field("last_trade_ticks", "i8", "last public trade, 0 for none"),
    Field("last_trade_ns", "i8", "when it was told"),
    Field("last_trade_id", "i8", "of the public trades"),
    Field("last_trade_exch_ns", "i8", "venue's time of it, 0 unknown"),
    Field("last_trade_side", "i8", "Side that took liquidity in it"),
    Field("uncovered_ns", "i8", "oldest print or touch that depth should hold and does not yet"),
    Field("uncovered_exch_ns", "i8", "venue's time of the newest such trade"),
    Field("trade_window_ticks", f"({TRADE_WINDOW_CAPACITY},)i8", "public trades, not ours"),
    Field("trade_window_ns", f"({TRADE_WINDOW_CAPACITY},)i8", ""),
    Field("trade_window_id", f"({TRADE_WINDOW_CAPACITY},)i8", "trade ids"),
    Field("trade_window_next", "i8", ""),
    Field("through_bid_ns", "i8", "a trade went through our bid level at that time"),
    Field("through_ask_ns", "i8", ""),
    # Signals, of the book without our own orders.
    Field("market_valid", "i8", "1: SYNCED, two-sided, uncrossed"),
    Field("market_bid_ticks", "i8", ""),
    Field("market_ask_ticks", "i8", ""),
    Field("mid_half_ticks", "i8", "bid + ask"),
    Field("spread_ticks", "i8", ""),
    Field("spread_bps_e2", "i8", ""),
    Field("imbalance_e6", "i8", "[-1, 1] in millionths over the strategy's levels"),
    Field("imbalance_levels", "i8", "how many levels the strategy asked for"),
    Field("dirty", "i8", "1: something changed that a decision may depend on"),
    # What the strategy asks of the quoter (quoter.py).
    Field("min_quote_life_ns", "i8", "a quote is not moved before this age, only pulled"),
    Field("price_tolerance_ticks", "i8", "a quote this close to its target is left alone"),
    # Resync.
    Field("resync_asked_ns", "i8", "0 for not"),
    Field("resync_attempt", "i8", ""),
    # Position (position.py).
    Field("position_lots", "i8", "signed sum of our fills since the ledger's first run"),
    Field("cost_atoms", "i8", "signed cost of the open position"),
    Field("realized_atoms", "i8", "gross of fees"),
    Field("base_fee_atoms", "i8", "commissions taken in base, base atoms"),
    Field("quote_fee_atoms", "i8", "commissions taken in quote"),
    Field("other_fee_atoms", "i8", "commissions in a third asset, estimated in quote"),
    Field("unrealized_atoms", "i8", "at the limit mark: long at bid, short at ask"),
    Field("fees_atoms", "i8", "all fees at the same mark"),
    Field("own_trade_id", "i8", "highest own trade id applied"),
    Field("missing_trade_id", "i8", "own trades from this id on may be missing, 0 for none"),
    Field("forgotten_trade_id", "i8", "own trades up to this id count as applied"),
    Field("mark_bid_ticks", "i8", "last best bid of a valid market, 0 before the first"),
    Field("mark_ask_ticks", "i8", "last best ask of a valid market, 0 before the first"),
    Field("mark_ns", "i8", "when the market told that mark"),
    # Answers awaited (recovery.py, clearing.py, chase.py).
    Field("orders_asked_seq", "i8", "decision that last asked for the list of open orders"),
    Field("orders_awaited", "i8", "1: reconciliation waits for that list"),
    Field("trades_awaited", "i8", "1: reconciliation waits for the list of own trades"),
    Field("checked_trade_id", "i8", "a list of own trades has shown all up to this id"),
    Field("foreign_listed", "i8", "orders of others in the list that is being told"),
    Field("foreign_orders", "i8", "orders of others in the last whole list"),
    Field("foreign_seen_id", "i8", "highest venue id of an order of others that was told"),
    # Conservation (C21) and repetition (C18), by side.
    Field("sent_lots", "(2,)i8", "submitted since the boot, what was open then included"),
    Field("filled_lots", "(2,)i8", "booked on the position since the boot"),
    Field("released_lots", "(2,)i8", "ended unfilled by the venue's word"),
    Field("boot_position_lots", "i8", ""),
    Field("one_sided_fills", "(2,)i8", "orders filled since the position last crossed its target"),
    Field("mid_window_half_ticks", f"({MIDS_CAPACITY},)i8", "mids of C29's window, a ring"),
    Field("mid_window_ns", f"({MIDS_CAPACITY},)i8", ""),
    Field("mid_window_next", "i8", ""),
    Field("awaited", "i8", "1: the present phase of recovery waits for this instrument's answer"),
    Field("unverified", "i8", "1: since the clearing began the venue has not shown it empty"),
    Field("open_orders_told_ns", "i8", "when a list of open orders was last complete"),
    Field("trades_told_ns", "i8", "when a list of own trades was last complete"),
    Field("fills", "i8", ""),
    Field("opening_mid_half_ticks", "i8", "first mid since the opening was fixed, 0 before"),
    # Verbs in progress.
    Field("flatten", "i8", "1: going to position 0, reduce-only"),
    Field("flatten_next_ns", "i8", "earliest next slice"),
)

BOOK = layout(
    Field("state", "i8", "BookState"),
    Field("last_update_id", "i8", "id of the last applied depth event or snapshot"),
    Field("depth_ns", "i8", "when that was"),
    Field("stale_ns", "i8", "when it became STALE, or a reconnect was last asked for"),
    Field("count", "(2,)i8", "levels a side: bids 0, asks 1"),
    Field("ticks", f"(2,{LEVELS_CAPACITY})i8", "sorted, the best level LAST"),
    Field("lots", f"(2,{LEVELS_CAPACITY})i8", ""),
    Field("pending_count", "i8", "buffered depth events"),
    Field("pending_first", f"({PENDING_EVENTS_CAPACITY},)i8", "U"),
    Field("pending_last", f"({PENDING_EVENTS_CAPACITY},)i8", "u"),
    Field("pending_end", f"({PENDING_EVENTS_CAPACITY},)i8", "row after the event's levels"),
    Field("pending_exch_ns", f"({PENDING_EVENTS_CAPACITY},)i8", ""),
    Field("pending_levels", f"({PENDING_LEVELS_CAPACITY},3)i8", "side, ticks, lots"),
    Field("pending_rows", "i8", ""),
)

# What the strategy wants of one side of one instrument, and why not where it does not.
TARGET = layout(
    Field("wanted", "i8", "1: quote this side"),
    Field("price_ticks", "i8", ""),
    Field("qty_lots", "i8", "before the canary"),
    Field("take", "i8", "1: IOC at that price instead of a resting post-only order"),
    Field("reduce_only", "i8", ""),
    Field("code", "i8", "Code: why it is not quoted; NONE where it is"),
    Field("value", "i8", ""),
    Field("bound", "i8", ""),
    Field("quoted", "i8", "1: the last QUOTING fact said that the side is quoted"),
    Field("quoted_code", "i8", "last code told as a QUOTING fact"),
    Field("denied_until_ns", "i8", "after a refusal the side waits this long"),
    Field("denied_code", "i8", "Code of that refusal, with its numbers below"),
    Field("denied_value", "i8", ""),
    Field("denied_bound", "i8", ""),
    Field("miss_away_ticks", "i8", "after a would-cross miss: one tick further for one update"),
    Field("miss_update_id", "i8", "touch at the miss; the side waits for a newer one"),
    Field("reason_since_ns", "i8", ""),
    Field("checks", "i8", "how many conditions stand below"),
    Field("check_code", f"({CHECKS_CAPACITY},)i8", "the chain of conditions, in order"),
    Field("check_ok", f"({CHECKS_CAPACITY},)i8", ""),
    Field("check_value", f"({CHECKS_CAPACITY},)i8", ""),
    Field("check_bound", f"({CHECKS_CAPACITY},)i8", ""),
)

ORDER = layout(
    Field("key", "i8", "epoch and sequence; 0 marks a free slot"),
    Field("instrument", "i8", ""),
    Field("side", "i8", "Side"),
    Field("state", "i8", "OrderState"),
    Field("price_ticks", "i8", ""),
    Field("qty_lots", "i8", "order_qty"),
    Field("cum_lots", "i8", "filled, by our own fills"),
    Field("leaves_lots", "i8", "qty - cum while open; exposure counts it in every open state"),
    Field("venue_order_id", "i8", "0 until known"),
    Field("time_in_force", "i8", ""),
    Field("post_only", "i8", ""),
    Field("reduce_only", "i8", ""),
    Field("decision_seq", "i8", "the decision that made it"),
    Field("sent_ns", "i8", "when the create was staged"),
    Field("acked_ns", "i8", ""),
    Field("trade_id_before", "i8", "highest own trade id when it was sent: its fills come after"),
    Field("cancel_sent_ns", "i8", "last cancel, 0 for none"),
    Field("cancel_wanted", "i8", "1: cancel as soon as it surfaces"),
    Field("unknown_since_ns", "i8", ""),
    Field("query_at_ns", "i8", "next query, 0 for none"),
    Field("query_attempt", "i8", ""),
    Field("not_found_ns", "i8", "first answer that it does not exist, once that counts; 0: none"),
    Field("venue_cum_lots", "i8", "highest cumulative quantity the venue has told"),
    Field("final_state", "i8", "terminal state told while fills are still missing, else 0"),
    Field("fills_asked_ns", "i8", "when those fills began to be missing, or were last asked for"),
    Field("seen_attempt", "i8", "recovery attempt that saw it open at the venue"),
    Field("denied_attempt", "i8", "recovery attempt in which the venue did not know it (yet)"),
    Field("changed_seq", "i8", "decision of the last change that was told as a fact"),
    Field("listed_seq", "i8", "decision in which the venue last showed it open"),
    Field("listed_cum_lots", "i8", "filled as the venue showed then"),
    Field("adopted_exch_ns", "i8", "venue's time of what an unknown order was adopted with"),
    Field("disagreed", "i8", "lists in a row that contradict it without an event to explain it"),
    Field("reserved_atoms", "i8", "balance set aside: quote for a buy, base for a sell"),
)

TOMBSTONE = layout(
    Field("key", "i8", ""),
    Field("venue_order_id", "i8", ""),
    Field("instrument", "i8", ""),
    Field("side", "i8", ""),
    Field("state", "i8", "the terminal OrderState"),
    Field("qty_lots", "i8", ""),
    Field("cum_lots", "i8", ""),
    Field("ended_seq", "i8", "decision that ended it"),
    Field("shown", "i8", "lists since that show it open all the same"),
)

TRADE_SEEN = layout(
    Field("instrument", "i8", ""),
    Field("trade_id", "i8", ""),
    Field("side", "i8", "ours, of the two that a trade with ourselves has"),
)

# An order that a trade names and that we do not know (strays.py).
STRAY = layout(
    Field("venue_order_id", "i8", "0 marks a free place"),
    Field("instrument", "i8", ""),
    Field("of_others", "i8", "1: the venue says that it does not bear our tag; 0: not answered"),
    Field("since_ns", "i8", ""),
    Field("asked_ns", "i8", ""),
)

# One record an asset.
BALANCE = layout(
    Field("known", "i8", "1: the venue has told it in this boot"),
    Field("free_atoms", "i8", "as the venue said last"),
    Field("locked_atoms", "i8", ""),
    Field("others_atoms", "i8", "of it by orders of others, where those are only reported"),
    Field("opening_known", "i8", "1: the ledger's first run has fixed the opening"),
    Field("opening_atoms", "i8", "holdings when the ledger began"),
    Field("traded_atoms", "i8", "signed change by fills and fees"),
    Field("flow_atoms", "i8", "signed external flows"),
    Field("reserve_atoms", "i8", "never spent below"),
    Field("changed_seq", "i8", "decision that last booked a fill, a fee or a flow"),
    Field("disagreed", "i8", "answers in a row that contradict our books without an event"),
)

# What a person has to acknowledge before trading may begin again (C41).
ALERT = layout(
    Field("number", "i8", "counts up over all boots; 0 marks a free place"),
    Field("ts_ns", "i8", ""),
    Field("code", "i8", "Code"),
    Field("value", "i8", ""),
    Field("bound", "i8", ""),
    Field("acknowledged", "i8", ""),
)


PROPOSAL = layout(
    Field("limit", "i8", "Limit"),
    Field("instrument", "i8", "-1: the profile's"),
    Field("value", "i8", ""),
)


class State(Protocol):
    """All trading state of one engine, as one record; each field is a view into it.

    Shapes: core (1,), instruments (n,), books (n,), targets (n, 2), orders (257,) of which
    the last is kept blank, tombstones (4096,), trades_seen (4096,), strays (64,), balances
    (n + 1,), alerts (16,), proposals (512,). ``rings`` (2,) counts what was ever put into
    tombstones (0) and trades_seen (1). n is the room for instruments, of which the first
    ``core["instruments"]`` are in use, as are the first ``core["assets"]`` balances.

    One record and not a tuple of arrays: a kernel then passes one pointer on, which makes a
    call 30 times cheaper and compiling several times quicker (measured with Numba 0.68).
    """

    core: Records
    instruments: Records
    books: Records
    targets: Records
    orders: Records
    tombstones: Records
    trades_seen: Records
    strays: Records
    balances: Records
    alerts: Records
    proposals: Records
    rings: np.ndarray[Any, np.dtype[np.int64]]


class Out(Protocol):
    """What one step produces: actions, facts, wishes not yet judged, and their counts."""

    actions: Records
    facts: Records
    wishes: Records
    counts: np.ndarray[Any, np.dtype[np.int64]]


N_ACTIONS, N_FACTS, N_WISHES = 0, 1, 2  # Columns of `Out.counts`.


def _record(*fields: tuple[str, Any, tuple[int, ...]]) -> np.dtype[Any]:
    # np.record lets ``state.core`` work uncompiled as it does compiled.
    return np.dtype((np.record, np.dtype(list(fields), align=True)))


# Made once a shape: with a dtype that is equal and not the same object, each call of a compiled
# function compares the two field by field, which takes 11 µs.
@functools.cache
def _world_layout(instruments: int, assets: int) -> np.dtype[Any]:
    return _record(
        ("core", CORE, (1,)),
        ("instruments", INSTRUMENT, (instruments,)),
        ("books", BOOK, (instruments,)),
        ("targets", TARGET, (instruments, 2)),
        ("orders", ORDER, (ORDERS_CAPACITY + 1,)),
        ("tombstones", TOMBSTONE, (TOMBSTONES_CAPACITY,)),
        ("trades_seen", TRADE_SEEN, (TRADES_SEEN_CAPACITY,)),
        ("strays", STRAY, (STRAYS_CAPACITY,)),
        ("balances", BALANCE, (assets,)),
        ("alerts", ALERT, (ALERTS_CAPACITY,)),
        ("proposals", PROPOSAL, (PROPOSALS_CAPACITY,)),
        ("rings", np.int64, (2,)),
    )


def new_world(instruments: int, assets: int) -> Records:
    """Return zeroed state for so many instruments and assets, as an array of one State.

    It has room for a power of two of instruments, and for two at least: kernels are compiled for
    the room, so that a second instrument beside the first finds them compiled. What is not in use
    stays blank, and no kernel looks at it.
    """
    room = 1 << max(instruments - 1, 1).bit_length()
    world = np.zeros(1, _world_layout(room, 1 + room))
    core = world[0].core[0]
    core["instruments"], core["assets"] = instruments, assets
    return world


@functools.cache
def _used_layout(room: np.dtype[Any], instruments: int, assets: int) -> np.dtype[Any]:
    fields, exact = room.fields, _world_layout(instruments, assets).fields
    assert fields is not None and exact is not None
    layout_of: Any = {
        "names": list(fields),
        "formats": [exact[name][0] for name in fields],
        "offsets": [fields[name][1] for name in fields],
        "itemsize": room.itemsize,
    }
    return np.dtype((np.record, np.dtype(layout_of)))


def in_use(world: Records) -> State:
    """Return the same memory without the records that are not in use, for whoever reads it whole.

    Kernels take the world itself, for whose room they are compiled.
    """
    core = world[0].core[0]
    used = _used_layout(world.dtype, int(core["instruments"]), int(core["assets"]))
    state: State = world.view(used)[0]
    return state


_OUT = _record(
    ("actions", ACTION, (ACTIONS_CAPACITY,)),
    ("facts", FACT, (FACTS_CAPACITY,)),
    ("wishes", ACTION, (WISHES_CAPACITY,)),
    ("counts", np.int64, (3,)),
)


def new_outs() -> Records:
    """Return empty output, as an array of one Out."""
    return np.zeros(1, _OUT)


@functools.cache
def layout_hash() -> str:
    """Return the hash of all record layouts; a snapshot is readable under its own only.

    Events and actions count too: a journal holds them as they lie in memory.
    """
    layouts = (
        CORE, INSTRUMENT, BOOK, TARGET, ORDER, TOMBSTONE, TRADE_SEEN, STRAY, BALANCE, ALERT,
        PROPOSAL, EVENT, ACTION
    )  # fmt: skip
    text = ";".join(str(item.descr) for item in layouts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
