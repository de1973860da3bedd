"""What all tests share: the kernel cache and how hypothesis looks for trouble.

The cache folder has to be named before anything imports Numba, and pytest reads this file
before any test module. Kernels run compiled unless NUMBA_DISABLE_JIT=1 says otherwise.
"""

from __future__ import annotations

from hypothesis import settings

from hftd.runtime import kernel_cache

kernel_cache.prepare()

# The first call of a kernel compiles it: a deadline would judge the compiler.
settings.register_profile("hftd", deadline=None, print_blob=True)
settings.load_profile("hftd")
