"""NautilusTrader's live node that quotes by our rule: its Binance adapter against the harness.

``python -m tests.bench.peer_nautilus PORT touch|depth``. Its adapter for spot sends orders by REST
and cannot amend: a move is a cancel and a new order a side. Quotes by quote ticks
(bookTicker) or by order book deltas (depth): both sides at the touch while the spread is over
5 bps. Its logging is off, its risk engine on, with rates that do not bind.
"""

from __future__ import annotations

import sys
from typing import Any

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.common.config import InstrumentProviderConfig, LoggingConfig
from nautilus_trader.config import LiveExecEngineConfig, LiveRiskEngineConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.trading.strategy import Strategy

INSTRUMENT = InstrumentId.from_str("BTCUSDT.BINANCE")
MIN_SPREAD_BPS = 5.0
QTY = Quantity.from_str("0.01000")


class Quoter(Strategy):
    """Both quotes, moved together."""

    def __init__(self, stream: str) -> None:
        super().__init__()
        self._stream = stream
        self._orders: list[Any] = []
        self._prices: tuple[Price, Price] | None = None

    def on_start(self) -> None:
        """Subscribe to what is watched."""
        if self._stream == "touch":
            self.subscribe_quote_ticks(INSTRUMENT)
        else:
            self.subscribe_order_book_deltas(INSTRUMENT, BookType.L2_MBP)

    def on_quote_tick(self, tick: Any) -> None:
        """Hear of a touch."""
        self._on_touch(tick.bid_price, tick.ask_price)

    def on_order_book_deltas(self, deltas: Any) -> None:
        """Hear of depth; the cache's book has it already."""
        book = self.cache.order_book(INSTRUMENT)
        self._on_touch(book.best_bid_price(), book.best_ask_price())

    def _on_touch(self, bid: Price | None, ask: Price | None) -> None:
        if bid is None or ask is None or (bid, ask) == self._prices:
            return
        low, high = float(bid), float(ask)
        if (high - low) / (high + low) * 20_000 <= MIN_SPREAD_BPS:
            return
        self._prices = (bid, ask)
        gone, self._orders = self._orders, []
        for order in gone:
            self.cancel_order(order)
        for side, price in ((OrderSide.BUY, bid), (OrderSide.SELL, ask)):
            order = self.order_factory.limit(INSTRUMENT, side, QTY, price, post_only=True)
            self._orders.append(order)
            self.submit_order(order)


def main(port: int, stream: str) -> None:
    """Trade until the end."""
    address = {
        "api_key": "key",
        "api_secret": "secret",
        "base_url_http": f"http://127.0.0.1:{port}/nautilus",
        "base_url_ws": f"ws://127.0.0.1:{port}/nautilus",
        "instrument_provider": InstrumentProviderConfig(load_all=True),
    }
    config = TradingNodeConfig(
        trader_id=TraderId("BENCH-001"),
        logging=LoggingConfig(log_level="ERROR"),
        exec_engine=LiveExecEngineConfig(reconciliation=False),
        risk_engine=LiveRiskEngineConfig(
            max_order_submit_rate="100000/00:00:01", max_order_modify_rate="100000/00:00:01"
        ),
        data_clients={BINANCE: BinanceDataClientConfig(**address)},
        exec_clients={BINANCE: BinanceExecClientConfig(**address)},
    )
    node = TradingNode(config=config)
    node.trader.add_strategy(Quoter(stream))
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    node.build()
    node.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
