"""The pages of a mapped file: have the kernel make them writable, or bring them to the disk.

Both may wait for the disk, and neither keeps the interpreter meanwhile, as mmap's own methods do.
Knows addresses alone.
"""

from __future__ import annotations

import ctypes
import mmap
import os

_POPULATE_WRITE = 23  # madvise(2), since Linux 5.14.
_SYNC = 4  # msync(2), MS_SYNC.
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.madvise.argtypes = _LIBC.msync.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def address_of(mapped: mmap.mmap) -> int:
    """Return where a file is mapped for writing; good until it is closed."""
    return ctypes.addressof(ctypes.c_char.from_buffer(mapped))


def make_writable(address: int, size_bytes: int) -> None:
    """Let the next write to each of these pages be no page fault; a kernel may not know how."""
    _LIBC.madvise(address, size_bytes, _POPULATE_WRITE)


def sync(address: int, size_bytes: int) -> None:
    """Wait until the disk has these pages, and leave those beside them alone.

    Raises: OSError where it refuses; the kernel will not tell again.
    """
    if _LIBC.msync(address, size_bytes, _SYNC):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
