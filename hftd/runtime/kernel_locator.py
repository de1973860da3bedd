"""How Numba asks where a kernel's machine code is kept; `kernel_cache.prepare` names this class.

Owns the answer to that question for one kernel. Must not know how keys are made. Numba imports
this file itself, by NUMBA_CACHE_LOCATOR_CLASSES, when the first kernel is decorated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import UserProvidedCacheLocator

import hftd
from hftd.runtime import kernel_cache


class KernelLocator(UserProvidedCacheLocator):  # type: ignore[misc]  # Numba is not typed.
    """The folder of one kernel: that of its file's key, below NUMBA_CACHE_DIR."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = os.path.join(numba.config.CACHE_DIR, _key(Path(py_file)))

    def ensure_cache_path(self) -> None:
        """Make the folder, and mark it as used, so that it is not dropped as old."""
        super().ensure_cache_path()
        os.utime(self._cache_path)

    def get_source_stamp(self) -> str:
        """Return the folder's name: it holds the sources' hash, so their dates say nothing.

        By date, a fresh checkout of the same sources would compile everything again.
        """
        return os.path.basename(self._cache_path)


def _key(path: Path) -> str:
    keys = kernel_cache.kernel_keys()
    if path not in keys:
        return _foreign_key(path)
    return keys[path]


def _foreign_key(path: Path) -> str:
    """Return the key of a kernel outside the package: a test's, or a user's own strategy's."""
    sources = kernel_cache.Sources(Path(hftd.__file__).parent, path)
    return sources.key_of(path, kernel_cache.machine_facts(os.environ))
