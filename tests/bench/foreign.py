"""Programs nobody here wrote, each in an environment of its own, for the benches beside them.

Owns where such an environment is kept (the user's cache) and how it is made. Must not know what
the programs do. One that cannot be made is a reason in words, not an error: the row that
needed it says so.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs


class Missing(Exception):
    """An environment that cannot be made here; the words say why."""


def environment(name: str, *requirements: str, python: str = sys.executable) -> Path:
    """Return the Python of an environment with these packages, made on first use.

    Raises: Missing where there is no such Python, or a package cannot be had.
    """
    found = _real(python)
    if found is None:
        raise Missing(f"{name}: no {python} here")
    key = hashlib.sha256("\n".join([found, *requirements]).encode()).hexdigest()[:12]
    folder = platformdirs.user_cache_path("hftd") / "bench" / f"{name}-{key}"
    program = folder / "bin" / "python"
    if (folder / "made").exists():
        return program
    print(f"making the environment of {name}: {', '.join(requirements)} …", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([found, "-m", "venv", folder], check=True)
    install = [program, "-m", "pip", "install", "-q", *requirements]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Missing(f"{name}: {lines[0] if lines else 'pip failed'}")
    (folder / "made").touch()
    return program


def _real(python: str) -> str | None:
    """Return the path of a Python that runs: a name in PATH may be a stand-in for none."""
    found = shutil.which(python)
    if found is None:
        return None
    ask = [found, "-c", "import sys; print(sys.executable)"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
