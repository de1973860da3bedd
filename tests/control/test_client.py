"""The client beside a daemon that is not well: whatever it does, a person gets one true answer."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hftd.control.client import Client, call
from hftd.control.faults import DaemonFault, NotRunning, TimedOut
from hftd.control.protocol import MAX_REPLY_BYTES, MAX_RESULT_CHARS

Answer = Callable[[socket.socket], None]


@contextmanager
def served(folder: Path, answer: Answer) -> Iterator[Path]:
    """Serve one connection by a function; it is over afterwards."""
    path = folder / "control"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        ended = threading.Event()

        def serve() -> None:
            link, _ = listening.accept()
            with link:
                answer(link)
                ended.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            ended.set()
            thread.join()


def asked(link: socket.socket) -> int:
    """Read one request and return its id."""
    request = b""
    while not request.endswith(b"\n"):
        request += link.recv(4096)
    return int(json.loads(request)["id"])


def reply(link: socket.socket, request_id: int, result: object) -> None:
    """Send one reply."""
    line = json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result})
    link.sendall(line.encode() + b"\n")


def stand_still(_link: socket.socket) -> None:
    """Read nothing and say nothing."""


def ask_without_end(client: Client) -> None:
    """Give one command after the other and wait for no answer."""
    while client.begin("reset", {"reason": "x" * 3_000}, 0.05):
        pass


def test_a_daemon_that_hangs_up_is_not_running(tmp_path: Path) -> None:
    """Be it before an answer or in the middle of one."""
    for half in (b"", b'{"jsonrpc": "2.0", "id'):

        def hang_up(link: socket.socket, half: bytes = half) -> None:
            asked(link)
            link.sendall(half)
            link.close()

        folder = tmp_path / str(len(half))
        folder.mkdir()
        with served(folder, hang_up) as path, pytest.raises(NotRunning, match="hung up"):
            call(path, "status")


def test_a_daemon_that_dies_with_a_request_unread_is_not_running(tmp_path: Path) -> None:
    """The kernel resets the connection then, and what is sent after that meets nobody."""

    def die(link: socket.socket) -> None:
        link.recv(1)
        link.close()

    with served(tmp_path, die) as path, Client(path) as client:
        for _ in range(2):
            with pytest.raises(NotRunning, match="hung up"):
                client.call("status", {})


def test_a_reply_without_end_is_a_fault_of_the_daemons(tmp_path: Path) -> None:
    """It is not read for ever."""

    def flood(link: socket.socket) -> None:
        asked(link)
        link.sendall(b"x" * (MAX_REPLY_BYTES + 1))

    with served(tmp_path, flood) as path, pytest.raises(DaemonFault, match="bytes"):
        call(path, "status")


def test_pages_without_end_are_a_fault_of_the_daemons(tmp_path: Path) -> None:
    """A megabyte of text is more than any result has."""
    text = "x" * (MAX_REPLY_BYTES // 2)

    def turn(link: socket.socket) -> None:
        for _ in range(MAX_RESULT_CHARS // len(text) + 1):
            reply(link, asked(link), {"page": 1, "text": text, "next": "1"})

    with served(tmp_path, turn) as path, pytest.raises(DaemonFault, match="characters"):
        call(path, "orders")


def test_a_daemon_that_stands_still_is_named_by_its_pid(tmp_path: Path) -> None:
    """What a person needs when it hangs; nobody knows whether the request was carried out."""
    with (
        served(tmp_path, stand_still) as path,
        pytest.raises(TimedOut, match="may have been carried out") as raised,
    ):
        call(path, "status", timeout_s=0.05)
    assert raised.value.detail == {"pid": os.getpid()}


def test_a_daemon_that_reads_nothing_takes_no_request(tmp_path: Path) -> None:
    """Once its socket is full, no further request is on its way: that is said, and not more."""
    with (
        served(tmp_path, stand_still) as path,
        Client(path) as client,
        pytest.raises(TimedOut, match="takes no request"),
    ):
        ask_without_end(client)


def test_answers_to_others_and_items_are_passed_over(tmp_path: Path) -> None:
    """A reply belongs to the request whose id it bears."""

    def answer(link: socket.socket) -> None:
        request_id = asked(link)
        reply(link, request_id + 7, "another's")
        reply(link, request_id, "ours")

    with served(tmp_path, answer) as path:
        assert call(path, "status") == "ours"


def test_a_path_that_no_socket_can_have_is_not_running(tmp_path: Path) -> None:
    """Too long for the kernel, or a file that is no socket."""
    with pytest.raises(NotRunning):
        call(tmp_path / ("x" * 200), "status")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotRunning, match="nobody listens"):
        call(tmp_path / "file", "status")
