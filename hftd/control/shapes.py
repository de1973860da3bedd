"""The shape of every result on the control socket: the contract between daemon and caller.

Owns field names and their meaning; knows nothing of how they are computed, sent or drawn.
The engine's and the recorder's dispatch return exactly these, hftctl's views read them, and a
reader in another language needs no other document.

Rules that hold for every field:

- Prices, quantities, money, bps, imbalance and factors are decimal strings ("60123.40"), never
  JSON floats. The unit stands last in the name; ``qty`` and ``price`` are in the instrument's
  base and quote.
- Durations, counts and ratios of use are JSON numbers (``uptime_s``, ``p99_us``, ``ratio``).
- Times are ``*_ns`` integers since 1970, or RFC 3339 strings ending in ``Z``.
- What does not exist or is not known is ``null``, never 0, "" or a missing key.
- A result that is a list stands under one named key, so that fields can be added beside it.
  Readers ignore keys they do not know; a key's meaning never changes while ``protocol`` lives.
"""

# long: one contract in one file, so that a reader in any language has all of it before them.

from __future__ import annotations

from typing import TypedDict

# --- status, health, version -------------------------------------------------------------


class Canary(TypedDict):
    """Whether sizes and limits are scaled down, and by what."""

    enabled: bool
    size_factor: str


class InstrumentStatus(TypedDict):
    """One instrument at a glance; the book's figures are without our own orders."""

    symbol: str
    book_state: str  # SYNCED, STALE, RESYNCING
    best_bid: str | None
    best_ask: str | None
    spread_bps: str | None
    imbalance: str | None  # -1 to 1
    position_base: str
    open_orders: int


class OrderCounts(TypedDict):
    """How many orders are in each condition now (open to unknown) and since start (the rest)."""

    open: int
    in_flight: int
    unknown: int
    submitted: int
    denied: int
    rejected: int


class PnlBrief(TypedDict):
    """Trading PnL of the profile; ``total_quote`` = realized + unrealized - fees."""

    realized_quote: str
    unrealized_quote: str
    fees_quote: str
    total_quote: str


class JournalStatus(TypedDict):
    """Where the journal stands: the sequence of its last record."""

    seq: int


class RecorderStatus(TypedDict):
    """How far the recorder has read the journal; null where no recorder answers."""

    seq: int | None
    lag: int | None  # records that it has not read yet


class Alert(TypedDict):
    """What a person has to acknowledge before reset (``ack``)."""

    number: int
    ts: str
    code: str
    reason: str


class Status(TypedDict):
    """The answer to ``status``: one screen about a running daemon."""

    version: str
    protocol: int
    pid: int
    instance: str
    profile: str
    mode: str  # paper, testnet, live
    state: str  # STARTING RECOVERING RUNNING PAUSED REDUCE_ONLY HALTED KILLED STOPPING
    state_reason: str | None
    canary: Canary
    venue: str
    quote_asset: str
    uptime_s: float
    instruments: list[InstrumentStatus]
    orders: OrderCounts
    fills: int
    alerts: list[Alert]  # unacknowledged, oldest first
    pnl: PnlBrief
    journal: JournalStatus
    recorder: RecorderStatus


class HealthCheck(TypedDict):
    """One predicate of the daemon's health with what was measured."""

    name: str
    ok: bool
    detail: str


class Health(TypedDict):
    """The answer to ``health``; ``healthy`` is true when every check is."""

    healthy: bool
    checks: list[HealthCheck]


class Version(TypedDict):
    """The answer to ``version``."""

    version: str
    protocol: int
    python: str
    instance: str


# --- market and orders -------------------------------------------------------------------


class Condition(TypedDict):
    """One link of the chain that a quote must pass, in the order in which it is asked."""

    condition: str
    ok: bool
    value: str | None
    bound: str | None
    detail: str | None


class Sides(TypedDict):
    """The chain of conditions of each side."""

    buy: list[Condition]
    sell: list[Condition]


class InstrumentExplain(TypedDict):
    """Why one instrument is quoted or not, side by side."""

    instrument: str
    sides: Sides


class Explain(TypedDict):
    """The answer to ``explain``: one entry an instrument, in the profile's order."""

    instruments: list[InstrumentExplain]


