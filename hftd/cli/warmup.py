"""``hftd warmup``: compile the kernels of a profile before they are needed."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from hftd.config.shelf import DEFAULT_PROFILE


def warmup(
    profile: Annotated[
        str, typer.Argument(help="Profile whose kernels are compiled.")
    ] = DEFAULT_PROFILE,
) -> None:
    """Compile the kernels of a profile's strategy, for as many instruments as it has.

    Compiled kernels lie in a cache of your own; `hftd start` then begins at once.
    """
    from hftd.cli.start import warm
    from hftd.config.load import load_profile
    from hftd.runtime import kernel_cache

    kernel_cache.prepare()  # First: the file of a user's own kernel imports Numba.
    loaded = load_profile(profile, environ=os.environ)
    warm(loaded)
