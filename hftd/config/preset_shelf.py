"""Where market presets are kept, and how one is read.

Owns the shipped folder, the way from a name or a path to a file, and ``extends`` between
presets. Knows nothing of what a preset means.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationError

import hftd
from hftd.config import strict_yaml
from hftd.config.complaints import complain, nearest, shown
from hftd.config.market_preset import MarketPreset
from hftd.config.tree import Branch, Leaf, Origin, as_plain, lay_over
from hftd.errors import ProfileError, UsageError

SHIPPED: Final = (Path(hftd.__file__).parent / "data" / "presets").resolve()
SUFFIXES: Final = (".yaml", ".yml")
MAX_EXTENDS: Final = 5
_EXTENDS: Final = "extends"


def names() -> tuple[str, ...]:
    """Return the shipped presets' names, sorted."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def is_path(name_or_path: str) -> bool:
    """Tell whether a preset is given by its file rather than by its name."""
    return "/" in name_or_path or name_or_path.endswith(SUFFIXES)


def find_preset(name_or_path: str) -> Path:
    """Return the file of a preset; raises UsageError with the nearest name where none is."""
    if is_path(name_or_path):
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            raise UsageError(f"no preset file {shown(name_or_path)}")
        return path
    known = names()
    if name_or_path in known:
        return SHIPPED / f"{name_or_path}.yaml"
    near = nearest(name_or_path, known)
    meant = f"did you mean {near}? " if near else ""
    raise UsageError(
        f"no preset {shown(name_or_path)}; {meant}"
        f"there are {', '.join(known)}, or the path of a file of your own"
    )


def load_preset(name_or_path: str) -> MarketPreset:
    """Read a preset by name or path.

    Raises: UsageError where there is none; ProfileError for everything in it, one line that
    says where and what would be right.
    """
    tree = _read(find_preset(name_or_path), ())
    try:
        return MarketPreset.model_validate(as_plain(tree))
    except ValidationError as error:
        raise complain(error, tree, MarketPreset) from None


def _read(path: Path, above: tuple[Path, ...]) -> Branch:
    # Our own folder is trusted: who can change it can change the code as well.
    resolved = path.resolve()
    tree = strict_yaml.read_file(path, shown=str(path), trusted=resolved.parent == SHIPPED)
    extends = tree.children.get(_EXTENDS)
    if extends is None:
        return tree
    if not isinstance(extends, Leaf) or not extends.text:
        raise _refused("a preset's name, or a file beside this one", extends.origin, None)
    if resolved in above or len(above) == MAX_EXTENDS:
        expected = f"a chain of at most {MAX_EXTENDS} presets without a cycle"
        raise _refused(expected, extends.origin, extends.text)
    named = str(path.parent / extends.text) if is_path(extends.text) else extends.text
    try:
        base = find_preset(named)
    except UsageError as error:
        expected = f"a preset's name, or a file beside this one ({error})"
        raise _refused(expected, extends.origin, extends.text) from None
    own = {key: child for key, child in tree.children.items() if key != _EXTENDS}
    return lay_over(_read(base, (*above, resolved)), Branch(own, tree.origin, tree.key_origins))


def _refused(expected: str, at: Origin, was: str | None) -> ProfileError:
    return ProfileError(
        expected, path=at.source, line=at.line, column=at.column, key=_EXTENDS, was=was
    )
