"""Instances: hftctl finds the live ones without being told, and is not fooled by dead sockets."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hftd.control import instances
from hftd.errors import UsageError


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A session with folders of its own."""
    return {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Two live daemons, one in each kind of folder, and a dead one's socket."""
    places = {
        "canary": tmp_path / "run/hftd/canary/control.sock",
        "tape": tmp_path / "state/hftd/tape/run/control.sock",
    }
    dead = tmp_path / "run/hftd/dead/control.sock"
    sockets = {path: socket.socket(socket.AF_UNIX) for path in (*places.values(), dead)}
    for path, listener in sockets.items():
        path.parent.mkdir(parents=True)
        listener.bind(str(path))
        if path != dead:
            listener.listen()
    sockets[dead].close()
    yield places
    for listener in sockets.values():
        listener.close()


def _ours(environ: dict[str, str], places: dict[str, Path]) -> list[str]:
    # A daemon of this host outside the test's folders may run too: it is not the test's matter.
    return [
        instance.name
        for instance in instances.running(environ)
        if instance.control_socket in places.values()
    ]


def test_live_sockets_are_listed_and_dead_ones_are_not(
    environ: dict[str, str], listening: dict[str, Path]
) -> None:
    """Both kinds of folder are searched; nobody answers at the dead daemon's socket."""
    assert _ours(environ, listening) == ["canary", "tape"]
    assert "dead" not in [instance.name for instance in instances.running(environ)]


def test_a_units_own_folder_is_searched(tmp_path: Path, listening: dict[str, Path]) -> None:
    """Inside a unit the socket is where systemd says, and the folder's name is the instance."""
    inside = {"RUNTIME_DIRECTORY": str(listening["canary"].parent), "HOME": str(tmp_path)}
    assert _ours(inside, listening) == ["canary"]


def test_a_socket_is_found_by_name(environ: dict[str, str], listening: dict[str, Path]) -> None:
    """A live one is preferred, a dead one is still shown, and an unknown name has none."""
    assert instances.find_socket("tape", environ) == listening["tape"]
    dead = instances.find_socket("dead", environ)
    assert dead is not None
    assert not instances.is_live(dead)
    assert instances.find_socket("nobody-of-this-name", environ) is None


def test_a_full_backlog_is_busy_and_not_dead(tmp_path: Path) -> None:
    """A daemon that has no time to accept is alive."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with closing(socket.socket(socket.AF_UNIX)) as first:
            first.connect(str(path))
            assert instances.is_live(path)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "a" * 49, "a b", "ä", "a\n"])
def test_what_cannot_be_a_folder_is_no_name(name: str) -> None:
    """A name never leads out of its folder."""
    with pytest.raises(UsageError, match="instance name must be"):
        instances.check_name(name)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of instance deaf, as a daemon does."""
    lock = tmp_path / "state/hftd/deaf/lock"
    lock.parent.mkdir(parents=True)
    program = (
        "import pathlib, sys; from hftd.runtime.lock import InstanceLock;"
        f"lock = InstanceLock(pathlib.Path({str(lock)!r})); lock.acquire();"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield process
        process.kill()


def _silent(environ: dict[str, str]) -> tuple[instances.Silent, ...]:
    return instances.silent(environ, instances.running(environ))


def test_who_lives_and_does_not_listen_is_found_by_its_lock(
    environ: dict[str, str], tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """With its pid, and by the unit's folder too; not once it listens, and not when it is dead."""
    deaf = instances.Silent("deaf", holder.pid)
    folder = tmp_path / "state/hftd/deaf"
    assert _silent(environ) == (deaf,)
    elsewhere = {**environ, "XDG_STATE_HOME": str(tmp_path / "none")}
    assert _silent(elsewhere) == ()
    assert _silent({**elsewhere, "STATE_DIRECTORY": str(folder)}) == (deaf,)
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        (folder / "run").mkdir()
        listener.bind(str(folder / "run/control.sock"))
        listener.listen()
        assert _silent(environ) == ()
    assert _silent(environ) == (deaf,), "a dead socket is none"
    holder.kill()
    holder.wait()
    assert _silent(environ) == ()


@pytest.mark.parametrize("content", ["", "unknown", "1", "9" * 30, str(1 << 22)])
def test_a_lock_whose_pid_is_anothers_is_nobodys(
    environ: dict[str, str], tmp_path: Path, content: str
) -> None:
    """No pid, init's, or one that nobody has: whoever died left it there."""
    lock = tmp_path / "state/hftd/dead/lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(content)
    assert _silent(environ) == ()
