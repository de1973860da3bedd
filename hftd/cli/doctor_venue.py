"""What the doctor asks the venue: reach, clock, listing, orders, key, account, others.

Owns each question, its order (one that cannot be answered ends the list) and its remedy. A
start asks some of them again by `before_start`. Sends no order.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from decimal import Decimal
from urllib.parse import urlsplit

from hftd.cli.doctor_host import Finding, fail, ok, warn
from hftd.config.economics import Filters, canary_order, require_tradable
from hftd.config.load import LoadedProfile
from hftd.config.values import plain
from hftd.domain.instrument import InstrumentStatus
from hftd.errors import CredentialsError, HftdError, ProfileError
from hftd.runtime import identity
from hftd.runtime.clock import Clock
from hftd.runtime.rest import RestAnswer, RestClient
from hftd.runtime.tls import client_context, connection_fault
from hftd.runtime.venue_host import venue_endpoints
from hftd.runtime.venue_look import NOT_SERVED, Account, Look, Stranger, key_refusal
from hftd.venues.binance.endpoints import Endpoints
from hftd.venues.binance.exchange_info import Listing
from hftd.venues.binance.signing import Signer

CONNECT_S = 5.0
CERTIFICATE_DAYS = 14
NS_PER_MS = 1_000_000
BPS = 10_000
NOT_BEFORE_MONEY = "make a key that may trade and read, and not withdraw"


class VenueDoctor:
    """Questions about one profile's venue, asked with one key."""

    def __init__(self, loaded: LoadedProfile, signer: Signer, name: str) -> None:
        self._loaded = loaded
        self._profile = loaded.profile
        self._served = venue_endpoints(loaded.profile)
        self._tls = client_context(self._served)
        self._signer = signer
        self._tag = identity.tag(name)

    async def findings(self) -> AsyncIterator[Finding]:
        """Ask one thing after the other; end where nothing further can be known."""
        for url in _addresses(self._served):
            finding = await reach(url, self._tls)
            yield finding
            if finding.verdict == "FAIL":
                return
        rest = RestClient(self._served.rest_url, self._signer, Clock(), tls=self._tls)
        try:
            async for finding in self._asked(rest, Look(rest)):
                yield finding
        except ProfileError as error:
            yield fail("profile", str(error), "hftd check", error.exit_code)
        except HftdError as error:
            yield fail("venue", f"{self._served.name}: {error}", "try again later", error.exit_code)
        finally:
            await rest.close()

    async def _asked(self, rest: RestClient, look: Look) -> AsyncIterator[Finding]:
        clock = await self._clock(rest, look)
        yield clock
        if clock.check == "venue":
            return
        listing = await look.listing(self._profile.instruments)
        for finding in listed(listing):
            yield finding
        for instrument in listing.instruments:
            price = await look.price(instrument.symbol)
            yield self._order(instrument.name, Filters.of(instrument), price)
        account = await look.account()
        if isinstance(account, RestAnswer):
            yield refused_key(account)
            return
        yield ok("key", f"{_kind(self._signer)}, the venue takes it")
        yield await permissions(look, account, is_test=self._profile.mode == "testnet")
        for finding in self._money(account, listing):
            yield finding
        for finding in await self._others(look):
            yield finding
        yield weights(rest, listing)

    async def _clock(self, rest: RestClient, look: Look) -> Finding:
        sample = await rest.sample_clock()
        if isinstance(sample, RestAnswer):
            return fail("venue", f"{self._served.name}: {sample.told()}", "try again later")
        look.offset_ns = sample.venue_offset_ns
        offset_ms = sample.venue_offset_ns // NS_PER_MS
        limit_ms = self._profile.risk.max_clock_offset_ms
        way = "behind" if offset_ms > 0 else "ahead of"
        told = f"{abs(offset_ms)} ms {way} the venue's (C24 allows {limit_ms})"
        if abs(offset_ms) > limit_ms:
            return fail("clock", f"this machine's is {told}", "timedatectl set-ntp true")
        return ok("clock", told + f", round trip {sample.round_trip_ns / NS_PER_MS:.1f} ms")

    def _order(self, name: str, filters: Filters, price: Decimal) -> Finding:
        order = canary_order(self._profile, name, filters, price)
        try:
            require_tradable(order, self._loaded)
        except ProfileError as error:
            return fail("order", str(error), f"hftd check {self._loaded.name}", error.exit_code)
        return ok(
            "order",
            f"{plain(order.qty_base)} {name} at {plain(price)}, "
            f"{order.notional_quote:.2f} {self._profile.quote_asset}; the least is "
            f"{plain(order.least_qty_base)}",
        )

    def _money(self, account: Account, listing: Listing) -> Iterable[Finding]:
        held = {each.asset: each.free for each in account.balances}
        names = [listing.instruments[0].quote, *(each.base for each in listing.instruments)]
        told = ", ".join(f"{plain(held.get(name, Decimal(0)))} {name}" for name in names)
        empty = [name for name in names if not held.get(name)]
        if len(empty) == len(names):
            yield fail("balance", f"nothing to trade with: {told} free", "fund the account")
        elif empty:
            yield warn("balance", f"{told} free", f"a side without {empty[0]} is not quoted")
        else:
            yield ok("balance", f"{told} free")
        if account.commission_rates is not None:
            yield self._fees(account.commission_rates.maker, account.commission_rates.taker)

    def _fees(self, maker: Decimal, taker: Decimal) -> Finding:
        fees = self._profile.venue.fees
        told = f"maker {plain(maker * BPS)} bps, taker {plain(taker * BPS)} bps"
        if maker * BPS > fees.maker_bps or taker * BPS > fees.taker_bps:
            said = f"{plain(fees.maker_bps)} and {plain(fees.taker_bps)}"
            return warn("fees", f"{told}; the profile counts on {said}", "set venue.fees")
        return ok("fees", told)

    async def _others(self, look: Look) -> list[Finding]:
        strangers = await look.strangers(self._profile.instruments, self._tag)
        if isinstance(strangers, RestAnswer):
            return [fail("account", strangers.told(), "try again later")]
        refuses = self._profile.foreign_orders == "refuse"
        found = [stranger_finding(each, refuses=refuses) for each in strangers]
        return found or [ok("account", "nobody else has orders on it")]


