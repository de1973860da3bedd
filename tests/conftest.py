"""What all tests share: the kernel cache and how hypothesis looks for trouble.

The cache folder has to be named before anything imports Numba, and pytest reads this file
before any test module. Kernels run compiled unless NUMBA_DISABLE_JIT=1 says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from hftd.runtime import kernel_cache

kernel_cache.prepare()

if TYPE_CHECKING:
    from tests.postgres import Postgres

# The first call of a kernel compiles it: a deadline would judge the compiler.
settings.register_profile("hftd", deadline=None, print_blob=True)
settings.load_profile("hftd")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One Postgres server for all tests that ask for it; each makes a database of its own."""
    from tests.postgres import Postgres

    server = Postgres()
    yield server
    server.close()
