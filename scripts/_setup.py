"""Make .venv from the lock, for a machine that has Python and nothing of ours.

Called by `_setup.sh` when the stamp does not fit; standard library only. The order makes it safe
to interrupt at any point: an `unfinished` mark first, the stamp last. Where the mark is found,
an earlier run died half way, and .venv is made afresh, because pip takes a package that was half
written for one that is there. The lock is held by pip as well, so that two set-ups never write
at once even when the first one's parent is dead.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

UNAVAILABLE = 69
LOCKS = {"run": "requirements.lock", "test": "requirements-test.lock"}
PURPOSE = {"run": "what hftd runs with", "test": "what the tests need"}
UNFINISHED = "hftd-unfinished"
ENTRY = """#!{python} -P
import sys

from hftd.cli.{name} import main

sys.exit(main())
"""


def main(root: Path, part: str, wanted_hash: str) -> int:
    """Bring .venv to the state of the lock; return the exit code."""
    folder = root / ".venv"
    with HeldLock(root) as lock_fd:
        if _stamped(folder, part, wanted_hash):
            _say("made by another set-up in the meantime")
            return 0
        missing = [name for name in ("venv", "ensurepip") if not importlib.util.find_spec(name)]
        if missing:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            _say(
                f"{sys.executable} lacks the module {missing[0]}; install it "
                f"(Debian, Ubuntu: apt install python{version}-venv) and run this again"
            )
            return UNAVAILABLE
        unfinished = folder / UNFINISHED
        if unfinished.exists() or not _runs(folder):
            _make_environment(folder)
        unfinished.touch()
        _say(f"installing {PURPOSE[part]}, by {LOCKS[part]}; this happens once")
        if not _install(root, folder, part, lock_fd):
            return UNAVAILABLE
        if part == "run":
            _compile(folder)
        _link_checkout(folder)
        _stamp_path(folder, part).write_text(_stamp(folder, wanted_hash))
        unfinished.unlink()
    _say("done")
    return 0


class HeldLock:
    """An exclusive flock on the checkout's folder, which leaves no file behind."""

    def __init__(self, root: Path) -> None:
        """Open the folder; the lock is taken on entering."""
        self.fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)

    def __enter__(self) -> int:
        """Take the lock, saying so where that means to wait; return its descriptor."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another set-up of this checkout is running; waiting for it")
            fcntl.flock(self.fd, fcntl.LOCK_EX)
        return self.fd

    def __exit__(self, *error: object) -> None:
        """Give the lock back."""
        os.close(self.fd)


def _make_environment(folder: Path) -> None:
    _say(f"making {folder} with Python {sys.version.split()[0]}")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    (folder / UNFINISHED).touch()
    # The real executable behind /usr/bin/python3 carries its version in its name: an upgrade
    # to another minor version leaves a dangling link, which the stamp's reader notices.
    sys._base_executable = os.path.realpath(sys._base_executable)
    venv.create(folder, symlinks=True, with_pip=True)


def _runs(folder: Path) -> bool:
    python = folder / "bin" / "python"
    code = "import sys, pip; print(sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == str(sys.version_info[:2])


def _install(root: Path, folder: Path, part: str, lock_fd: int) -> bool:
    command = [folder / "bin" / "python", "-I", "-m", "pip", "install"]
    command += ["--require-hashes", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "-r", root / LOCKS[part]]
    # pip compiles on one core, and most of ccxt, for one, is never imported.
    command.append("--no-compile")
    # What a user's own pip settings say about where to install is not meant for here.
    ignored = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONHOME", "PYTHONPATH"}
    environ = {name: value for name, value in os.environ.items() if name not in ignored}
    code = subprocess.run(command, env=environ, pass_fds=(lock_fd,)).returncode
    if code < 0:
        _say(f"pip was ended by signal {-code}; run the same command again to go on")
    elif code > 0:
        _say(
            f"pip ended with {code}, for the reason above; it needs a package index that it can "
            "reach, or a mirror named in pip's own settings. Run the same command again to go on"
        )
    return code == 0


def _compile(folder: Path) -> None:
    # What cannot be compiled is none that is imported: pip itself only tells of it as well.
    command = [folder / "bin" / "python", "-I", "-m", "compileall", "-qq", "-j", "0"]
    subprocess.run([*command, folder / "lib"], check=False)


def _link_checkout(folder: Path) -> None:
    # The code runs from the checkout, so that an edit needs no reinstall. The path is relative
    # to site-packages: the checkout may move.
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = folder / "lib" / version / "site-packages"
    (packages / "hftd-checkout.pth").write_text("../../../..\n")
    for name in ("hftd", "hftctl"):
        entry = folder / "bin" / name
        entry.write_text(ENTRY.format(python=folder / "bin" / "python", name=name))
        entry.chmod(0o755)


def _stamp_path(folder: Path, part: str) -> Path:
    return folder / f"hftd-{part}.stamp"


def _stamp(folder: Path, wanted_hash: str) -> str:
    return f"{wanted_hash} {os.path.realpath(folder / 'bin' / 'python')}\n"


def _stamped(folder: Path, part: str, wanted_hash: str) -> bool:
    try:
        return _stamp_path(folder, part).read_text() == _stamp(folder, wanted_hash)
    except OSError:
        return False


def _say(text: str) -> None:
    print(f"hftd set-up: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
    except KeyboardInterrupt:
        _say("interrupted; run the same command again to go on")
        sys.exit(130)
    except OSError as error:
        _say(f"{error.filename or 'system'}: {error.strerror}")
        sys.exit(UNAVAILABLE)
