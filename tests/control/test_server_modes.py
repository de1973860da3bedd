"""Who is let in by the modes of a control socket and of its folder, and may do what."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from hftd.control.client import Client
from hftd.control.commands import Role
from hftd.control.faults import NotPermitted
from tests.control.small_daemon import SmallDaemon, SmallDispatch, as_nobody

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can be somebody else for a moment"
)


def test_another_user_may_watch_and_not_act() -> None:
    """Where the socket's mode lets others in, they are observers."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "control.sock"
        with SmallDaemon(path, SmallDispatch(), mode=0o666) as daemon:
            with as_nobody():
                client = Client(path)
            with client:
                assert client.call("status") == {"state": "RUNNING"}
                with pytest.raises(NotPermitted, match="kill needs role operator"):
                    client.call("kill")
            assert daemon.dispatch.peers[0].role is Role.OBSERVER
            assert daemon.dispatch.gate_open


def test_members_of_the_folders_group_may_watch() -> None:
    """As the unit makes it: 0750 and a group of its own; who is not in it is not let in."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o750)
        path = Path(folder) / "control.sock"
        with SmallDaemon(path, SmallDispatch()) as daemon:
            with as_nobody(), Client(path) as client:  # Another user, of our group still.
                assert client.call("status") == {"state": "RUNNING"}
                with pytest.raises(NotPermitted, match="needs role operator"):
                    client.call("kill")
            assert daemon.dispatch.gate_open
            os.chown(folder, 0, 12345)
            os.chown(path, 0, 12345)
            with as_nobody(), pytest.raises(NotPermitted):
                Client(path)


def test_a_socket_of_mode_0600_lets_nobody_else_in() -> None:
    """The socket's mode is the first gate, and the client says so."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "control.sock"
        with SmallDaemon(path, SmallDispatch()), as_nobody(), pytest.raises(NotPermitted):
            Client(path)
