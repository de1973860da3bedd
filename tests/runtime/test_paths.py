"""Instance folders: where they are, that they are private, and that too long is one clear line."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import platformdirs
import pytest

from hftd.control import instances
from hftd.errors import JournalDamaged, UsageError
from hftd.runtime.paths import SOCKET_PATH_LIMIT_BYTES, InstancePaths, shipped


def _under_systemd(root: Path) -> dict[str, str]:
    return {"STATE_DIRECTORY": str(root / "s"), "RUNTIME_DIRECTORY": f"{root / 'r'}:/run/other"}


def test_systemd_says_where(tmp_path: Path) -> None:
    """In a unit the folders are the unit's, whatever the name."""
    paths = InstancePaths.locate("canary", _under_systemd(tmp_path))
    assert paths.state_dir == tmp_path / "s"
    assert paths.control_socket == tmp_path / "r/control.sock"
    assert paths.recorder_socket == tmp_path / "r/recorder.sock"
    assert paths.ledger_path == tmp_path / "s/hftd.db"
    assert paths.log_path == tmp_path / "s/logs/hftd.jsonl"


def test_folders_are_made_private_and_twice(tmp_path: Path) -> None:
    """Every folder that we make is 0700; making them again changes nothing."""
    paths = InstancePaths.locate("canary", _under_systemd(tmp_path))
    paths.create()
    paths.create()
    made = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert len(made) == 5
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}


def test_a_folder_of_the_units_keeps_its_mode(tmp_path: Path) -> None:
    """systemd gives the runtime folder to a group; we do not take that back."""
    (tmp_path / "r").mkdir(mode=0o750)
    InstancePaths.locate("canary", _under_systemd(tmp_path)).create()
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o750


def test_a_file_where_a_folder_should_be_is_one_clear_line(tmp_path: Path) -> None:
    """The message names the folder and what says where folders go."""
    (tmp_path / "s").write_text("")
    with pytest.raises(UsageError, match=f"folder {tmp_path}/s cannot be made"):
        InstancePaths.locate("canary", _under_systemd(tmp_path)).create()


FILES = (
    "lock", "epoch", "latch.json", "kill-offline.json", "exchange.log", "hftd.db",
    "logs/hftd.jsonl", "journal/recorder.json", "journal/recorder.json.new",
    "journal/recorder.json.begun", "journal/recorder.lock", "journal/sync_failed",
    "journal/orders-00000001.hj", "journal/market-00000001.hj", "simex/arguments", "simex/port",
    "simex/exchange.json", "simex/exchange.lock", "simex/accounts.json", "simex/markets.json",
    "simex/doubt.json", "simex/archive.jsonl", "simex/archive.old.jsonl", "simex/accounts.3.log",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_stands_in_the_place_of_a_file_is_one_clear_line(name: str, tmp_path: Path) -> None:
    """A folder or a pipe is refused by its path, as damage; any file passes."""
    paths = InstancePaths.locate("canary", _under_systemd(tmp_path))
    paths.create()
    path = tmp_path / "s" / name
    path.mkdir()
    with pytest.raises(JournalDamaged, match=f"{path}: a file is needed, was a folder"):
        paths.check_files()
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(JournalDamaged, match=f"{path}: a file is needed, was something else"):
        paths.check_files()
    path.unlink()
    path.write_bytes(b"")
    (tmp_path / "s" / "notes").mkdir()  # A person's own.
    paths.check_files()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write every file")
def test_a_file_without_rights_is_one_clear_line(tmp_path: Path) -> None:
    """Another user's, or one that somebody has locked away."""
    paths = InstancePaths.locate("canary", _under_systemd(tmp_path))
    paths.create()
    paths.epoch_path.write_text("1")
    paths.epoch_path.chmod(0o400)
    with pytest.raises(JournalDamaged, match=r"epoch: a file that is ours to read and write"):
        paths.check_files()


def test_a_socket_path_of_107_bytes_is_the_longest(tmp_path: Path) -> None:
    """One byte more is refused with the limit; at the limit a socket can really be bound."""
    room = SOCKET_PATH_LIMIT_BYTES - len(os.fsencode(tmp_path)) - len("//recorder.sock")
    environ = _under_systemd(tmp_path) | {"RUNTIME_DIRECTORY": str(tmp_path / ("r" * room))}
    paths = InstancePaths.locate("canary", environ)
    paths.create()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(paths.recorder_socket))
    environ["RUNTIME_DIRECTORY"] += "r"
    with pytest.raises(UsageError, match="at most 107 bytes, was 108; set XDG_RUNTIME_DIR"):
        InstancePaths.locate("canary", environ)


def test_shipped_folders_are_found_in_a_checkout() -> None:
    """Profiles and units are the repository's own folders here."""
    root = Path(__file__).parents[2]
    assert shipped("profiles") == root / "profiles"
    assert shipped("systemd") == root / "systemd"
    assert shipped("data") == root / "hftd/data"


def test_the_state_folder_follows_xdg() -> None:
    """Our few lines, which spare hftctl an import, agree with platformdirs."""
    assert instances.state_root(os.environ) == platformdirs.user_state_path("hftd")
    assert instances.state_root({"HOME": "/h"}) == Path("/h/.local/state/hftd")
    relative = {"HOME": "/h", "XDG_STATE_HOME": "relative"}
    assert instances.state_root(relative) == Path("/h/.local/state/hftd")


def test_what_a_service_left_is_found_by_its_own_user(tmp_path: Path) -> None:
    """Where we have no instance of that name the unit's folder will do; ours comes first."""
    environ, system = {"HOME": str(tmp_path / "home")}, tmp_path / "lib"
    assert InstancePaths.of_existing("canary", environ, system) == InstancePaths.locate(
        "canary", environ
    )
    (system / "canary").mkdir(parents=True)
    found = InstancePaths.of_existing("canary", environ, system)
    assert found.journal_dir == system / "canary" / "journal"
    InstancePaths.locate("canary", environ).state_dir.mkdir(parents=True)
    assert InstancePaths.of_existing("canary", environ, system).state_dir != found.state_dir


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_a_service_left_is_its_own_users(tmp_path: Path) -> None:
    """Root is told whom to be: a file of root's there would stop the next start."""
    system = tmp_path / "lib"
    (system / "canary").mkdir(parents=True)
    os.chown(system / "canary", 12345, 12345)
    with pytest.raises(UsageError, match="is of uid 12345"):
        InstancePaths.of_existing("canary", {"HOME": str(tmp_path)}, system)
