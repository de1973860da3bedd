"""The venue: requests and frames in, replies and events out, all at times that are handed in.

Owns connections, the outbox, and the order in which one call's effects are seen: the log line
first (``take_log``), then the reply, then events. Must not know sockets, files or clocks: the
driver gives ``ts_ns`` with every call, appends the log before it sends the outbox, and calls
``advance`` when ``next_ns`` has come.

Everything is deterministic: the same calls give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hftd.errors import UsageError
from hftd.simex import memory, render, render_reports
from hftd.simex.dialect_rest import Response, RestDialect
from hftd.simex.dialect_streams import StreamDialect
from hftd.simex.dialect_ws import WsDialect, user_event
from hftd.simex.endpoint import Desk
from hftd.simex.events import BalanceEvent, Event, Fees, MarketEvent, OrderEvent
from hftd.simex.exchange import Exchange
from hftd.simex.limits import Limits, RateLimits
from hftd.simex.listing import SymbolStatus
from hftd.simex.market import Market, earliest
from hftd.simex.numbers import exact_atoms
from hftd.simex.orders import History
from hftd.simex.requests import Trade
from hftd.simex.signing import Credential, Keyring
from hftd.simex.time_unit import in_microseconds

WS_API_PATH = "/ws-api/v3"
MAKER_FILL_BONUS = -5
TAKER_FILL_BONUS = -1
_HOUR_NS = 3600 * 1_000_000_000


class AccountConfig(msgspec.Struct, frozen=True):
    """One account of the venue: its key, how it signs, and what it opens with.

    ``secret`` is an HMAC secret, or an Ed25519 public key in PEM. ``may_withdraw`` is what the
    venue says of the key when asked: there is nothing to withdraw here.
    """

    key: str
    secret: str
    balances: dict[str, str]
    may_withdraw: bool = False

    def __repr__(self) -> str:
        """Show the key and never the secret."""
        return f"AccountConfig({self.key!r})"


class VenueConfig(msgspec.Struct, frozen=True):
    """What a venue is made of, beside its markets.

    ``identity`` names the market source: a stored account belongs to one.
    """

    accounts: list[AccountConfig]
    fees: Fees = Fees()
    limits: Limits = Limits()
    identity: str = ""
    history: History = History()


class Venue:
    """One simulated exchange."""

    def __init__(self, config: VenueConfig, markets: Iterable[Market]) -> None:
        self.config = config
        self.exchange = Exchange(markets, config.fees, config.history)
        credentials = [
            Credential(account.key, account.secret, number)
            for number, account in enumerate(config.accounts, 1)
        ]
        keyring = Keyring(credentials)
        self._limits = RateLimits(config.limits)
        self._desk = Desk(self.exchange, self._limits)
        self._desk.withdrawing = frozenset(
            number for number, account in enumerate(config.accounts, 1) if account.may_withdraw
        )
        self._rest = RestDialect(self._desk, keyring)
        self._ws = WsDialect(self._desk, keyring)
        self._streams = StreamDialect(self._desk)
        self._is_api: dict[int, bool] = {}
        # Those of limited life in order of their opening, and those that are to be hung up.
        self._opened_ns: dict[int, int] = {}
        self._end_ns: int | None = None  # When the oldest of them has lived for long enough.
        self._hung_up: list[int] = []
        self._last_connection = 0
        self._out: list[tuple[int, bytes]] = []
        self._log: list[bytes] = []
        self._now_ns = 0
        # All that is due by then has been done, and nothing has happened since.
        self._done_ns = -1

    # --- life -----------------------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Open a new venue: opening balances, new markets."""
        self._open_accounts(1)
        self.exchange.start(ts_ns)
        self.advance(ts_ns)

    def restore(
        self, accounts: memory.AccountSnapshot, log: bytes, markets: bytes, ts_ns: int
    ) -> None:
        """Open a venue from what ``dump_accounts``, ``take_log`` and ``dump_markets`` gave.

        Raises UsageError where the folder belongs to another market or to other accounts;
        accounts that are new stand at the end and open with their balances.
        """
        if accounts.identity != self.config.identity:
            raise UsageError(
                f"the stored account belongs to the market {accounts.identity!r}, "
                f"asked for was {self.config.identity!r}: use another folder, or open a new "
                "account (hftd start --fresh)"
            )
        if accounts.keys != self._keys()[: len(accounts.keys)]:
            raise UsageError(
                f"the stored accounts have the keys {', '.join(accounts.keys)}, in this order; "
                "give the same, and new ones after them"
            )
        memory.load_accounts(self.exchange, accounts, log)
        self._open_accounts(len(accounts.keys) + 1)
        memory.load_markets(self.exchange, markets, ts_ns)
        self.advance(ts_ns)

    def _open_accounts(self, first: int) -> None:
        for number, account in enumerate(self.config.accounts[first - 1 :], first):
            for asset, amount in account.balances.items():
                self.exchange.accounts.deposit(number, asset, exact_atoms(amount))
        self.exchange.accounts.take_touched()

    def _keys(self) -> list[str]:
        return [account.key for account in self.config.accounts]

    def dump_accounts(self, generation: int) -> bytes:
        """Return the account snapshot; the log after it is that generation's."""
        identity, keys = self.config.identity, self._keys()
        return memory.dump_accounts(self.exchange, generation, identity, keys)

    def dump_markets(self, ts_ns: int) -> bytes:
        """Return the snapshot of the markets."""
        return memory.dump_markets(self.exchange, ts_ns)

    def set_status(self, symbol: str, status: SymbolStatus, ts_ns: int) -> None:
        """Let a symbol trade, or stop it; raises UsageError for a symbol that is not listed."""
        if symbol not in self.exchange.listings:
            listed = ", ".join(self.exchange.listings)
            raise UsageError(f"symbol must be one of {listed}, was {symbol}")
        self.advance(ts_ns)
        self.exchange.set_status(symbol, status, self._now_ns)
        self._publish()

    def shut_down(self, ts_ns: int) -> None:
        """Tell every connection that the venue closes."""
        for connection in self._is_api:
            self._out.append((connection, _shutdown_event(ts_ns)))

    # --- time and output ------------------------------------------------------------------

    def next_ns(self) -> int | None:
        """Return when ``advance`` is next due; None: not before something comes in."""
        return earliest(self.exchange.next_ns(), self._streams.next_ns(), self._end_ns)

    def advance(self, ts_ns: int) -> None:
        """Do all that is due up to and including ``ts_ns``; time never runs backward."""
        if ts_ns <= self._done_ns:
            return
        self._now_ns = max(self._now_ns, ts_ns)
        self.exchange.advance(self._now_ns)
        self._publish()
        self._streams.advance(self._now_ns)
        self._out.extend(self._streams.take())
        self._end_the_old()
        self._done_ns = self._now_ns

    def _look_for_the_oldest(self) -> None:
        # After each change of who is connected: the end is asked for at every turn.
        opened_ns = next(iter(self._opened_ns.values()), None)
        life_ns = self.config.limits.connection_hours * _HOUR_NS
        self._end_ns = None if opened_ns is None else opened_ns + life_ns

    def _end_the_old(self) -> None:
        # A connection lives for a day at most, and is told before it is ended.
        while (end_ns := self._end_ns) is not None and end_ns <= self._now_ns:
            connection = next(iter(self._opened_ns))
            self._out.append((connection, _shutdown_event(end_ns)))
            self._hang_up(connection)

    def _hang_up(self, connection: int) -> None:
        self._opened_ns.pop(connection, None)
        self._look_for_the_oldest()
        self._hung_up.append(connection)

    def take_hung_up(self) -> list[int]:
        """Return the connections to close once the outbox is sent; each is named once."""
        hung_up, self._hung_up = self._hung_up, []
        return hung_up

    def take(self) -> list[tuple[int, bytes]]:
        """Return (connection, frame) of all that is to be sent, in order."""
        out, self._out = self._out, []
        return out

    def take_archive(self) -> bytes:
        """Return the orders and trades that have left memory, for the archive file."""
        return memory.archive_lines(self.exchange.take_closed())

    def take_log(self) -> bytes:
        """Return what must be written before the outbox is sent."""
        if not self._log:
            return b""
        log, self._log = b"".join(self._log), []
        return log

    # --- input ----------------------------------------------------------------------------

    def http(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, ts_ns: int
    ) -> Response:
        """Answer one REST request: status, headers, body."""
        self.advance(ts_ns)
        response = self._rest.respond(method, target, headers, body, self._now_ns)
        self._publish()
        return response

    def open(self, path: str, ts_ns: int) -> int | None:
        """Take a WebSocket connection on a path with its query; None where none is served."""
        self.advance(ts_ns)
        connection = self._last_connection + 1
        route, _, query = path.partition("?")
        is_api = route.rstrip("/") == WS_API_PATH
        if is_api:
            self._ws.open(connection, query, self._now_ns)
        elif not self._streams.open(connection, path, self._now_ns):
            return None
        self._last_connection = connection
        self._opened_ns[connection] = self._now_ns
        self._look_for_the_oldest()
        self._is_api[connection] = is_api
        return connection

    def receive(self, connection: int, text: bytes, ts_ns: int) -> None:
        """Take one text frame of a connection."""
        self.advance(ts_ns)
        if self._is_api[connection]:
            for reply in self._ws.receive(connection, text, self._now_ns):
                self._out.append((connection, reply))
        else:
            answer = self._streams.receive(connection, text, self._now_ns)
            if answer is None:
                self._hang_up(connection)
            else:
                self._out.append((connection, answer))
        self._publish()

    def close(self, connection: int) -> None:
        """Forget a connection; orders stay."""
        self._opened_ns.pop(connection, None)
        self._look_for_the_oldest()
        if self._is_api.pop(connection):
            self._ws.close(connection)
        else:
            self._streams.close(connection)

    # --- events ---------------------------------------------------------------------------

    def _publish(self) -> None:
        # What has just happened may have made something due at this very time.
        self._done_ns = -1
        events = self.exchange.take_events()
        if not events:
            return
        line = memory.log_line(events)
        if line:
            self._log.append(line)
        for event in events:
            if isinstance(event, MarketEvent):
                self._publish_market(event)
            else:
                self._publish_user(event)
        for symbol in self._desk.prints:
            self._close_aggregate(symbol)
        self._out.extend(self._streams.take())

    def _publish_market(self, event: MarketEvent) -> None:
        report, symbol = event.report, event.symbol
        if isinstance(report, Trade):
            self._streams.publish(event)
            closed = self._desk.prints[symbol].take(report)
            if closed is not None:
                self._streams.publish_aggregate(symbol, closed)
            return
        self._close_aggregate(symbol)
        self._streams.publish(event)

    def _close_aggregate(self, symbol: str) -> None:
        closed = self._desk.prints[symbol].close()
        if closed is not None:
            self._streams.publish_aggregate(symbol, closed)

    def _publish_user(self, event: OrderEvent | BalanceEvent) -> None:
        if isinstance(event, OrderEvent):
            account = event.order.account
            self._count_fill(event)
        else:
            account = event.account
        readers = self._ws.subscribers(account)
        listen_key = self._desk.listen_keys.of(account, self._now_ns)
        if not readers and not self._streams.reads(listen_key):
            return
        plain = msgspec.json.encode(self._user_json(event))
        # What happened in public before comes out before.
        self._out.extend(self._streams.take())
        for connection, subscription, micro in readers:
            frame = user_event(subscription, plain)
            self._out.append((connection, in_microseconds(frame) if micro else frame))
        if listen_key is not None and self._streams.reads(listen_key):
            self._streams.send_encoded(listen_key, plain)

    def _user_json(self, event: Event) -> render.Json:
        if isinstance(event, OrderEvent):
            listing = self.exchange.listings[event.order.symbol]
            return render_reports.execution_report(listing, event)
        assert isinstance(event, BalanceEvent)
        return render_reports.account_position(event.ts_ns, event.balances)

    def _count_fill(self, event: OrderEvent) -> None:
        # The first fill of an order gives message budget back. A taker's comes with its placing
        # and is counted there, but for a stop order, which was placed long before.
        trade, order = event.trade, event.order
        if trade is None or order.cum_lots != trade.qty_lots:
            return
        if trade.is_maker:
            self._limits.count_order(order.account, MAKER_FILL_BONUS, event.ts_ns)
        elif order.stop_ticks:
            self._limits.count_order(order.account, TAKER_FILL_BONUS, event.ts_ns)


def _shutdown_event(ts_ns: int) -> bytes:
    return msgspec.json.encode({"e": "serverShutdown", "E": render.ms(ts_ns)})
