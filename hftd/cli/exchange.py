"""``hftd exchange``: the simulated exchange by itself, on loopback.

Owns the options and the one line that says where it listens. An option that is given counts
for more than the file of ``--config``.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import ssl


def exchange(  # long: every option is a line of its signature
    host: Annotated[str, typer.Option(help="Address to listen on; loopback only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 0,
    config: Annotated[
        Path | None, typer.Option(help="YAML with what the options below say, and limits.")
    ] = None,
    symbols: Annotated[str | None, typer.Option(help="Symbols, with commas. [BTCUSDT]")] = None,
    market: Annotated[str | None, typer.Option(help="agents, tape:FILE[,…] or live:URL.")] = None,
    preset: Annotated[str | None, typer.Option(help="Agents: a name or FILE.yaml. [calm]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of agents and faults. [7]")] = None,
    speed: Annotated[str | None, typer.Option(help="Pace of a tape. [1]")] = None,
    queue: Annotated[
        str | None, typer.Option(help="Queue model of played fills. [pessimistic]")
    ] = None,
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
    faults: Annotated[Path | None, typer.Option(help="YAML script of faults.")] = None,
    admin: Annotated[
        Path | None, typer.Option(help="Admin socket; default: admin.sock in the state folder.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate in PEM: serve TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key in PEM.")] = None,
    beyond_loopback: Annotated[
        bool, typer.Option("--beyond-loopback", help="Let everybody in who reaches the host.")
    ] = False,
) -> None:
    """Serve Binance Spot's protocol, with simulated money, real matching and faults on demand."""
    # Sockets and markets are imported when they are needed, so that --help is quick.
    import uvloop
    from msgspec.structs import replace

    from hftd.runtime.exchange_markets import (
        DEFAULT_KEY,
        DEFAULT_SECRET,
        ExchangeWish,
        build_venue,
        read_faults,
        read_wish,
    )
    from hftd.runtime.exchange_roads import Roads
    from hftd.runtime.exchange_server import serve

    options: dict[str, Any] = {
        "symbols": tuple(symbols.upper().split(",")) if symbols else None,
        "market": market,
        "preset": preset,
        "seed": seed,
        "speed": speed,
        "queue": queue,
        "accounts": tuple(account) if account else None,
        "balances": tuple(balance) if balance else None,
        "maker_bps": maker_bps,
        "taker_bps": taker_bps,
        "faults": read_faults(faults) if faults is not None else None,
    }
    wish = ExchangeWish() if config is None else read_wish(config)
    given = {name: value for name, value in options.items() if value is not None}
    wish = replace(wish, **given)
    kind, _, url = wish.market.partition(":")
    beside = None
    if kind == "live":
        from hftd.runtime.exchange_live import build_live

        venue, beside = build_live(wish, url)
    else:
        venue = build_venue(wish)
    keys = "the keys given" if wish.accounts else f"key {DEFAULT_KEY}, secret {DEFAULT_SECRET}"
    tls = _tls(tls_cert, tls_key)
    scheme = "http" if tls is None else "https"

    def listening(bound: int) -> None:
        where = f"{scheme}://{host}:{bound}"
        typer.echo(f"exchange listens on {where} ({venue.config.identity}; {keys})")

    roads = Roads(tls, beyond_loopback, admin, beside)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(venue, state, host, port, listening, roads))


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    import ssl

    from hftd.errors import UsageError

    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--tls-cert {certificate} does not read: {error}") from error
    return context
