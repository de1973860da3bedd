"""The scalar kinds of a profile: how the text of one value becomes a bounded, typed value.

Knows nothing of files, of single keys, or of where a value came from. YAML scalars arrive as
text (see ``strict_yaml``); Python callers may hand ints and Decimals; floats are refused, since
0.1 is not a tenth. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,8})?")
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_INSTRUMENT: Final = re.compile(r"[A-Z0-9]{1,12}-[A-Z0-9]{1,12}")
_ASSET: Final = re.compile(r"[A-Z0-9]{1,12}")
_UTC_MINUTE: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_QUEUE_MODEL: Final = re.compile(r"pessimistic|optimistic|proportional|power:[1-9]|log2?")
_SERVER_ADDRESS: Final = re.compile(
    r"https?://[\w.\-\[\]:]{1,255}/?(,wss?://[\w.\-\[\]:]{1,255}/?)?", re.ASCII
)
_LISTEN_ADDRESS: Final = re.compile(r"([\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[1-9][0-9]{0,4}")
_SECRET_REFERENCE: Final = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|credential:[\w.@-]+)")

_MOST_PORT: Final = 65_535

# An atom is 1e-8, so 10^10 of an asset are 10^18 atoms: int64 keeps a factor of nine to spare.
_LARGEST: Final = Decimal(10**10)

# Error kinds of ours. What was found is never repeated for WITHHELD: it may be a secret.
FORM: Final = "form"
WITHHELD: Final = "withheld"
ELSEWHERE: Final = "elsewhere"


class Section(BaseModel):
    """A mapping of a profile: frozen, and closed to keys that nobody declared."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )


def misplaced(key: str, expected: str, *, withheld: bool = False) -> PydanticCustomError:
    """Return the error of a rule over several keys, blamed on ``key`` (relative, dotted).

    ``withheld`` keeps what stands there out of the message.
    """
    context = {"key": key, "expected": expected, "withheld": withheld}
    return PydanticCustomError(ELSEWHERE, "{expected}", context)


def plain(value: Decimal) -> str:
    """Write a decimal as a profile would: no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _form(expected: str) -> PydanticCustomError:
    return PydanticCustomError(FORM, "{expected}", {"expected": expected})


def _decimal(value: object) -> object:
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    raise _form('a plain decimal such as "0.01" (no exponent, no unit, at most 8 decimals)')


def _integer(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    raise _form("a whole number such as 8 (no decimals, no unit)")


def _flag(value: object) -> object:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise _form("true or false")


def _opening_or_size(value: object) -> object:
    if value == "opening":
        return value
    try:
        size = _decimal(value)
    except PydanticCustomError:
        size = None
    if isinstance(size, int | Decimal) and 0 <= size <= _LARGEST:
        return Decimal(size)
    raise _form("opening, or a size of 0 or more")


def matching(pattern: re.Pattern[str], expected: str, kind: str = FORM) -> BeforeValidator:
    """Return the check that a text has a form, told as ``expected`` where it has not."""

    def check(value: object) -> object:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise PydanticCustomError(kind, "{expected}", {"expected": expected})

    return BeforeValidator(check)


def _at_most(decimals: int) -> AfterValidator:
    def check(value: Decimal) -> Decimal:
        if value != round(value, decimals):
            raise _form(f"at most {decimals} decimals")
        return value

    return AfterValidator(check)


def _existing_port(address: str) -> str:
    if int(address.rpartition(":")[2]) > _MOST_PORT:
        raise _form("a port of at most 65535")
    return address


_port_exists: Final = AfterValidator(_existing_port)

# What the engine counts in: finer values are refused here rather than rounded there.
_BPS_DECIMALS: Final = _at_most(2)
_FRACTION_DECIMALS: Final = _at_most(6)

DecimalText = Annotated[Decimal, BeforeValidator(_decimal)]
Integer = Annotated[int, BeforeValidator(_integer)]
Flag = Annotated[bool, BeforeValidator(_flag)]

PositiveDecimal = Annotated[DecimalText, Field(gt=0, le=_LARGEST)]
NonNegativeDecimal = Annotated[DecimalText, Field(ge=0, le=_LARGEST)]
PositiveBps = Annotated[DecimalText, Field(gt=0, le=10_000), _BPS_DECIMALS]
NonNegativeBps = Annotated[DecimalText, Field(ge=0, le=10_000), _BPS_DECIMALS]
SignedBps = Annotated[DecimalText, Field(ge=-10_000, le=10_000), _BPS_DECIMALS]
OpeningOrSize = Annotated[Literal["opening"] | Decimal, BeforeValidator(_opening_or_size)]
Fraction = Annotated[DecimalText, Field(ge=0, le=1), _FRACTION_DECIMALS]
PositiveFraction = Annotated[DecimalText, Field(gt=0, le=1), _FRACTION_DECIMALS]
PositiveMs = Annotated[Integer, Field(gt=0, le=86_400_000)]
NonNegativeMs = Annotated[Integer, Field(ge=0, le=86_400_000)]

InstrumentName = Annotated[str, matching(_INSTRUMENT, "an instrument such as BTC-USDT")]
AssetName = Annotated[str, matching(_ASSET, "an asset such as USDT")]
QueueModelName = Annotated[
    str,
    matching(
        _QUEUE_MODEL,
        "pessimistic, optimistic, proportional, power:N (N from 1 to 9), log or log2",
    ),
]
ServerAddress = Annotated[
    str,
    matching(
        _SERVER_ADDRESS,
        "https://HOST[:PORT] or http://HOST[:PORT], and where its streams are elsewhere"
        " ,wss://HOST[:PORT] behind it",
    ),
]
ListenAddress = Annotated[
    str, matching(_LISTEN_ADDRESS, 'HOST:PORT such as "127.0.0.1:9464"'), _port_exists
]
UtcMinute = Annotated[str, matching(_UTC_MINUTE, 'a time of day in UTC such as "00:00"')]
SecretReference = Annotated[
    str,
    matching(
        _SECRET_REFERENCE,
        "a reference env:NAME, file:PATH or credential:NAME; a secret never stands in a profile",
        WITHHELD,
    ),
]
