"""The commands about profiles: check, profiles, schema, paths.

Owns their options and what they print. The profile's meaning is ``hftd/config``'s; nothing
here opens a socket.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from hftd.config.shelf import DEFAULT_PROFILE

ProfileArgument = Annotated[
    str, typer.Argument(metavar="PROFILE", help="Name of a profile, or path of its file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one value; may be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def check(
    profile: ProfileArgument = DEFAULT_PROFILE,
    sets: SetOption = None,
    tape: Annotated[
        Path | None,
        typer.Option(help="Recording to measure spreads and the quoting rule on."),
    ] = None,
    market: Annotated[
        str | None,
        typer.Option(
            help="Running market to measure on instead: a server's address, or 'running' for the"
            " exchange of the running instance of that name."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long to watch it.", min=1, max=86400)] = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Check a profile without trading: its values and where each was written,
    the limits in force, and what its orders and its rule are worth.

    Exits 78 for a profile that cannot be used, with one line that says where.
    """
    from hftd.cli.check_report import as_dict, as_text, measure
    from hftd.config.economics import require_tradable
    from hftd.config.load import load_profile
    from hftd.errors import UsageError

    loaded = load_profile(profile, sets=sets or (), environ=os.environ)
    if tape is not None and market is not None:
        raise UsageError("one of --tape and --market, not both")
    where = _running(loaded.name) if market == "running" else market
    report = measure(loaded, tape, where, seconds)
    print(json.dumps(as_dict(report), indent=2) if as_json else as_text(report))
    for economics in report.economics:
        require_tradable(economics.order, loaded)


def _running(name: str) -> str:
    """Return the address of the simulated exchange that an instance trades on now."""
    from hftd.errors import UsageError
    from hftd.runtime.children import running_exchange
    from hftd.runtime.exchange_state import read_listening
    from hftd.runtime.paths import InstancePaths

    folder = InstancePaths.locate(name).simex_dir
    listening = read_listening(folder)
    if listening is None or running_exchange(folder) != listening.pid:
        raise UsageError(f"--market running: no exchange runs for instance {name}: hftd start")
    return f"http://{listening.host}:{listening.port}"


def profiles(as_json: JsonOption = False) -> None:
    """List the profiles that can be named, with the file behind each.

    A profile of yours goes into ~/.config/hftd/NAME.yaml.
    """
    from hftd.config.load import load_profile
    from hftd.config.shelf import list_profiles
    from hftd.errors import ProfileError

    rows = []
    for found in list_profiles(os.environ):
        try:
            # By its path and without overrides: this tells of the file alone.
            says = load_profile(str(found.path), environ={}).profile.description
        except ProfileError as error:
            says = f"unusable: {error}"
        rows.append((found, says))
    if as_json:
        listed = [
            {
                "name": found.name,
                "path": str(found.path),
                "shipped": found.shipped,
                "default": found.name == DEFAULT_PROFILE,
                "description": says,
            }
            for found, says in rows
        ]
        print(json.dumps(listed, indent=2))
        return
    for found, says in rows:
        marks = ["shipped"] if found.shipped else []
        marks += ["default"] if found.name == DEFAULT_PROFILE else []
        print(f"{found.name} ({', '.join(marks)})" if marks else found.name)
        print(f"    {says}")
        print(f"    {found.path}")


def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="A table of every key, to be read.")
    ] = False,
) -> None:
    """Print the JSON Schema of a profile, for editors.

    Save it and name it in a profile's first line:
    # yaml-language-server: $schema=FILE
    """
    if markdown:
        from hftd.config.key_reference import markdown as key_table

        print(key_table(), end="")
        return
    from hftd.config.editor_schema import editor_schema

    print(json.dumps(editor_schema(), indent=2))


def paths(
    name: Annotated[
        str, typer.Option(help="Instance; by default the one of the default profile.")
    ] = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Say where an instance keeps its files and sockets, and where profiles are looked for."""
    from hftd.config.shelf import folders
    from hftd.runtime.paths import InstancePaths

    instance = InstancePaths.locate(name, os.environ)
    places = {
        "state": instance.state_dir,
        "journal": instance.journal_dir,
        "simex": instance.simex_dir,
        "ledger": instance.ledger_path,
        "log": instance.log_path,
        "latch": instance.latch_path,
        "runtime": instance.runtime_dir,
        "control_socket": instance.control_socket,
        "recorder_socket": instance.recorder_socket,
    }
    searched = [str(folder) for folder in folders(os.environ)]
    if as_json:
        found = {key: str(path) for key, path in places.items()}
        print(json.dumps({"instance": name, **found, "profiles": searched}, indent=2))
        return
    print(f"instance         {name}")
    for key, path in places.items():
        print(f"{key.replace('_', ' '):<17}{path}")
    for position, folder in enumerate(searched):
        print(f"{'profiles' if position == 0 else '':<17}{folder}")
