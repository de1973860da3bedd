"""``hftd doctor``: everything that can be known before a start, a line each, with its remedy.

Owns the order, the layout and the exit code: 0 where nothing fails, else that of the first
failure (77 credentials, 78 profile, 75 a running instance, 64 usage, 1 the world's). Sends no
order and changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hftd.config.shelf import DEFAULT_PROFILE

if TYPE_CHECKING:
    from hftd.cli.doctor_host import Finding
    from hftd.config.load import LoadedProfile

WIDTH: Final = 80
INDENT: Final = " " * 17

Take = Callable[["Finding"], None]


def doctor(
    profile: Annotated[str, typer.Option(help="Profile, by name or file.")] = DEFAULT_PROFILE,
    name: Annotated[
        str | None, typer.Option(help="Instance; by default the profile's name.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE over the profile; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Look at everything that a start needs, and say what to mend.

    Asks the venue about clock, listing, key and account; sends no order.
    """
    found: list[Finding] = []

    def take(finding: Finding) -> None:
        found.append(finding)
        if not as_json:
            print("\n".join(_lines(finding)), flush=True)

    examine(profile, name, sets or (), os.environ, take)
    code = next((each.exit_code for each in found if each.verdict == "FAIL"), 0)
    if as_json:
        print(json.dumps(_as_dict(profile, found, code), indent=2))
    else:
        print(_last_line(profile, found))
    return code


def examine(
    profile: str, name: str | None, sets: Sequence[str], environ: Mapping[str, str], take: Take
) -> None:
    """Look at profile, machine and venue, one finding after the other."""
    from hftd.cli.doctor_host import fail, host_findings, ok
    from hftd.config.load import load_profile
    from hftd.config.real_venue import BinanceVenue
    from hftd.config.secrets import resolve_credentials
    from hftd.errors import CredentialsError, HftdError
    from hftd.venues.binance.signing import signer_of

    try:
        loaded = load_profile(profile, sets=sets, environ=environ)
    except HftdError as error:
        take(fail("profile", str(error), "hftd check says all that is wrong", error.exit_code))
        return
    size = f"canary at {loaded.profile.size_factor}" if loaded.profile.canary.enabled else "full"
    take(ok("profile", f"{loaded.name}: {loaded.path}, {loaded.profile.mode}, {size} size"))
    instance = name or loaded.name
    for finding in host_findings(loaded, instance, environ):
        take(finding)
    try:
        keys = resolve_credentials(loaded.profile.venue, environ)
        signer = signer_of(keys.api_key.reveal(), keys.api_secret.reveal())
    except CredentialsError as error:
        remedy = "venue.api_key and venue.api_secret say where the pair is looked for"
        take(fail("key", str(error), remedy, error.exit_code))
        return
    if not isinstance(loaded.profile.venue, BinanceVenue):
        _look_at_paper(loaded, take)
        return
    from hftd.cli.doctor_venue import VenueDoctor

    async def ask() -> None:
        async for finding in VenueDoctor(loaded, signer, instance).findings():
            take(finding)

    try:
        asyncio.run(ask())
    except HftdError as error:
        take(fail("profile", str(error), "mend the profile", error.exit_code))


def _look_at_paper(loaded: LoadedProfile, take: Take) -> None:
    """The simulated exchange is started with the daemon: its market's own numbers will do."""
    from hftd.cli.doctor_host import fail, ok
    from hftd.cli.market_facts import market_facts
    from hftd.config.economics import canary_order, require_tradable
    from hftd.config.values import plain
    from hftd.errors import HftdError

    try:
        for facts in market_facts(loaded):
            order = canary_order(loaded.profile, facts.instrument, facts.filters, facts.price)
            require_tradable(order, loaded)
            told = f"{plain(order.qty_base)} {facts.instrument}; the least is "
            take(ok("order", f"{told}{plain(order.least_qty_base)}"))
    except HftdError as error:
        take(fail("order", str(error), f"hftd check {loaded.name}", error.exit_code))
    take(ok("venue", "the simulated exchange, started by the daemon; no key and no clock to check"))


def _lines(finding: Finding) -> list[str]:
    head = f"{finding.verdict:<5}{finding.check:<12}"
    text = finding.told + (f" -> {finding.remedy}" if finding.remedy else "")
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=INDENT,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _last_line(profile: str, found: list[Finding]) -> str:
    counts = {word: sum(each.verdict == word for each in found) for word in ("ok", "warn", "FAIL")}
    told = f"{counts['ok']} ok, {counts['warn']} to know of, {counts['FAIL']} failed"
    if counts["FAIL"]:
        return f"{told}: mend that first"
    return f"{told}: hftd start --profile {profile}"


def _as_dict(profile: str, found: list[Finding], code: int) -> dict[str, Any]:
    return {
        "profile": profile,
        "exit_code": code,
        "findings": [each._asdict() | {"verdict": each.verdict.lower()} for each in found],
    }
