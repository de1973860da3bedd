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
from collections.abc import Sequence
from pathlib import Path

import platformdirs


class Missing(Exception):
    """An environment that cannot be made here; the words say why."""


def environment(
    name: str,
    *requirements: str,
    python: str = sys.executable,
    wheels_only: bool = False,
    needs: Sequence[str] = (),
) -> Path:
    """Return the Python of an environment with these packages, made on first use.

    ``needs`` is what their sources are built with, where they are to be built in the
    environment itself. Raises: Missing where there is no such Python, or a package cannot be had.
    """
    found = _real(python)
    if found is None:
        raise Missing(f"{name}: no {python} here")
    key = hashlib.sha256("\n".join([found, *requirements, *needs]).encode()).hexdigest()[:12]
    folder = platformdirs.user_cache_path("hftd") / "bench" / f"{name}-{key}"
    program = folder / "bin" / "python"
    if (folder / "made").exists():
        return program
    print(f"making the environment of {name}: {', '.join(requirements)} …", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([found, "-m", "venv", folder], check=True)
    wheels = ("--only-binary=:all:",)
    if needs:
        _install(name, program, *wheels, *needs)
        _install(name, program, "--no-build-isolation", "--prefer-binary", *requirements)
    else:
        _install(name, program, *(wheels if wheels_only else ()), *requirements)
    (folder / "made").touch()
    return program


def _install(name: str, python: Path, *words: str) -> None:
    """Run pip; raises Missing with its last error."""
    command = [python, "-m", "pip", "install", "-q", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        raise Missing(f"{name}: {errors[-1] if errors else 'pip failed and said nothing'}")


def _real(python: str) -> str | None:
    """Return the path of a Python that runs: a name in PATH may be a stand-in for none."""
    found = shutil.which(python)
    if found is None:
        return None
    ask = [found, "-c", "import sys; print(sys.executable)"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
