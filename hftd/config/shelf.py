"""Where profiles are kept, by name.

Owns the order in which the folders are searched and the list of what is in them. Knows nothing
of what stands in a profile.

    1. $CONFIGURATION_DIRECTORY     set by systemd
    2. $XDG_CONFIG_HOME/hftd        the user's own, else ~/.config/hftd
    3. /etc/hftd                    the host's
    4. shipped                      beside the code
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import hftd
from hftd.config.complaints import nearest, shown
from hftd.errors import UsageError

DEFAULT_PROFILE: Final = "canary"
SUFFIX: Final = ".yaml"
SHIPPED: Final = (Path(hftd.__file__).parent / "_shipped" / "profiles").resolve()
SYNTHETIC_TAPE: Final = (Path(hftd.__file__).parent / "data" / "synthetic-btcusdt.gz").resolve()
_HOST: Final = Path("/etc/hftd")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")


@dataclass(frozen=True, slots=True)
class Shelved:
    """A profile that can be named: its name and its file."""

    name: str
    path: Path

    @property
    def shipped(self) -> bool:
        """Whether it came with the code."""
        return self.path.parent == SHIPPED


def folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders that are searched, first to last; they need not exist."""
    own = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '/nonexistent')}/.config"
    named = environ.get("CONFIGURATION_DIRECTORY", "")
    systemd = tuple(Path(folder) for folder in named.split(":") if folder)
    return (*systemd, Path(own) / "hftd", _HOST, SHIPPED)


def find_profile(name_or_path: str, environ: Mapping[str, str]) -> Shelved:
    """Return the profile of that name, or the file of that path.

    Raises: UsageError when there is none, with the nearest name.
    """
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        if not os.path.exists(path):
            raise UsageError(f"no profile file {shown(name_or_path)}")
        return Shelved(path.stem, path)
    for path in _named(name_or_path, environ):
        return Shelved(name_or_path, path)
    names = [found.name for found in list_profiles(environ)]
    near = nearest(name_or_path, names)
    meant = f"did you mean {near}?" if near else f"there are {', '.join(names)}"
    raise UsageError(f"no profile {shown(name_or_path)}; {meant}")


def find_base(name: str, chain: Collection[Path], environ: Mapping[str, str]) -> Path:
    """Return the file that a profile extends by name.

    The first that is not in the ``chain`` of those read already: so a host's own canary.yaml
    can extend the shipped canary. Raises: UsageError, as ``find_profile`` does.
    """
    for path in _named(name, environ):
        if path.resolve() not in chain:
            return path
    return find_profile(name, environ).path


def _named(name: str, environ: Mapping[str, str]) -> Iterator[Path]:
    if _NAME.fullmatch(name):
        for folder in folders(environ):
            # os.path.exists: a folder that we may not enter, /etc/hftd say, holds nothing.
            path = folder / f"{name}{SUFFIX}"
            if os.path.exists(path):
                yield path


def list_profiles(environ: Mapping[str, str]) -> list[Shelved]:
    """Return every profile that a name reaches, sorted by name; the first folder wins."""
    found: dict[str, Shelved] = {}
    for folder in folders(environ):
        for path in sorted(folder.glob(f"*{SUFFIX}")) if os.path.isdir(folder) else []:
            if _NAME.fullmatch(path.stem):
                found.setdefault(path.stem, Shelved(path.stem, path))
    return [found[name] for name in sorted(found)]