class Level(TypedDict):
    """One price level, ours included; ``own_qty`` is our part of ``qty``."""

    price: str
    qty: str
    own_qty: str


class Book(TypedDict):
    """The answer to ``book``: the ladder with our orders in it, best level first."""

    instrument: str
    state: str
    last_update_id: int | None
    bids: list[Level]
    asks: list[Level]
    best_bid: str | None
    best_ask: str | None
    mid: str | None
    spread_bps: str | None
    spread_bps_without_own: str | None
    imbalance: str | None
    age_ms: float | None


class OpenOrder(TypedDict):
    """One order of ours that is not final."""

    client_order_id: str
    venue_order_id: str | None
    instrument: str
    side: str  # BUY, SELL
    price: str
    qty: str
    cum_qty: str
    leaves_qty: str
    state: str
    age_ms: float
    reduce_only: bool
    post_only: bool


class Orders(TypedDict):
    """The answer to ``orders``: all that are open, in flight or unknown."""

    orders: list[OpenOrder]


class Fill(TypedDict):
    """One execution of ours."""

    exec_id: str
    ts: str
    instrument: str
    client_order_id: str
    side: str
    price: str
    qty: str
    fee: str
    fee_asset: str
    liquidity: str  # MAKER, TAKER


class Fills(TypedDict):
    """The answer to ``fills``: the newest last."""

    fills: list[Fill]


class PastOrder(TypedDict):
    """One row of ``history orders``: an order with its latest state."""

    ts: str  # of its submission
    client_order_id: str
    instrument: str
    side: str
    price: str
    qty: str
    cum_qty: str
    state: str


class PastPnl(TypedDict):
    """One row of ``history pnl``: the account at the end of a minute."""

    ts: str
    equity_quote: str | None
    realized_quote: str
    unrealized_quote: str
    fees_quote: str
    total_quote: str
    drawdown_quote: str


class PastLatency(TypedDict):
    """One row of ``history latency``: a stage in a minute."""

    minute: str
    stage: str
    count: int
    mean_us: float
    worst_second_p50_us: float
    worst_second_p99_us: float
    max_us: float


class History(TypedDict):
    """The answer to ``history``: rows of one of the three, the newest last."""

    what: str  # orders, pnl, latency
    rows: list[PastOrder] | list[PastPnl] | list[PastLatency]


class OrderEvent(TypedDict):
    """One step of an order's life, from the decision to its end."""

    ts: str
    seq: int  # journal
    event: str  # submit, accepted, fill, cancel, canceled, rejected, denied ...
    state: str | None  # the order's state after it
    price: str | None
    qty: str | None
    cum_qty: str | None
    latency_us: float | None
    detail: str | None


class OrderJourney(TypedDict):
    """The answer to ``order ID``: what the order was and all that happened to it."""

    client_order_id: str
    venue_order_id: str | None
    instrument: str
    side: str
    price: str
    qty: str
    cum_qty: str
    state: str
    decision_seq: int | None
    events: list[OrderEvent]
    fills: list[Fill]


# --- money and limits --------------------------------------------------------------------


class Position(TypedDict):
    """Position of one instrument; ``position_base`` is fills less commissions in base."""

    instrument: str
    position_base: str
    avg_price: str | None
    mark: str | None
    mark_source: str | None  # mid, trade ...
    unrealized_quote: str
    realized_quote: str
    fees_quote: str
    dust_base: str


class Balance(TypedDict):
    """What the venue holds of one asset for us."""

    asset: str
    free: str
    locked: str


class Positions(TypedDict):
    """The answer to ``positions``."""

    positions: list[Position]
    balances: list[Balance]


class Pnl(TypedDict):
    """The answer to ``pnl``; trading and what the opening holdings gained stand apart."""

    quote_asset: str
    realized_quote: str
    unrealized_quote: str
    fees_quote: str
    total_quote: str
    optimistic_total_quote: str | None
    """The total had every queue in doubt gone our way; none where no fill is in doubt."""
    equity_quote: str | None
    opening_holdings_gain_quote: str | None
    day_start: str | None
    day_start_equity_quote: str | None
    daily_loss_used_quote: str
    daily_loss_limit_quote: str
    drawdown_quote: str
    drawdown_limit_quote: str


