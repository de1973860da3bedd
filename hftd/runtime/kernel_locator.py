"""How Numba asks where a kernel's machine code is kept; `kernel_cache.prepare` names this class.

Owns the answer to that question for one kernel, and whether what is kept there is still what was
written. Must not know how keys are made. Numba imports this file itself, by
NUMBA_CACHE_LOCATOR_CLASSES, when the first kernel is decorated.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core import caching
from numba.core.caching import UserProvidedCacheLocator

import hftd
from hftd.runtime import kernel_cache

DIGEST_BYTES = 16  # Behind what Numba writes; to unpickle stops before it.


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


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _is_whole(content: bytes) -> bool:
    return _digest(memoryview(content)[:-DIGEST_BYTES]) == content[-DIGEST_BYTES:]


class WholeFiles(caching.IndexDataCacheFile):  # type: ignore[misc]  # Numba is not typed.
    """The files of one kernel's machine code: what is not whole counts as not there.

    A loss of power soon after a first start leaves files empty, short or with zeros in them. Numba
    itself (0.68) raises at the first two, so that no start would come about until somebody deleted
    the cache, and runs the third. And of two processes that compile for two shapes at once, one
    may put its code where the other's index has its own: a file says besides what it was made for.
    """

    def save(self, key: Any, data: Any) -> None:
        """Keep machine code with what it was made for."""
        super().save(key, (key, data))

    def load(self, key: Any) -> Any:
        """Return the machine code made for a key, None where there is none, or none to trust."""
        kept = super().load(key)
        return kept[1] if kept is not None and kept[0] == key else None

    def _load_index(self) -> Any:
        try:
            whole = _is_whole(Path(self._index_path).read_bytes())
            return super()._load_index() if whole else {}
        except FileNotFoundError:
            return {}

    def _load_data(self, name: str) -> Any:
        path = self._data_path(name)
        content = Path(path).read_bytes()
        if not _is_whole(content):
            raise FileNotFoundError(path)  # As one that is gone: it is compiled and written anew.
        # As Numba does, which would read megabytes a second time; the folder is ours alone.
        return pickle.loads(content)  # noqa: S301

    @contextlib.contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        content = io.BytesIO()
        with super()._open_for_write(filepath) as file:
            yield content
            file.write(content.getvalue() + _digest(content.getvalue()))


# Numba lets the folder be chosen, and not how a file in it is read.
caching.IndexDataCacheFile = WholeFiles
