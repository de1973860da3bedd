"""Every key of a profile as one table, from the schema alone: README holds it, a test compares.

Owns the walk through the models and the table's form. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple, get_args

from pydantic.fields import FieldInfo

from hftd.config.live_keys import Taker, taker_of
from hftd.config.schema import Profile
from hftd.config.strategy_parameters import OWN_FORM
from hftd.config.values import Section, plain

# A key within a mapping by name: an instrument's limits, an asset's balance.
_EACH: Final = "NAME"
_DISCRIMINATORS: Final = ("kind", "source")
# The same keys as another section's, in its place.
_ALIKE: Final = {"instrument_strategy": "strategy"}


class Key(NamedTuple):
    """One key: dotted, with the kind that it belongs to, what holds without it, when it changes."""

    key: str
    kind: str
    default: str
    is_live: bool
    text: str


def keys() -> list[Key]:
    """Return every key of a profile, in the schema's order."""
    return list(_keys(Profile, "", ""))


def markdown() -> str:
    """Return the table as Markdown, a row a key."""
    rows = ["| key | default | changes | what it is |", "| --- | --- | --- | --- |"]
    for one in keys():
        of_kind = f" ({one.kind})" if one.kind else ""
        when = "live" if one.is_live else "start"
        text = " ".join(one.text.replace("``", "`").split())
        rows.append(f"| `{one.key}`{of_kind} | {one.default} | {when} | {text} |")
    return "\n".join(rows) + "\n"


def _keys(model: type[Section], prefix: str, kind: str) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        inner = list(dict.fromkeys(_sections(field.annotation)))
        if _is_derived(field):
            continue
        if not inner:
            live = taker_of(key) is not Taker.START
            yield Key(key, kind, _default(field), live, field.description or "")
        if name in _ALIKE:
            text = f"{field.description} Its keys are those of `{_ALIKE[name]}`."
            yield Key(f"{key}.{_EACH}", kind, _default(field), False, text)
            continue
        each = f"{_EACH}." if "dict" in str(field.annotation) else ""
        for section in inner:
            own = _kind_of(section) if len(inner) > 1 else ""
            yield from _keys(section, f"{key}.{each}", own or kind)


def _is_derived(field: FieldInfo) -> bool:
    return "never written in a profile" in (field.description or "")


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)


def _kind_of(section: type[Section]) -> str:
    for name in _DISCRIMINATORS:
        if name in section.model_fields:
            found = get_args(section.model_fields[name].annotation)
            return str(found[0]) if found else OWN_FORM
    return ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "as said"
    value = field.default
    if value is None or value == () or value == "":
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{plain(value) if isinstance(value, Decimal) else value}`"
