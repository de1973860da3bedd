"""``hftd strategies``: which strategies there are, and what a profile may tell each.

Owns what is printed of them; the parameters are the models' of ``hftd/config``.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

_WIDTH = 80


def strategies(
    file: Annotated[
        Path | None, typer.Argument(help="A file of your own; else the built-in ones.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the strategies, built in or of a file of yours, with their parameters."""
    models = built_in() if file is None else own(file)
    if as_json:
        listed = {kind: describe(model) for kind, model in models.items()}
        print(json.dumps(listed, indent=2))
        return
    for kind, model in models.items():
        print(kind)
        print(*textwrap.wrap(summary(model), _WIDTH, **_indent(4)), sep="\n")
        for key, words in describe(model)["parameters"].items():
            default = "optional" if words["default"] is None else f"default {words['default']}"
            print(f"    {key} ({'required' if words['required'] else default})")
            print(*textwrap.wrap(words["description"], _WIDTH, **_indent(8)), sep="\n")


def built_in() -> dict[str, type[BaseModel]]:
    """Return the models of the built-in strategies by kind."""
    from hftd.config.strategy_parameters import BUILT_IN

    return dict(BUILT_IN)


def own(file: Path) -> dict[str, type[BaseModel]]:
    """Return the strategies of a file by the kind that a profile would name.

    Raises: UsageError where the file cannot be used.
    """
    from hftd.config import own_strategy
    from hftd.errors import UsageError

    path = file.expanduser()
    try:
        found = own_strategy.classes_in(own_strategy.Source(path, own_strategy.read(path)))
    except own_strategy.Unusable as error:
        raise UsageError(f"FILE must be {error}") from None
    if not found:
        raise UsageError(f"FILE must have a class that is a Strategy, was {path}")
    return {f"{path}:{name}": model for name, model in found.items()}


def describe(model: type[BaseModel]) -> dict[str, Any]:
    """Return what a strategy is for, and each of its parameters."""
    return {
        "description": summary(model),
        "parameters": {
            key: {
                "required": field.is_required(),
                "default": None if field.default_factory or field.is_required() else _text(field),
                "description": field.description or "",
            }
            for key, field in model.model_fields.items()
            if key != "kind"
        },
    }


def summary(model: type[BaseModel]) -> str:
    """Return the first paragraph of a strategy's own words."""
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def _text(field: Any) -> str | None:
    from decimal import Decimal

    from hftd.config.values import plain

    value = field.default
    if isinstance(value, Decimal):
        return plain(value)
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _indent(columns: int) -> dict[str, Any]:
    return {"initial_indent": " " * columns, "subsequent_indent": " " * columns}
