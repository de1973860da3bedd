"""The catalogue of faults as text, at most 80 columns wide, and as JSON.

Owns layout; the catalogue is the exchange's.
"""

from __future__ import annotations

from textwrap import fill
from typing import Any

import msgspec

from hftd.errors import UsageError
from hftd.simex.fault_kinds import (
    CATALOGUE,
    FRAME,
    KINDS,
    MOMENT,
    OUT_OF_REACH,
    REQUEST,
    Kind,
    kinds_of,
)

WIDTH = 79
_NAME_COLUMNS = 24


def all_kinds() -> str:
    """Return every fault with its kinds, and every kind with what it does."""
    lines = []
    for fault, meaning in CATALOGUE.items():
        made = ", ".join(kinds_of(fault)) or f"out of reach: {OUT_OF_REACH[fault]}"
        lines.append(fill(f"{fault}  {meaning}: {made}", WIDTH, subsequent_indent=" " * 5))
    lines.append("")
    for name, kind in KINDS.items():
        indent = " " * _NAME_COLUMNS
        lines.append(fill(f"{name:<{_NAME_COLUMNS}}{kind.does}", WIDTH, subsequent_indent=indent))
    lines += ["", "hftd exchange-ctl kinds NAME shows one of them with an example."]
    return "\n".join(lines)


def one_kind(name: str) -> str:
    """Return all about one kind."""
    kind = KINDS.get(name)
    if kind is None:
        raise UsageError(f"`hftd exchange-ctl kinds` lists the kinds of fault, {name} is none")
    faults = ", ".join(f"{fault} {CATALOGUE[fault]}" for fault in kind.faults.split())
    words = [("what", kind.does), ("of", faults), ("when", _WHEN[kind.site])]
    if kind.match:
        words.append(("match", _braces(kind.match) + " unless told otherwise"))
    words += [(each, _default(kind, each)) for each in kind.reads]
    words += [
        ("truth", "clients are told what is not so" if kind.lies else "it is so at the exchange"),
        ("example", f"hftd exchange-ctl arm '{_example(name, kind)}' --state DIR"),
    ]
    indent = " " * 10
    rows = [fill(f"{word:<10}{text}", WIDTH, subsequent_indent=indent) for word, text in words]
    return "\n".join([name, *rows])


def kinds_as_json() -> dict[str, Any]:
    """Return both tables for programs."""
    return {
        "faults": {
            fault: {"meaning": meaning, "kinds": kinds_of(fault), "why": OUT_OF_REACH.get(fault)}
            for fault, meaning in CATALOGUE.items()
        },
        "kinds": {name: msgspec.to_builtins(kind) for name, kind in KINDS.items()},
    }


_WHEN = {
    REQUEST: "a request comes in: from_s, until_s, after, times, probability, match",
    MOMENT: "at from_s, again each every_s, or after a request that a match names: after, times, "
    "probability",
    FRAME: "a frame goes out: from_s, until_s, after, times, probability, match",
}


def _default(kind: Kind, name: str) -> str:
    defaults = {
        "for_ms": str(kind.for_ms),
        "size": str(kind.size),
        "value": kind.value,
        "skew_ms": "0",
        "symbol": "BTCUSDT",
        "account": "the first one's key",
    }
    return f"{defaults[name]} unless told otherwise"


def _example(name: str, kind: Kind) -> str:
    words = {"fault": name}
    if kind.site == REQUEST and not kind.match:
        words["match"] = "{request: order.place}"
    if kind.site == MOMENT:
        words["from_s"] = "5"
    if "skew_ms" in kind.reads:
        words["skew_ms"] = "2000"
    return _braces(words)


def _braces(words: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in words.items()) + "}"
