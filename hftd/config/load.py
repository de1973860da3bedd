"""From a profile's name to a frozen, typed Profile in which every value knows its origin.

Owns the order of the layers (base files by ``extends``, the file, the environment, ``--set``;
later wins) and what needs the file system to be checked. Opens no socket. Must not know what
any value is used for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from hftd.config import own_strategy, preset_shelf, shelf, strict_yaml
from hftd.config.complaints import complain
from hftd.config.editor_schema import EXTENDS
from hftd.config.real_venue import BinanceVenue, is_loopback
from hftd.config.schema import (
    CONTROLS_MISSING_FOR_LIVE,
    AgentsMarket,
    Profile,
    SimexVenue,
    TapeMarket,
)
from hftd.config.tree import Branch, Leaf, Node, Origin, as_plain, find, lay_over, leaves
from hftd.config.values import plain
from hftd.errors import ProfileError, UsageError

MAX_EXTENDS: Final = 5
SYNTHETIC: Final = "synthetic"
_TAPE: Final = ("venue", "market", "path")
_PRESET: Final = ("venue", "market", "preset")
_TLS_CA: Final = ("venue", "tls_ca")


@dataclass(frozen=True, slots=True)
class LoadedProfile:
    """A profile with its name, the files it was built from and where each value was written.

    ``origins`` has every dotted key of the profile: ``FILE:LINE:COLUMN``, the name of an
    environment variable, ``--set`` or ``default``. ``config_hash`` follows the values alone.
    """

    name: str
    path: Path
    files: tuple[Path, ...]
    profile: Profile
    origins: Mapping[str, str]
    config_hash: str


def load_profile(
    name_or_path: str, *, sets: Iterable[str] = (), environ: Mapping[str, str]
) -> LoadedProfile:
    """Load a profile by name or path, with the overrides of ``environ`` and ``sets``.

    Raises: UsageError if there is no such profile; ProfileError for everything in it, one
    line that says where and what would be right, with further mistakes as notes.
    """
    found = shelf.find_profile(name_or_path, environ)
    tree, files = _read_chain(found.path, environ)
    for override in _overrides(sets, environ):
        tree = lay_over(tree, override)
    _refuse_live(tree)
    for key in (_TAPE, _PRESET, _TLS_CA):
        tree = _place(tree, files, key)
    tree = own_strategy.placed(own_strategy.merged(tree), lambda at: _folder_of(at, files))
    given = own_strategy.typed(tree, _mapping(tree))
    try:
        profile = Profile.model_validate(given)
    except ValidationError as error:
        raise complain(error, tree, Profile) from None
    _check_tape(profile, tree)
    _check_preset(profile, tree)
    _check_tls_ca(profile, tree)
    return LoadedProfile(
        found.name, files[0], files, profile, _origins(profile, tree), config_hash(profile)
    )


def config_hash(profile: Profile) -> str:
    """Return 16 hex digits of the profile's values: equal values, however written, are equal."""
    text = json.dumps(_canonical(profile.model_dump()), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tape_path(profile: Profile) -> Path | None:
    """Return the recording that the venue plays, or None if it plays none."""
    market = profile.venue.market if isinstance(profile.venue, SimexVenue) else None
    if not isinstance(market, TapeMarket):
        return None
    return shelf.SYNTHETIC_TAPE if market.path == SYNTHETIC else Path(market.path)


def _overrides(sets: Iterable[str], environ: Mapping[str, str]) -> list[Branch]:
    given = tuple(sets)
    if not given and not any(name.startswith("HFTD__") for name in environ):
        # pydantic-settings takes longer to import than a profile takes to load.
        return []
    from hftd.config import overrides

    layers = (overrides.from_environment(environ), overrides.from_sets(given))
    return [layer for layer in layers if layer is not None]


def _read_chain(path: Path, environ: Mapping[str, str]) -> tuple[Branch, tuple[Path, ...]]:
    """Read a file and all that it extends; the files are returned uppermost first."""
    files: list[Path] = []
    layers: list[Branch] = []
    following: Path | None = path
    while following is not None:
        files.append(following.resolve())
        tree = strict_yaml.read_file(
            following, shown=_shown(following), trusted=following.resolve().parent == shelf.SHIPPED
        )
        layers.append(tree)
        following = _base(tree, following, files, environ)
    merged = layers.pop()
    while layers:
        merged = lay_over(merged, layers.pop())
    children = {key: child for key, child in merged.children.items() if key != EXTENDS}
    return Branch(children, merged.origin, merged.key_origins), tuple(files)


def _base(tree: Branch, path: Path, files: list[Path], environ: Mapping[str, str]) -> Path | None:
    """Return the file that ``tree`` extends, or None."""
    extends = tree.children.get(EXTENDS)
    if extends is None:
        return None
    if not isinstance(extends, Leaf) or not extends.text:
        raise _error("a file beside this one, or the name of a profile", extends.origin, EXTENDS)
    base = path.parent / extends.text
    if not base.is_file():
        name = extends.text.removesuffix(shelf.SUFFIX)
        try:
            base = shelf.find_base(name, files, environ)
        except UsageError as error:
            expected = f"a file beside this one, or the name of a profile ({error})"
            raise _error(expected, extends.origin, EXTENDS, extends.text) from None
    if base.resolve() in files:
        raise _error("a chain without a cycle", extends.origin, EXTENDS, extends.text)
    if len(files) > MAX_EXTENDS:
        expected = f"a chain of at most {MAX_EXTENDS} profiles below the first"
        raise _error(expected, extends.origin, EXTENDS, extends.text)
    return base


def _refuse_live(tree: Branch) -> None:
    # On loopback no money is at stake: there the mode may be rehearsed.
    mode = tree.children.get("mode")
    server, _ = find(tree, ("venue", "rest_url"))
    rehearsal = isinstance(server, Leaf) and is_loopback(server.text)
    if isinstance(mode, Leaf) and mode.text == "live" and not rehearsal:
        expected = (
            "paper: live is refused until these controls stand (README names them): "
            f"{CONTROLS_MISSING_FOR_LIVE}"
        )
        raise _error(expected, mode.origin, "mode", "live")


def _place(tree: Branch, files: tuple[Path, ...], key: tuple[str, ...]) -> Branch:
    """Make a named file's path absolute: relative to the file that names it, or for overrides
    to where we stand; the name of a shipped one stays.
    """
    node, _ = find(tree, key)
    if not isinstance(node, Leaf) or find(tree, key[:-1])[0] is node:
        return tree
    shipped = (key == _TAPE and node.text == SYNTHETIC) or (
        key == _PRESET and not preset_shelf.is_path(node.text)
    )
    if not node.text or shipped:
        return tree
    folder = _folder_of(node.origin, files)
    placed: Node = Leaf(str((folder / Path(node.text).expanduser()).resolve()), node.origin)
    for part in reversed(key):
        placed = Branch({part: placed}, Origin(""))
    assert isinstance(placed, Branch)
    return lay_over(tree, placed)


def _folder_of(origin: Origin, files: tuple[Path, ...]) -> Path:
    """Return what a path written there is relative to."""
    named_in = [file for file in files if _shown(file) == origin.source]
    return named_in[0].parent if named_in else Path.cwd()


def _mapping(tree: Branch) -> dict[str, Any]:
    plain_tree = as_plain(tree)
    assert isinstance(plain_tree, dict), "a profile's root is a mapping"
    return dict(plain_tree)


def _check_tape(profile: Profile, tree: Branch) -> None:
    path = tape_path(profile)
    if path is None or path.is_file():
        return
    node, origin = find(tree, _TAPE)
    at = node.origin if isinstance(node, Leaf) else origin
    raise _error("a recording that exists", at, ".".join(_TAPE), str(path))


def _check_preset(profile: Profile, tree: Branch) -> None:
    """Refuse a preset that is not there, or with a mistake in its own file."""
    market = profile.venue.market if isinstance(profile.venue, SimexVenue) else None
    if not isinstance(market, AgentsMarket):
        return
    try:
        preset_shelf.load_preset(market.preset)
    except UsageError as error:
        node, origin = find(tree, _PRESET)
        at = node.origin if isinstance(node, Leaf) else origin
        raise _error(str(error), at, ".".join(_PRESET)) from None


def _check_tls_ca(profile: Profile, tree: Branch) -> None:
    path = profile.venue.tls_ca if isinstance(profile.venue, BinanceVenue) else None
    if path is None or Path(path).is_file():
        return
    node, origin = find(tree, _TLS_CA)
    at = node.origin if isinstance(node, Leaf) else origin
    raise _error("a file of certificates in PEM that exists", at, ".".join(_TLS_CA), path)


def _origins(profile: Profile, tree: Branch) -> dict[str, str]:
    written = {key: str(leaf.origin) for key, leaf in leaves(tree)}
    found = {key: written.get(key, "default") for key, _ in flatten(profile)}
    return found | own_strategy.origins(profile.strategy, found)


def flatten(profile: Profile) -> list[tuple[str, Any]]:
    """Return every value of the profile with its dotted key, in the schema's order."""
    return list(_flat(profile.model_dump(), ""))


def _flat(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, tuple | list):
        pairs = {str(index): item for index, item in enumerate(value)}.items()
    else:
        return [(prefix, value)]
    return [
        found
        for key, child in pairs
        for found in _flat(child, f"{prefix}.{key}" if prefix else str(key))
    ]


def _canonical(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {key: _canonical(child) for key, child in value.items()}
    if isinstance(value, tuple | list):
        return [_canonical(child) for child in value]
    return value


def _shown(path: Path) -> str:
    """Return the shorter of a path's absolute form and its form from here."""
    absolute = path.resolve()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def _error(expected: str, at: Origin, key: str, was: str | None = None) -> ProfileError:
    return ProfileError(expected, path=at.source, line=at.line, column=at.column, key=key, was=was)
