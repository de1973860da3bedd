"""The crash matrix whole: a death at every effect of the session, where the tests take a part.

scripts/bench crashes [--stride N] [--offset K] [--jobs N] [--kind power]
"""

from __future__ import annotations

import sys

from tests.simulation.crash_matrix import main

if __name__ == "__main__":
    sys.exit(main())
