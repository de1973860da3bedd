"""``hftd exchange``: the simulated exchange by itself, on loopback.

Owns the options and the one line that says where it listens.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def exchange(
    host: Annotated[str, typer.Option(help="Address to listen on; loopback only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 0,
    symbols: Annotated[str, typer.Option(help="Symbols, with commas.")] = "BTCUSDT",
    market: Annotated[str, typer.Option(help="agents, or tape:FILE[,FILE].")] = "agents",
    preset: Annotated[str, typer.Option(help="How the agents behave.")] = "calm",
    seed: Annotated[int, typer.Option(help="Seed of the agents.")] = 7,
    speed: Annotated[str, typer.Option(help="Pace of a tape.")] = "1",
    account: Annotated[
        list[str] | None,
        typer.Option(help="KEY:SECRET or KEY:@PUBLIC_PEM.", envvar="HFTD_EXCHANGE_ACCOUNTS"),
    ] = None,
    balance: Annotated[
        list[str] | None, typer.Option(help="ASSET=AMOUNT that each account opens with.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Folder of the durable account; none: kept in memory.")
    ] = None,
    maker_bps: Annotated[str | None, typer.Option(help="Maker fee; default: the preset's.")] = None,
    taker_bps: Annotated[str | None, typer.Option(help="Taker fee; default: the preset's.")] = None,
) -> None:
    """Serve Binance Spot's protocol on loopback, with simulated money and real matching."""
    # Sockets and markets are imported when they are needed, so that --help is quick.
    import uvloop

    from hftd.runtime.exchange_markets import (
        DEFAULT_BALANCES,
        DEFAULT_KEY,
        DEFAULT_SECRET,
        ExchangeWish,
        build_venue,
    )
    from hftd.runtime.exchange_server import serve

    wish = ExchangeWish(
        symbols=tuple(symbols.upper().split(",")),
        market=market,
        preset=preset,
        seed=seed,
        speed=speed,
        accounts=tuple(account or ()),
        balances=tuple(balance or DEFAULT_BALANCES),
        maker_bps=maker_bps,
        taker_bps=taker_bps,
    )
    venue = build_venue(wish)
    keys = "the keys given" if account else f"key {DEFAULT_KEY}, secret {DEFAULT_SECRET}"

    def listening(bound: int) -> None:
        typer.echo(f"exchange listens on http://{host}:{bound} ({venue.config.identity}; {keys})")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(venue, state, host, port, listening))
