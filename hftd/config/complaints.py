"""From what pydantic found wrong to one line that a person can act on.

Owns the words: where it stands, which key, what would be right, what was found. Knows nothing
of how the tree was read. What may be a secret is never repeated.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hftd.config.tree import Branch, Items, Leaf, Node, Origin, find
from hftd.config.values import ELSEWHERE, WITHHELD
from hftd.errors import ProfileError

MAX_SHOWN: Final = 60
_DISCRIMINATORS: Final = ("kind", "source")
_NEVER_SHOWN: Final = ("api_key", "api_secret", "password")

_DECIMAL: Final = re.compile(r"Decimal\('(.*)'\)")  # So pydantic says a bound that is one.

# pydantic's error types and what would have been right, with the bounds it names.
_EXPECTED: Final = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
    "tuple_type": "a list such as [BTC-USDT]",
    "string_type": "a single value",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} item",
    "too_long": "at most {max_length} items",
}


def complain(error: ValidationError, tree: Branch, schema: type[BaseModel]) -> ProfileError:
    """Return the foremost mistake as a ProfileError, the others as its notes.

    Unknown keys come first, since a misspelled key is also a missing one.
    """
    # A default that is taken from another key fails only where that key does.
    details = [
        detail
        for detail in error.errors(include_url=False)
        if detail["type"] != "default_factory_not_called"
    ]
    details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
    complaints: list[ProfileError] = []
    suggested: list[str] = []
    for detail in details:
        complaint, suggestion = _complaint(detail, tree, schema)
        if detail["type"] == "missing" and complaint.key in suggested:
            continue
        complaints.append(complaint)
        if suggestion:
            suggested.append(suggestion)
    first, *others = complaints
    for other in others:
        first.add_note(str(other))
    return first


def no_such_key(key: str, known: Iterable[str]) -> str:
    """Say that ``key`` is none of ``known``, and which of them may have been meant."""
    near = nearest(key, known)
    if near is None:
        return f"no such key; there are {', '.join(known)}"
    return f"no such key; did you mean {near}?"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of ``known`` that was probably meant, or None."""
    matches = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def shown(text: str) -> str:
    """Return text from outside fit for one line of a message."""
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _complaint(
    detail: ErrorDetails, tree: Branch, schema: type[BaseModel]
) -> tuple[ProfileError, str | None]:
    kind, context = detail["type"], detail.get("ctx", {})
    path = _path(detail["loc"], tree)
    if kind == ELSEWHERE:
        path += [int(part) if part.isdigit() else part for part in context["key"].split(".")]
    elif kind.startswith("union_tag"):
        path.append(context["discriminator"].strip("'").removesuffix("()"))
    known = _section(schema, path, tree).model_fields
    node, key_origin = find(tree, path)
    if kind == "extra_forbidden":
        unknown = str(path[-1])
        near = nearest(unknown, known)
        suggestion = _dotted([*path[:-1], near]) if near is not None else None
        return _error(no_such_key(unknown, known), key_origin, path), suggestion
    if kind in ("missing", "union_tag_not_found"):
        expected = f"is required: {_described(known.get(str(path[-1])))}"
        return _error(expected, key_origin, path), None
    if path and node is find(tree, path[:-1])[0]:
        # A rule over several keys blames one that nobody wrote.
        return _error(_expected(detail), key_origin, path), None
    was = None if _withheld(detail, path) else _was(node)
    return _error(_expected(detail), node.origin, path, was), None


def _expected(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "union_tag_invalid":
        return "one of " + str(context["expected_tags"]).replace("'", "")
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if "expected" in context:
        return str(context["expected"])
    if kind in _EXPECTED:
        return _DECIMAL.sub(r"\1", _EXPECTED[kind].format(**context))
    return detail["msg"].lower()


def _path(loc: tuple[int | str, ...], tree: Branch) -> list[str | int]:
    """Turn pydantic's location into keys of the tree: it names union tags and keys as well."""
    path: list[str | int] = []
    for step in loc:
        node, _ = find(tree, path)
        if step != "[key]" and not _is_tag(node, step):
            path.append(step)
    return path


def _is_tag(node: Node, step: int | str) -> bool:
    return isinstance(node, Branch) and step not in node.children and step in _tags(node)


def _tags(node: Node) -> list[str]:
    children = node.children if isinstance(node, Branch) else {}
    chosen = [children.get(key) for key in _DISCRIMINATORS]
    return [leaf.text for leaf in chosen if isinstance(leaf, Leaf)]


def _section(schema: type[BaseModel], path: list[str | int], tree: Branch) -> type[BaseModel]:
    """Return the model that declares the last key of ``path``."""
    section = schema
    for depth, step in enumerate(path[:-1], start=1):
        field = section.model_fields.get(str(step))
        if field is None:
            # A free key, such as an instrument's: its mapping's values share one model.
            continue
        node, _ = find(tree, path[:depth])
        models = _models_in(field.annotation)
        fitting = [model for model in models if len(models) == 1 or _fits(model, node)]
        section = (fitting or models or [section])[0]
    return section


def _fits(model: type[BaseModel], node: Node) -> bool:
    fields = [model.model_fields[key] for key in _DISCRIMINATORS if key in model.model_fields]
    return any(tag in get_args(field.annotation) for field in fields for tag in _tags(node))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _withheld(detail: ErrorDetails, path: list[str | int]) -> bool:
    if detail["type"] == WITHHELD or detail.get("ctx", {}).get("withheld"):
        return True
    return any(step in _NEVER_SHOWN for step in path)


def _was(node: Node) -> str:
    if isinstance(node, Leaf):
        return shown(node.text) or "empty"
    return "a list" if isinstance(node, Items) else "a mapping"


def _described(field: FieldInfo | None) -> str:
    text = (field.description if field is not None else None) or "it has no default"
    return text[0].lower() + text[1:].rstrip(".")


def _dotted(path: list[str | int]) -> str:
    return ".".join(shown(str(step)) for step in path)


def _error(
    expected: str, at: Origin, path: list[str | int], was: str | None = None
) -> ProfileError:
    return ProfileError(
        expected, path=at.source, line=at.line, column=at.column, key=_dotted(path), was=was
    )
