"""``hftd systemd``: print the units that travel with the code, or put them where they belong.

Owns the names and places of the units' files and the path of hftd inside them. Starts and
enables nothing: the commands for that are printed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from hftd.errors import UsageError
from hftd.runtime.paths import shipped

# Path of hftd in the shipped units, and where each file goes below the root.
UNIT_COMMAND: Final = "/usr/local/bin/hftd"
PLACES: Final = {
    "hftd@.service": "etc/systemd/system/hftd@.service",
    "hftd-exchange@.service": "etc/systemd/system/hftd-exchange@.service",
    "hftd.sysusers": "etc/sysusers.d/hftd.conf",
    "hftd.tmpfiles": "etc/tmpfiles.d/hftd.conf",
}
_NEXT: Final = """\
Next, as root:
  systemd-sysusers && systemd-tmpfiles --create
  systemctl daemon-reload
  systemctl enable --now hftd@canary
A profile of yours goes into /etc/hftd/NAME.yaml and runs as hftd@NAME."""

app = typer.Typer(rich_markup_mode=None)

CommandOption = Annotated[
    Path | None,
    typer.Option("--command", help="Path of hftd in the units; by default, of this one."),
]


@app.callback()
def systemd() -> None:
    """Print or install the units hftd@.service and hftd-exchange@.service."""


@app.command("print")
def print_units(
    unit: Annotated[
        str, typer.Argument(help=f"One of {', '.join(PLACES)}; by default the first.")
    ] = "hftd@.service",
    command: CommandOption = None,
) -> None:
    """Print one unit with the path of this hftd in it."""
    if unit not in PLACES:
        raise UsageError(f"no unit {unit}; there are {', '.join(PLACES)}")
    print(_text(unit, _command(command)), end="")


@app.command()
def install(
    root: Annotated[Path, typer.Option(help="Folder that stands for /.")] = Path("/"),
    command: CommandOption = None,
) -> None:
    """Write the units, the user and the folders for systemd below /etc.

    Files that are as they should be are left alone; nothing is started.
    """
    path = _command(command)
    for unit, place in PLACES.items():
        changed = _write(root / place, _text(unit, path))
        print(f"{'written  ' if changed else 'unchanged'}  {root / place}")
    for line in _warnings(path):
        print(line)
    print(_NEXT)


def _text(unit: str, command: Path) -> str:
    text = (shipped("systemd") / unit).read_text()
    return text.replace(UNIT_COMMAND, str(command))


def _command(given: Path | None) -> Path:
    """Return the absolute path that the units shall start."""
    if given is None:
        beside = Path(sysconfig.get_path("scripts")) / "hftd"
        found = str(beside) if beside.exists() else shutil.which("hftd")
        given = Path(found or UNIT_COMMAND)
    path = given.absolute()
    if shlex.quote(str(path)) != str(path) or "%" in str(path):
        raise UsageError(
            f"a unit needs a path without spaces or quotes for hftd, was {path}; "
            "name one: --command PATH"
        )
    return path


def _write(path: Path, text: str) -> bool:
    """Write a file whole or not at all; say whether it had to be written."""
    try:
        if path.is_file() and path.read_text() == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(text)
        draft.chmod(0o644)
        os.replace(draft, path)
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise UsageError(f"{path} cannot be written: {reason}; run it as root") from None
    return True


def _warnings(command: Path) -> Iterator[str]:
    if not os.access(command, os.X_OK):
        yield f"Note: {command} is not there yet, or may not be run."
    if command.is_relative_to("/home") or command.is_relative_to("/root"):
        yield f"Note: the units hide home folders; hftd must not live in {command.parent}."
