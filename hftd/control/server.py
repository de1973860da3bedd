"""The control socket: a Unix socket in an owner-only folder, and the life of its server.

Owns the socket file and the server's start and end; ``connection`` owns what is said on it,
``lobby`` who may stay. Works on asyncio's loop and on uvloop's. Knows nothing of commands'
meaning: that is the dispatch it is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from pathlib import Path

from hftd.control.commands import Server
from hftd.control.connection import Connection, Dispatch, Service
from hftd.control.faults import TimedOut
from hftd.control.lobby import Bounds, Lobby
from hftd.errors import InstanceLocked, UsageError, reason_of

MAX_PATH_BYTES = 107  # sockaddr_un on Linux has 108, one of them the end
# The kernel queues so many callers; fewer than the strangers that the lobby holds, so that
# whoever was accepted is also read before newcomers can push it out.
BACKLOG = 32
LOOK_S = 1.0  # How often it is looked whether the socket is still there.


class ControlServer:
    """Serve one control socket.

    Args: path of the socket; ``dispatch(method, params, peer)``, see ``connection.Dispatch``;
    which of the daemon's servers this is, for the table of commands; the socket's mode, by default
    0600, or 0660 in a folder that a group and nobody else may enter (the unit's): its members
    observe; the bounds.
    """

    def __init__(
        self,
        path: Path,
        dispatch: Dispatch,
        *,
        server: Server = Server.ENGINE,
        mode: int | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.path = path
        self._dispatch = dispatch
        self._server = server
        self._mode = mode
        self._bounds = bounds or Bounds()
        self._lobby = Lobby(self._bounds)
        self._service: Service | None = None
        self._listening: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._mending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the socket and listen, again wherever somebody removed it.

        Raises: InstanceLocked where another process serves it; UsageError where the path is
        too long, is no socket, or lies in a folder that others may write to.
        """
        self._service = Service(
            self._server, self._dispatch, os.geteuid(), self._bounds, self._lobby,
            asyncio.get_running_loop(),
        )  # fmt: skip
        self._listening = await self._listen(self._service)
        self._mending = asyncio.create_task(self._mend(self._service))

    async def _listen(self, service: Service) -> asyncio.Server:
        listener = _bind(self.path, self._mode)
        status = os.stat(self.path)
        self._inode = (status.st_dev, status.st_ino)
        return await asyncio.get_running_loop().create_unix_server(
            lambda: Connection(service), sock=listener, backlog=BACKLOG
        )

    async def _mend(self, service: Service) -> None:
        # A logout may remove the folder of a session's sockets, and nobody would be heard again.
        # Where it cannot be made anew, `hftctl kill` finds us by the instance's lock.
        while self._listening is not None:
            await asyncio.sleep(LOOK_S)
            if not os.path.lexists(self.path):
                with contextlib.suppress(OSError, InstanceLocked, UsageError):
                    before, self._listening = self._listening, await self._listen(service)
                    before.close()

    async def close(self, grace_s: float = 1.0) -> None:
        """Stop listening, let waiting requests end within the grace, then close what is left.

        Requests that still wait are answered as not complete; replies that were written are
        flushed. Closing twice does nothing.
        """
        if self._listening is None or self._service is None:
            return
        if self._mending is not None:
            self._mending.cancel()
        self._listening.close()
        self._listening = None
        self._unlink()
        waiting = self._service.waiting
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=grace_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        for guest in self._lobby.guests():
            guest.dismiss(TimedOut("the daemon ends"))
        # A turn for the transports to flush and say goodbye; slow readers are cut by timer.
        await asyncio.sleep(0)

    def _unlink(self) -> None:
        try:
            status = os.lstat(self.path)
            if (status.st_dev, status.st_ino) == self._inode:
                os.unlink(self.path)
        except OSError:
            pass  # Somebody removed it or its folder, or the loop did: gone is the aim.


def _bind(path: Path, mode: int | None) -> socket.socket:
    raw = os.fsencode(path)
    if len(raw) > MAX_PATH_BYTES:
        raise UsageError(
            f"a socket's path has at most {MAX_PATH_BYTES} bytes, was {len(raw)}: {path}"
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path.parent}, a folder for the control socket, cannot be made: {reason_of(error)}"
        ) from error
    folder = os.stat(path.parent)
    if folder.st_mode & 0o022 or folder.st_uid not in (0, os.geteuid()):
        mode_text = stat.filemode(folder.st_mode)
        raise UsageError(
            f"{path.parent} must be ours and writable by us alone, was {mode_text} "
            f"of uid {folder.st_uid}"
        )
    if mode is None:
        mode = 0o660 if folder.st_mode & 0o077 == 0o050 else 0o600
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(raw)
        # Between bind and chmod the folder's own mode guards the socket.
        os.chmod(path, mode)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale(path: Path) -> None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise UsageError(f"{path} is in the way: not a socket")
    if status.st_uid != os.geteuid():
        raise UsageError(f"{path} is in the way: a socket of uid {status.st_uid}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fsencode(path))
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # Its queue is full: somebody is there.
    raise InstanceLocked(f"{path} is served by another process")
