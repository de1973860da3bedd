"""Values from outside the file: ``HFTD__RISK__MAX_POSITION_BASE`` and ``--set KEY=VALUE``.

Owns how both become a tree like a file's, so that one schema check and one way of naming what
is wrong serve all three. Knows nothing of files.

pydantic-settings takes the environment apart (nesting, JSON for lists and mappings). By itself
it could neither say where a value stands nor refuse a name it does not know, it drops those;
so its result becomes a tree whose origins are the variables' names, the names are checked here
against the profile's top-level keys, and everything deeper meets the schema with the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from hftd.config import strict_yaml
from hftd.config.complaints import no_such_key
from hftd.config.schema import Profile
from hftd.config.tree import Branch, Items, Leaf, Node, Origin, lay_over, nested
from hftd.errors import ProfileError, UsageError

ENVIRONMENT_PREFIX: Final = "HFTD__"
SET: Final = "--set"
_NAMED: Final = (("instrument_limits",), ("instrument_strategy",), ("venue", "opening_balances"))


class _ProfileSettings(BaseSettings, Profile):
    """The profile's keys in the form that pydantic-settings reads."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__")


class _Environment(EnvSettingsSource):
    """pydantic-settings' reading of a given environment instead of the process's own."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in environ.items()}
        super().__init__(_ProfileSettings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given


def from_environment(environ: Mapping[str, str]) -> Branch | None:
    """Return what the environment overrides, or None if it holds no such variable."""
    names = sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX))
    if not names:
        return None
    spelled: dict[str, str] = {}
    for name in names:
        _check_name(name)
        other = spelled.setdefault(name.lower(), name)
        if other != name:
            raise ProfileError(f"each variable once, was {other} as well", path=name)
    try:
        values = _Environment({name: environ[name] for name in names})()
    except SettingsError:
        # Its message repeats the value; ours names the variables that may hold lists.
        expected = 'JSON for a list or mapping, such as ["BTC-USDT"]'
        raise ProfileError(expected, path=" ".join(names)) from None
    tree = _tree(values, (), spelled)
    assert isinstance(tree, Branch)
    return tree


def from_sets(sets: Iterable[str]) -> Branch | None:
    """Return what ``--set KEY=VALUE`` overrides, later ones over earlier, or None for none.

    Raises: UsageError for what is no such pair, ProfileError for a pair that cannot be.
    """
    tree: Branch | None = None
    for text in sets:
        key, equals, value = text.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path):
            # What was given is not repeated: it may hold a secret.
            raise UsageError(f"{SET}: KEY=VALUE with a dotted key, such as risk.max_open_orders=4")
        if path[0] not in Profile.model_fields:
            raise ProfileError(no_such_key(path[0], Profile.model_fields), path=SET, key=key)
        origin = Origin(SET)
        layer = nested(path, _set_value(key, value.strip(), origin), origin)
        tree = layer if tree is None else lay_over(tree, layer)
    return tree


def _set_value(key: str, text: str, origin: Origin) -> Node:
    if not text.startswith(("[", "{")):
        return Leaf(text, origin)
    # Lists and mappings are written as in the file; only their places mean nothing here.
    try:
        holder = strict_yaml.parse(f"value: {text}", SET)
    except ProfileError as error:
        raise ProfileError(error.expected, path=SET, key=key, was=error.was) from None
    return _placed(holder.children["value"], origin)


def _placed(node: Node, origin: Origin) -> Node:
    if isinstance(node, Leaf):
        return Leaf(node.text, origin)
    if isinstance(node, Items):
        return Items(tuple(_placed(item, origin) for item in node.items), origin)
    children = {key: _placed(child, origin) for key, child in node.children.items()}
    return Branch(children, origin, dict.fromkeys(children, origin))


def _check_name(name: str) -> None:
    head, *rest = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    if head not in Profile.model_fields:
        raise ProfileError(no_such_key(head, Profile.model_fields), path=name, key=head)
    if not all(rest):
        raise ProfileError("HFTD__SECTION__KEY with both parts", path=name)


def _tree(value: Any, path: tuple[str, ...], spelled: Mapping[str, str]) -> Node:
    origin = Origin(_variable(path, spelled))
    if isinstance(value, dict):
        # Names of instruments and assets are upper case; pydantic-settings lowers variables.
        keys = {(key.upper() if path in _NAMED else key): key for key in value}
        children = {name: _tree(value[key], (*path, key), spelled) for name, key in keys.items()}
        origins = {name: Origin(_variable((*path, key), spelled)) for name, key in keys.items()}
        return Branch(children, origin, origins)
    if isinstance(value, list):
        return Items(tuple(_tree(item, path, spelled) for item in value), origin)
    if isinstance(value, bool):
        return Leaf("true" if value else "false", origin)
    return Leaf(str(value), origin)


def _variable(path: tuple[str, ...], spelled: Mapping[str, str]) -> str:
    """Return the variable that set ``path`` or something above or below it."""
    wanted = ENVIRONMENT_PREFIX.lower() + "__".join(path)
    for name in spelled:
        if name == wanted or wanted.startswith(f"{name}__") or name.startswith(f"{wanted}__"):
            return spelled[name]
    return ENVIRONMENT_PREFIX.rstrip("_")
