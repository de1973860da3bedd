"""NautilusTrader's way from a depth message to its book: its Binance schemas and its OrderBook."""

from __future__ import annotations

import msgspec
from nautilus_trader.adapters.binance.common.schemas.market import BinanceOrderBookMsg
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity

from tests.bench.decode_frames import Touch, imbalance, snapshot, take_part

INSTRUMENT = InstrumentId.from_str("BTCUSDT.BINANCE")


def main() -> None:
    """Build the book from the snapshot and take part."""
    book = OrderBook(INSTRUMENT, BookType.L2_MBP)
    first = snapshot()
    deltas = [
        OrderBookDelta(
            INSTRUMENT,
            BookAction.ADD,
            BookOrder(side, Price.from_str(price), Quantity.from_str(qty), 0),
            0, 0, 0, 0,
        )
        for name, side in (("bids", OrderSide.BUY), ("asks", OrderSide.SELL))
        for price, qty in first[name]
    ]  # fmt: skip
    book.apply_deltas(OrderBookDeltas(INSTRUMENT, deltas))
    decoder = msgspec.json.Decoder(BinanceOrderBookMsg)

    def apply(frame: str) -> Touch:
        message = decoder.decode(frame)
        book.apply_deltas(message.data.parse_to_order_book_deltas(INSTRUMENT, 0))
        sizes = [[level.size() for level in side[:5]] for side in (book.bids(), book.asks())]
        bid, ask = book.best_bid_price(), book.best_ask_price()
        return Touch(bid, ask, imbalance(*sizes))

    take_part(apply)


if __name__ == "__main__":
    main()
