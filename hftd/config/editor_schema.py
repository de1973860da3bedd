"""The profile as a JSON Schema, so that an editor can complete and check while one types.

Owns the differences between the models and a file: a file may extend another, and pydantic
names some bounds by its own words. Knows nothing of loading. Pure.
"""

from __future__ import annotations

from typing import Any, Final

from hftd.config.schema import Profile

EXTENDS: Final = "extends"

# Where a validator of ours stands before a bound, pydantic writes the bound's Python name.
_STANDARD_NAMES: Final = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
}


def editor_schema() -> dict[str, Any]:
    """Return the JSON Schema of a profile's file."""
    schema: dict[str, Any] = _renamed(Profile.model_json_schema())
    schema["title"] = "hftd profile"
    # What a file extends is not part of the profile that it becomes.
    schema["properties"][EXTENDS] = {
        "type": "string",
        "description": "File beside this one, or name of a profile, that this one builds on.",
    }
    # What is required of the whole may stand in the file that is extended.
    sections = schema["$defs"]
    whole: dict[str, Any] = {"required": schema.pop("required"), "properties": {}}
    for key, declared in schema["properties"].items():
        section = sections.get(str(declared.get("$ref")).rpartition("/")[2], {})
        if "required" in section:
            whole["properties"][key] = {"required": section["required"]}
    for section in sections.values():
        section.pop("required", None)
    return schema | {"if": {"not": {"required": [EXTENDS]}}, "then": whole}


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        bound = "type" in value or "anyOf" in value
        return {
            (_STANDARD_NAMES.get(key, key) if bound else key): _number(key, _renamed(child))
            for key, child in value.items()
        }
    return [_renamed(child) for child in value] if isinstance(value, list) else value


def _number(key: str, value: Any) -> Any:
    # Decimal bounds are written as text, which JSON Schema does not compare.
    return float(value) if key in _STANDARD_NAMES and isinstance(value, str) else value
