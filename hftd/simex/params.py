"""The parameters of one request, read as the protocol reads them.

Owns presence, type and completeness checks of parameters. Knows no endpoint and no account.
A reader raises ``Refused``; the one place that answers requests catches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar
from urllib.parse import unquote_plus

import msgspec

from hftd.simex import refusals
from hftd.simex.numbers import atoms_of
from hftd.simex.refusals import Refusal, Refused

SECURITY = ("timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits")
"""Parameters that authentication and the frame around it read, whatever the endpoint."""

MAX_INT = 2**63 - 1

_MICROSECONDS_FROM = 10**14
"""Times at or above this are microseconds; as milliseconds they lie in the year 5138."""

E = TypeVar("E", bound=Enum)


_id = msgspec.json.Decoder(int | str | None)
_text = msgspec.json.Decoder(str)

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder raises at what is no JSON, no text, or nested too deep."""


class Params:
    """Parameters by name, in text; remembers which were read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self._unread = {name: None for name in values if name not in SECURITY}

    def text(self, name: str) -> str | None:
        """Return a parameter, None where it is missing or empty."""
        self._unread.pop(name, None)
        return self.values.get(name) or None

    def required(self, name: str) -> str:
        """Return a parameter that must be there."""
        value = self.text(name)
        if value is None:
            raise Refused(refusals.mandatory(name))
        return value

    def integer(self, name: str, default: int) -> int:
        """Return a whole number at or above 0, the default where it is missing."""
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit()):
            raise Refused(refusals.illegal(name, "^[0-9]{1,20}$"))
        number = int(value)
        if number > MAX_INT:
            raise Refused(refusals.invalid(name))
        return number

    def atoms(self, name: str) -> int:
        """Return a decimal in atoms, 0 where it is missing; 0 itself is refused."""
        value = self.text(name)
        if value is None:
            return 0
        atoms = atoms_of(name, value)
        if isinstance(atoms, Refusal):
            raise Refused(atoms)
        if atoms == 0:
            raise Refused(refusals.invalid(name))
        return atoms

    def choice(self, name: str, kind: type[E], default: E | None, refusal: Refusal) -> E:
        """Return an enumerated parameter; mandatory where there is no default."""
        value = self.text(name)
        if value is None:
            if default is None:
                raise Refused(refusals.mandatory(name))
            return default
        try:
            return kind(value)
        except ValueError:
            raise Refused(refusal) from None

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean in text."""
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise Refused(refusals.invalid(name))
        return value.lower() == "true"

    def symbols(self, name: str) -> list[str] | None:
        """Return a JSON list of texts, None where it is missing."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return msgspec.json.decode(value, type=list[str])
        except msgspec.DecodeError:
            raise Refused(refusals.illegal(name, '^\\["[A-Z0-9-_.]{1,20}"...\\]$')) from None

    def forbid(self, *names: str) -> None:
        """Refuse parameters that this kind of request may not have."""
        for name in names:
            if self.text(name) is not None:
                raise Refused(refusals.not_required(name))

    def ignore(self, *names: str) -> None:
        """Take parameters as read that have no effect here."""
        for name in names:
            self._unread.pop(name, None)

    def done(self) -> None:
        """Refuse what nobody read; call it before anything is changed."""
        if self._unread:
            sent = len([name for name in self.values if name not in SECURITY])
            raise Refused(refusals.unread(sent - len(self._unread), sent))


def from_form(query: str, body: str) -> dict[str, str]:
    """Return the parameters of query and form body; on a name in both the query wins."""
    values: dict[str, str] = {}
    for source in (query, body):
        seen: dict[str, str] = {}
        for pair in source.split("&"):
            if not pair:
                continue
            name, _, value = pair.partition("=")
            name = printable(unquote_plus(name))
            if name in seen:
                raise Refused(refusals.duplicate(name))
            seen[name] = printable(unquote_plus(value))
        values = {**seen, **values}
    return values


def to_ms(time: int) -> int:
    """Return a time that came in milliseconds or in microseconds as milliseconds."""
    return time // 1000 if _MICROSECONDS_FROM <= time < MAX_INT else time


def printable(text: str) -> str:
    """Return text that can be said back: what is no Unicode becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def from_json(raw: Mapping[str, msgspec.Raw]) -> dict[str, str]:
    """Return WS-API parameters in the textual form that is signed.

    A string stands for itself, a number for its literal, null for nothing sent.
    """
    values: dict[str, str] = {}
    for name, literal in raw.items():
        text = bytes(literal)
        if text == b"null":
            continue
        if text.startswith(b'"'):
            values[name] = _text.decode(text)
        else:
            values[name] = text.decode()
    return values


def check_id(raw: msgspec.Raw) -> None:
    """Let an id pass that is a whole number, text or null, so that it can be echoed as it came.

    Raises what the decoder raises: it has looked at the id's brackets and quotes alone.
    """
    _id.decode(raw)