class StageLatency(TypedDict):
    """Latency of one stage since start; ``venue`` marks time that is not ours."""

    stage: str  # market_data, strategy, risk, execution, tick_to_order, end_to_end ...
    venue: bool
    count: int
    mean_us: float | None
    median_us: float | None
    p95_us: float | None
    p99_us: float | None
    p99_9_us: float | None
    max_us: float | None
    target_ms: float | None
    over_target: bool


class Latency(TypedDict):
    """The answer to ``latency``, in the order in which a message passes the stages."""

    stages: list[StageLatency]


class Limit(TypedDict):
    """One risk limit and how much of it is used; ``ratio`` is use / limit."""

    code: str  # C03 ...
    name: str
    instrument: str | None  # null where it holds for the profile
    limit: str
    use: str
    unit: str
    ratio: float | None


class Refusals(TypedDict):
    """How often one refusal code was given since start."""

    code: str
    count: int


class Risk(TypedDict):
    """The answer to ``risk``; the gate is open, reduce_only or closed."""

    gate: str
    limits: list[Limit]
    counters: list[Refusals]


# --- what operators do -------------------------------------------------------------------


class Outcome(TypedDict):
    """The answer to every command that acts: pause, resume, stop, cancel, kill, reset ...

    ``ok`` false: refused, nothing was done. ``complete`` false: begun, but not confirmed in
    time; ``open_orders_left`` says what is left. ``line`` is the one sentence that hftctl
    prints last.
    """

    ok: bool
    complete: bool
    line: str
    state: str  # after the command
    open_orders_left: list[OpenOrder]
    elapsed_ms: float


class ChangedKey(TypedDict):
    """One key of the profile that differs from what runs."""

    key: str
    old: str
    new: str
    origin: str  # FILE:LINE:COLUMN, --set, an environment variable or default
    takes: str  # now, or start: at the next one


class Reloaded(Outcome):
    """The answer to ``reload`` and ``set``; ``checked`` true: nothing was changed."""

    checked: bool
    config_hash: str  # of the profile in force after it
    changes: list[ChangedKey]


class ReconcileCheck(TypedDict):
    """One kind of comparison: how many cycles in a row differed, and when the last one ended."""

    name: str  # orders, trades, balances
    agrees: bool
    checked: str | None


class Difference(TypedDict):
    """What our books hold and what the venue shows, of an order or an asset."""

    what: str  # a client order id, an asset
    ours: str
    venues: str


class Reconciled(Outcome):
    """The answer to ``reconcile``; hftctl exits 1 where ``agrees`` is false."""

    agrees: bool
    checks: list[ReconcileCheck]
    differences: list[Difference]


class AlertTest(TypedDict):
    """The answer to ``alert-test``; ``ok`` false: it did not arrive, and ``line`` says why."""

    ok: bool
    complete: bool
    line: str


# --- the recorder's stream ---------------------------------------------------------------


class LogLine(TypedDict, total=False):
    """One item of ``logs``: a JSON log line; the first six keys are always there."""

    ts: str
    level: str  # debug, info, warning, error, critical
    event: str
    stage: str
    instance: str
    seq: int


# --- made by the caller itself -----------------------------------------------------------


class Checked(TypedDict):
    """One control in the report."""

    id: str
    title: str
    stands: bool
    tests: list[str]
    passed: int
    failed: list[str]
    unknown: int  # tests without a result on record
    last_run: str | None  # UTC, of the oldest result that counts


class SelfCheck(TypedDict):
    """The answer to ``selfcheck``: every control, and where tests and results come from."""

    agrees: bool  # false: a test of a standing control failed, or one has no test
    source: str
    missing: list[str]
    controls: list[Checked]


class InstanceRow(TypedDict):
    """One row of ``ps``: an instance on this host and what it answered."""

    instance: str
    socket: str
    pid: int | None
    profile: str | None
    mode: str | None
    state: str | None
    uptime_s: float | None
    error: str | None  # why it did not answer


class Instances(TypedDict):
    """The result of ``ps``."""

    instances: list[InstanceRow]
