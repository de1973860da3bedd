"""Latency models as a configuration says them, in milliseconds, and files of samples.

    latency:
      entry:    {model: log_normal, median_ms: "2", sigma: "0.5"}
      response: {model: constant, delay_ms: "1"}
      feed:     {model: samples, file: measured.txt}
      accounts:
        far-away-key: {entry: {model: constant, delay_ms: "80"}}

Owns that form. A file of samples has one delay in milliseconds on each line; what follows a
``#`` is passed over. A way that an account does not name is the default's.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from msgspec import Struct

from hftd.errors import UsageError
from hftd.simex.latency import (
    MAX_DELAY_NS,
    Constant,
    Latencies,
    LogNormal,
    Model,
    Samples,
    Way,
)

MAX_SAMPLES = 1_000_000
_MS_NS = 1_000_000
_MAX_SIGMA = 5


class NoneWish(Struct, frozen=True, forbid_unknown_fields=True, tag_field="model", tag="none"):
    """No delay, also where the default has one."""


class ConstantWish(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="model", tag="constant"
):
    """The same delay for every message."""

    delay_ms: str


class LogNormalWish(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="model", tag="log_normal"
):
    """A median, and the deviation of the delay's logarithm."""

    median_ms: str
    sigma: str


class SamplesWish(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="model", tag="samples"
):
    """Measured delays in a file."""

    file: str


ModelWish = NoneWish | ConstantWish | LogNormalWish | SamplesWish


class WaysWish(Struct, frozen=True, forbid_unknown_fields=True):
    """The three ways of one account."""

    entry: ModelWish | None = None
    response: ModelWish | None = None
    feed: ModelWish | None = None


class LatencyWish(WaysWish, frozen=True, forbid_unknown_fields=True):
    """The default's three ways, and those of single accounts by their key."""

    accounts: dict[str, WaysWish] = {}


def latencies(wish: LatencyWish, keys: Sequence[str], seed: int) -> Latencies:
    """Return the models; ``keys`` are those of account 1 and on.

    Raises: UsageError for a key without account, a number that is none, a file that fails.
    """
    accounts = {}
    for key, ways in wish.accounts.items():
        if key not in keys:
            raise UsageError(f"latency.accounts: no account has the key {key}")
        if ways.feed is not None:
            raise UsageError(
                f"latency.accounts.{key}.feed: streams bear no key; say latency.feed for all"
            )
        accounts[keys.index(key) + 1] = _ways(ways)
    return Latencies(_ways(wish), accounts, seed)


def _ways(wish: WaysWish) -> dict[Way, Model]:
    models = {way: getattr(wish, way.value) for way in Way}
    return {way: _model(way, each) for way, each in models.items() if each is not None}


def _model(way: Way, wish: ModelWish) -> Model:
    name = f"latency.{way.value}"
    if isinstance(wish, NoneWish):
        return Constant(0)
    if isinstance(wish, ConstantWish):
        return Constant(_ns(f"{name}.delay_ms", wish.delay_ms))
    if isinstance(wish, LogNormalWish):
        sigma = _number(f"{name}.sigma", wish.sigma, _MAX_SIGMA)
        return LogNormal(_ns(f"{name}.median_ms", wish.median_ms), sigma)
    return Samples(_samples(name, Path(wish.file)))


def _samples(name: str, path: Path) -> tuple[int, ...]:
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}.file: {path} does not read: {error}") from error
    delays = [
        _ns(f"{name}.file: {path}:{number}", text)
        for number, line in enumerate(lines, 1)
        if (text := line.partition("#")[0].strip())
    ]
    if not 0 < len(delays) <= MAX_SAMPLES:
        raise UsageError(
            f"{name}.file: {path} must hold 1 to {MAX_SAMPLES} delays, was {len(delays)}"
        )
    return tuple(delays)


def _ns(name: str, text: str) -> int:
    return int(_number(name, text, MAX_DELAY_NS // _MS_NS) * _MS_NS)


def _number(name: str, text: str, most: int) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or not 0 <= number <= most:
        raise UsageError(f"{name} must be a number from 0 to {most}, was {text}")
    return number
