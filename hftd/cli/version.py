"""``hftd version``: which code runs, on what."""

from __future__ import annotations

import json
import platform
from typing import Annotated

import typer

import hftd


def version(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the version of hftd, of Python and of the system."""
    facts = {
        "version": hftd.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    if as_json:
        print(json.dumps(facts))
    else:
        print(f"hftd {facts['version']}, Python {facts['python']}, {facts['system']}")