async def before_start(
    loaded: LoadedProfile, signer: Signer, name: str, say: Callable[[str], None]
) -> None:
    """Ask what a start must know: refuse a key that may withdraw, name who else trades here.

    Raises: CredentialsError where the key is refused, by the venue or by us. A venue that does
    not answer is the start's own to tell.
    """
    served = venue_endpoints(loaded.profile)
    rest = RestClient(served.rest_url, signer, Clock(), tls=client_context(served))
    look = Look(rest)
    try:
        sample = await rest.sample_clock()
        if isinstance(sample, RestAnswer):
            return
        look.offset_ns = sample.venue_offset_ns
        account = await look.account()
        if isinstance(account, RestAnswer):
            if why := key_refusal(account):
                raise CredentialsError(f"the venue refused the key: {why}")
            return
        finding = await permissions(look, account, is_test=loaded.profile.mode == "testnet")
        if finding.verdict == "FAIL":
            raise CredentialsError(f"{finding.told}; {finding.remedy}")
        strangers = await look.strangers(loaded.profile.instruments, identity.tag(name))
        for each in strangers if isinstance(strangers, list) else []:
            refuses = loaded.profile.foreign_orders == "refuse"
            say(f"the account: {stranger_finding(each, refuses=refuses).told}")
    finally:
        await rest.close()


async def reach(url: str, tls: ssl.SSLContext | None) -> Finding:
    """Connect, and look at the certificate."""
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    port = parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(
                parts.hostname, port, ssl=tls if secure else None
            )
    except (OSError, TimeoutError) as error:
        remedy = "look at the address, the network and the firewall"
        if isinstance(error, ssl.SSLError):
            remedy = "look who answers there; nothing is sent without a good certificate"
        return fail("reach", f"{parts.netloc}: {connection_fault(error)}", remedy)
    certificate = writer.get_extra_info("peercert")
    writer.transport.abort()  # Nothing was said, so there is nothing to say goodbye to.
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    if not secure:
        return ok("reach", f"{parts.netloc}, in plain text on loopback")
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / 86_400)
    told = f"{parts.netloc}, its certificate is good for {days} days"
    if days < CERTIFICATE_DAYS:
        return warn("reach", told, "renew it, or ask who runs the server to")
    return ok("reach", told)


def listed(listing: Listing) -> Iterable[Finding]:
    """Say of each instrument what the venue allows."""
    for instrument, status in zip(listing.instruments, listing.statuses, strict=True):
        filters = Filters.of(instrument)
        told = (
            f"{instrument.name} {status.name}, tick {plain(filters.tick_size)}, "
            f"lot {plain(filters.lot_size)}, least {plain(filters.min_notional)} {instrument.quote}"
        )
        if status == InstrumentStatus.TRADING:
            yield ok("listing", told)
        else:
            yield warn("listing", told, "nothing is quoted until the venue trades it")


def refused_key(answer: RestAnswer) -> Finding:
    """Say why the account was not told."""
    if why := key_refusal(answer):
        remedy = "look at venue.api_key and venue.api_secret, and at the key's page at the venue"
        return fail("key", f"the venue refused it: {why}", remedy, CredentialsError.exit_code)
    return fail("key", f"the account was not told: {answer.told()}", "try again later")


async def permissions(look: Look, account: Account, *, is_test: bool) -> Finding:
    """Judge what the key may do: trade it must, withdraw it must not.

    The venue's word on the key itself counts. Where it has none (test hosts), what counts is its
    word on the account, and on test hosts there is nothing that could be withdrawn.
    """
    told = await look.restrictions()
    code = CredentialsError.exit_code
    if isinstance(told, RestAnswer):
        if told.status not in NOT_SERVED:
            return fail("permission", f"not told: {told.told()}", "try again later")
        if account.can_withdraw and not is_test:
            return fail("permission", "the key may withdraw", NOT_BEFORE_MONEY, code)
        if not account.can_trade:
            return fail("permission", "the account may not trade", "ask the venue why", code)
        return ok("permission", "the account may trade; of the key the venue does not tell")
    if told.enable_withdrawals:
        return fail("permission", "the key may withdraw", NOT_BEFORE_MONEY, code)
    if not told.enable_spot_and_margin_trading or not account.can_trade:
        return fail("permission", "the key may not trade", "allow spot trading on its page", code)
    if not told.ip_restrict:
        told_of = "the key may trade, not withdraw, and be used from any address"
        return warn("permission", told_of, "limit it to this machine's address")
    return ok("permission", "the key may trade and not withdraw, from listed addresses alone")


def stranger_finding(stranger: Stranger, *, refuses: bool) -> Finding:
    """Say who else is on the account, and what a daemon does about it."""
    when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(stranger.newest_ms // 1000))
    who = f"another hftd (tag {stranger.tag})" if stranger.tag else "somebody else"
    if not stranger.is_open:
        return warn("account", f"{who} had orders on it until {when}", "one account, one daemon")
    told = f"{who} has open orders on it, the newest of {when}"
    if refuses:
        return fail("account", told, "stop it; or foreign_orders: report, and live with it")
    return warn("account", told, "stop it: each daemon takes the other's fills for drift")


def weights(rest: RestClient, listing: Listing) -> Finding:
    """Say how much of the address's request weight is used."""
    used, limit = rest.used_weight, listing.weight_per_minute
    told = f"{used} of {limit} a minute are used by this address"
    if limit and used > limit // 2:
        return warn("weight", told, "another program on this address asks much")
    return ok("weight", told)


def _kind(signer: Signer) -> str:
    return "Ed25519 key" if signer.may_log_on else "HMAC key (each order is signed; Ed25519: none)"


def _addresses(served: Endpoints) -> list[str]:
    # Streams and WS API are mostly on one host: each is looked at once.
    seen: dict[str, str] = {}
    for url in (served.rest_url, served.market_url, served.order_url):
        seen.setdefault(urlsplit(url).netloc, url)
    return list(seen.values())
