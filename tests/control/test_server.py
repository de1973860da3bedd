"""The control socket keeps serving its good callers whatever the others send."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hftd.control import instances
from hftd.control.client import Client, call
from hftd.control.commands import Role, Server
from hftd.control.faults import (
    ControlError,
    DaemonFault,
    InvalidParams,
    NotComplete,
    NotRunning,
    Refused,
    TimedOut,
    UnknownMethod,
)
from hftd.control.lobby import Bounds
from hftd.control.protocol import MAX_REPLY_BYTES
from hftd.control.server import ControlServer
from hftd.errors import InstanceLocked, UsageError
from tests.control.small_daemon import SmallDaemon, SmallDispatch, Wire, request
from tests.e2e.daemon import until


@pytest.fixture(params=["asyncio", "uvloop"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDaemon]:
    """A served control socket with short patience, on each kind of loop."""
    bounds = Bounds(strangers=25, slow_reader_s=0.3)
    path = tmp_path / "run" / "control.sock"
    with SmallDaemon(path, SmallDispatch(), loop_kind=request.param, bounds=bounds) as daemon:
        yield daemon


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[SmallDaemon]:
    """A served recorder socket, whose logs are endless when followed."""
    path = tmp_path / "recorder.sock"
    bounds = Bounds(slow_reader_s=0.3)
    with SmallDaemon(path, SmallDispatch(), server=Server.RECORDER, bounds=bounds) as daemon:
        yield daemon


def test_a_request_is_answered(daemon: SmallDaemon) -> None:
    """A call returns what the dispatch returned, with the table's defaults filled in."""
    assert call(daemon.path, "status") == {"state": "RUNNING"}
    assert call(daemon.path, "book") == {"instrument": None, "depth": 10}


def test_a_socket_that_was_removed_is_made_again(daemon: SmallDaemon) -> None:
    """The file alone, then its folder, as a logout takes it; who was connected stays so."""
    with Client(daemon.path, 5.0) as before:
        for remove in (lambda: daemon.path.unlink(), lambda: shutil.rmtree(daemon.path.parent)):
            remove()
            until(lambda: instances.is_live(daemon.path), "a socket")
            assert call(daemon.path, "status") == {"state": "RUNNING"}
        request_id = before.begin("status", {}, 5.0)
        assert before.finish(request_id, 5.0) == {"state": "RUNNING"}


def test_a_folder_that_cannot_be_made_again_ends_nothing(daemon: SmallDaemon) -> None:
    """A file in the folder's place: who was connected is served, and the end comes in order."""
    with Client(daemon.path, 5.0) as before:
        shutil.rmtree(daemon.path.parent)
        daemon.path.parent.touch()
        request_id = before.begin("status", {}, 5.0)
        assert before.finish(request_id, 5.0) == {"state": "RUNNING"}
        with pytest.raises(
            UsageError, match=r"run, a folder for the control socket, cannot be made"
        ):
            daemon.run(ControlServer(daemon.path, SmallDispatch()).start())
        daemon.path.parent.unlink()
        until(lambda: instances.is_live(daemon.path), "a socket")
        shutil.rmtree(daemon.path.parent)
        daemon.path.parent.touch()


def test_the_peer_is_known(daemon: SmallDaemon) -> None:
    """The kernel names the caller, and the daemon's own user is an admin."""
    call(daemon.path, "status")
    peer = daemon.dispatch.peers[0]
    assert (peer.uid, peer.pid, peer.role) == (os.geteuid(), os.getpid(), Role.ADMIN)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\x00\xff\xfe junk\n", -32700),
        (b"{'jsonrpc': 1}\n", -32700),
        (b"[" * 3000 + b"\n", -32700),
        (b'{"a":' * 700 + b"\n", -32700),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"status"}\n', -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"status"}\n', -32700),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"book","params":{"depth":' + b"9" * 3990 + b"}}\n",
            -32602,
        ),
        (b"[]\n", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"status"}]\n', -32600),
        (b'"kill"\n', -32600),
        (b'{"id":1,"method":"status"}\n', -32600),
        (b'{"jsonrpc":"2.0","id":[],"method":"status"}\n', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}\n', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"book","params":["BTC-USDT"]}\n', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","extra":1}\n', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"logs"}\n', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"stauts"}\n', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"__class__"}\n', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"book","params":{"dept":1}}\n', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"book","params":{"depth":true}}\n', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"book","params":{"depth":0}}\n', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"reset"}\n', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"reset","params":{"reason":"a\\u001b[2J"}}\n', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"page","params":{"next":"1.1"}}\n', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"end","params":{"stream":[]}}\n', -32602),
    ],
)
def test_a_bad_line_gets_its_error(daemon: SmallDaemon, line: bytes, code: int) -> None:
    """Each kind of wrong line is answered with its code, and the connection goes on."""
    with Wire(daemon.path) as wire:
        wire.send(line)
        assert wire.line()["error"]["code"] == code
        assert wire.ask("status")["result"] == {"state": "RUNNING"}
    assert daemon.dispatch.asked == ["status"]


def test_a_near_miss_is_named(daemon: SmallDaemon) -> None:
    """A misspelled method gets a suggestion, and one of the other socket is sent there."""
    with pytest.raises(UnknownMethod, match="did you mean status"):
        call(daemon.path, "stauts")
    with pytest.raises(UnknownMethod, match=r"recorder\.sock"):
        call(daemon.path, "logs")
    with pytest.raises(InvalidParams, match="did you mean depth"):
        call(daemon.path, "book", {"dept": 3})


def test_a_request_without_an_id_is_answered(daemon: SmallDaemon) -> None:
    """Nobody sends a kill and hears nothing: the answer has a null id."""
    with Wire(daemon.path) as wire:
        wire.send(b'{"jsonrpc":"2.0","method":"status"}\n')
        assert wire.line() == {"jsonrpc": "2.0", "id": None, "result": {"state": "RUNNING"}}


def test_junk_that_does_not_stop_is_closed(daemon: SmallDaemon) -> None:
    """After eight bad lines in a row the connection ends; a good caller notices nothing."""
    with Client(daemon.path) as good, Wire(daemon.path) as wire:
        wire.send(b"junk\n" * 20)
        answers = wire.lines_to_end()
        assert [answer["error"]["code"] for answer in answers] == [-32700] * 8
        assert good.call("status") == {"state": "RUNNING"}


def test_a_line_of_a_megabyte_is_refused(daemon: SmallDaemon) -> None:
    """A line over 4 KiB gets an error and a close, long before it ends."""
    with Client(daemon.path) as good, Wire(daemon.path) as wire:
        wire.send(b"x" * 1_000_000)
        assert [answer["error"]["code"] for answer in wire.lines_to_end()] == [-32700]
        assert good.call("status") == {"state": "RUNNING"}


def test_a_line_of_4_kib_passes_and_one_byte_more_does_not(daemon: SmallDaemon) -> None:
    """The bound on a line is exact."""
    line = request("status")[:-1]
    with Wire(daemon.path) as wire:
        wire.send(line.ljust(4096) + b"\n")
        assert "result" in wire.line()
        wire.send(line.ljust(4097) + b"\n")
        assert wire.line()["error"]["code"] == -32700
        assert wire.line() is None


def test_half_a_line_then_silence_is_closed(daemon: SmallDaemon) -> None:
    """A line that does not end in time gets an error and a close."""
    with Client(daemon.path) as good, Wire(daemon.path) as wire:
        wire.send(b'{"jsonrpc":')
        assert [answer["error"]["code"] for answer in wire.lines_to_end()] == [-32700]
        assert good.call("status") == {"state": "RUNNING"}


def test_half_a_line_at_the_end_is_refused(daemon: SmallDaemon) -> None:
    """A caller that stops sending in mid line is told so."""
    with Wire(daemon.path) as wire:
        wire.send(request("status"), request("status")[:-1])
        wire.socket.shutdown(socket.SHUT_WR)
        first, second = wire.lines_to_end()
        assert "result" in first
        assert second["error"]["code"] == -32700


def test_a_caller_that_stops_sending_still_hears_the_answer(daemon: SmallDaemon) -> None:
    """``echo ... | nc -U`` ends its side at once, and a kill takes its time to be confirmed."""
    with Wire(daemon.path) as wire:
        wire.send(request("kill", 1), request("status", 2))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.line()["id"] == 2
        call(daemon.path, "status")
        daemon.soon(daemon.dispatch.confirm.set)
        assert [line["id"] for line in wire.lines_to_end()] == [1]


def test_a_line_may_come_byte_by_byte(daemon: SmallDaemon) -> None:
    """Framing does not depend on how the kernel cuts the bytes."""
    with Wire(daemon.path) as wire:
        for byte in request("status"):
            wire.send(bytes([byte]))
        assert "result" in wire.line()


def test_many_requests_in_one_write_are_all_answered_in_order(daemon: SmallDaemon) -> None:
    """A burst longer than one turn's share is answered whole, then the half-closed end follows."""
    with Wire(daemon.path) as wire:
        wire.send(*(request("status", n) for n in range(200)))
        wire.socket.shutdown(socket.SHUT_WR)
        assert [answer["id"] for answer in wire.lines_to_end()] == list(range(200))


def test_silent_connections_keep_nobody_out(daemon: SmallDaemon) -> None:
    """Thirty silent connections cost the oldest of them their place, and nobody else."""
    with Client(daemon.path) as good:
        good.call("status")
        silent = [Wire(daemon.path) for _ in range(30)]
        assert call(daemon.path, "status") == {"state": "RUNNING"}
        assert good.call("status") == {"state": "RUNNING"}
        assert [answer["error"]["code"] for answer in silent[0].lines_to_end()] == [-32004]
        for wire in silent:
            wire.close()
        assert good.call("status") == {"state": "RUNNING"}


def test_a_storm_of_connections_passes(daemon: SmallDaemon) -> None:
    """Hundreds of callers that hang up at once leave the socket as it was."""
    for _ in range(300):
        Wire(daemon.path).close()
    assert call(daemon.path, "status") == {"state": "RUNNING"}
    assert daemon.faults == []


def test_the_ninth_member_takes_the_place_of_the_quietest(daemon: SmallDaemon) -> None:
    """When all places are taken, an operator gets that of the caller silent for longest."""
    clients = [Client(daemon.path) for _ in range(8)]
    for client in clients:
        client.call("status")
    assert call(daemon.path, "status") == {"state": "RUNNING"}
    with pytest.raises((NotRunning, ControlError)):
        clients[0].call("status")
    assert clients[1].call("status") == {"state": "RUNNING"}
    for client in clients:
        client.close()


def test_a_kill_acts_inside_the_read_callback(daemon: SmallDaemon) -> None:
    """The line after a kill already sees the closed gate, though nothing is confirmed yet."""
    with Wire(daemon.path) as wire:
        wire.send(request("kill", 1), request("status", 2))
        assert wire.line() == {"jsonrpc": "2.0", "id": 2, "result": {"state": "KILLED"}}
        daemon.soon(daemon.dispatch.confirm.set)
        assert wire.line()["result"]["line"] == "KILLED"
    assert daemon.dispatch.kill_was_in_a_task is False


def test_a_kill_goes_on_when_its_caller_hangs_up(daemon: SmallDaemon) -> None:
    """What was begun is confirmed whether or not somebody listens."""
    with Wire(daemon.path) as wire:
        wire.send(request("kill", 1), request("status", 2))
        wire.line()
    call(daemon.path, "status")
    daemon.soon(daemon.dispatch.confirm.set)
    assert daemon.dispatch.confirmed.wait(10)


def test_a_kill_gets_in_past_busy_members(daemon: SmallDaemon) -> None:
    """With all places busy a query is refused, and a kill is not."""
    waiting = [Wire(daemon.path) for _ in range(8)]
    for wire in waiting:
        wire.send(request("kill", 1), request("status", 2))
        wire.line()
    with pytest.raises(ControlError, match="8 connections are served"):
        call(daemon.path, "status")
    with Wire(daemon.path) as late:
        late.send(request("kill", 1), request("status", 2))
        assert late.line()["id"] == 2
        assert waiting[0].line()["error"]["code"] == -32004
        daemon.soon(daemon.dispatch.confirm.set)
        assert late.line()["result"]["ok"] is True
    for wire in waiting:
        wire.close()


def test_faults_travel_typed(daemon: SmallDaemon) -> None:
    """What the dispatch refuses arrives as the same error with its numbers."""
    with pytest.raises(Refused) as refused:
        call(daemon.path, "pause")
    assert refused.value.detail == {"state": "PAUSED"}
    with pytest.raises(NotComplete, match=r"0\.3 left"):
        call(daemon.path, "flatten")


def test_a_bug_in_the_dispatch_is_one_answer_and_one_report(daemon: SmallDaemon) -> None:
    """An unforeseen error is answered without its words, and the loop hears of it."""
    with pytest.raises(DaemonFault, match="ZeroDivisionError while answering health") as fault:
        call(daemon.path, "health")
    assert "secret" not in fault.value.message
    assert call(daemon.path, "status") == {"state": "RUNNING"}
    assert [type(error) for error in daemon.faults] == [ZeroDivisionError]


def test_a_bug_in_the_background_is_no_different(daemon: SmallDaemon) -> None:
    """An error after the dispatch returned is answered and reported as well."""
    with pytest.raises(DaemonFault, match="ZeroDivisionError while answering stop"):
        call(daemon.path, "stop")
    call(daemon.path, "status")
    assert [type(error) for error in daemon.faults] == [ZeroDivisionError]


def test_a_stream_that_fails_ends_in_its_fault(recorder: SmallDaemon) -> None:
    """A stream that is refused, or breaks, half way ends with an error and not in silence."""
    for stage, kind in (("refused", Refused), ("broken", DaemonFault)):
        with Client(recorder.path) as client:
            items = client.stream("logs", {"stage": stage})
            assert next(items)["n"] == 1
            with pytest.raises(kind):
                next(items)
    with Client(recorder.path) as client:
        assert len(list(client.stream("logs", {"lines": 1}))) == 1
    assert [type(error) for error in recorder.faults] == [ZeroDivisionError]


def test_a_result_that_is_not_json_is_a_fault(daemon: SmallDaemon) -> None:
    """NaN never reaches a caller."""
    with pytest.raises(DaemonFault, match="not JSON"):
        call(daemon.path, "pnl")


def test_a_long_result_comes_in_pages(daemon: SmallDaemon) -> None:
    """A result over 64 KiB is cut into lines that fit, and the client joins them."""
    daemon.dispatch.page_items = 4000
    whole = call(daemon.path, "orders")
    assert [order["n"] for order in whole["orders"]] == list(range(4000))
    with Wire(daemon.path) as wire:
        page = wire.ask("orders")["result"]
        assert (page["page"], page["next"]) == (1, "1.2")
        assert page["pages"] > 2
        wire.send(request("page", 2, next="1.2"))
        raw = wire._reader.readline()
        assert len(raw) <= MAX_REPLY_BYTES
        assert wire.ask("page", next="1.999")["error"]["code"] == -32602


def test_a_result_beyond_paging_is_refused(daemon: SmallDaemon) -> None:
    """There is a bound on what one result may hold."""
    daemon.dispatch.page_items = 40_000
    with pytest.raises(ControlError, match="at most 1048576 characters"):
        call(daemon.path, "orders")


def test_a_stream_ends_with_its_count(recorder: SmallDaemon) -> None:
    """A finite stream brings its items and then the reply to the request."""
    with Client(recorder.path) as client:
        assert [item["n"] for item in client.stream("logs", {"lines": 3})] == [1, 2, 3]
    with Wire(recorder.path) as wire:
        wire.send(request("logs", "a", lines=1))
        assert wire.line()["params"]["id"] == "a"
        assert wire.line() == {"jsonrpc": "2.0", "id": "a", "result": {"items": 1}}


def test_a_caller_ends_a_stream(recorder: SmallDaemon) -> None:
    """Method end stops a followed stream, closes its source, and the connection goes on."""
    with Wire(recorder.path) as wire:
        wire.send(request("logs", 5, follow=True))
        wire.line()
        wire.send(request("end", 6, stream=5))
        replies = (line for line in iter(wire.line, None) if "id" in line)
        assert {next(replies)["id"], next(replies)["id"]} == {5, 6}
        wire.send(request("logs", 5, lines=1))
        assert wire.line()["params"]["item"]["n"] == 1
    assert recorder.dispatch.stream_closed.wait(10)


def test_streams_have_a_bound_and_an_id_each(recorder: SmallDaemon) -> None:
    """A connection follows at most four streams, each under its own id."""
    with Client(recorder.path) as good, Wire(recorder.path) as wire:
        wire.send(*(request("logs", n, follow=True) for n in (1, 2, 3, 4, 5, 1)))
        wire.send(request("logs", None, follow=True))
        errors = []
        while len(errors) < 3:
            line = wire.line()
            if "error" in line:
                errors.append((line["id"], line["error"]["code"]))
        assert errors == [(5, -32004), (1, -32602), (None, -32602)]
        assert [item["n"] for item in good.stream("logs", {"lines": 1})] == [1]


def test_a_stream_without_a_listener_is_closed(recorder: SmallDaemon) -> None:
    """When the follower hangs up, the source of the stream ends too."""
    with Wire(recorder.path) as wire:
        wire.send(request("logs", 5, follow=True))
        wire.line()
    assert recorder.dispatch.stream_closed.wait(10)


def test_a_slow_reader_is_dropped(recorder: SmallDaemon) -> None:
    """A follower that does not read is cut off, and the daemon keeps nothing for it."""
    with Client(recorder.path) as good, Wire(recorder.path) as wire:
        wire.send(request("logs", 5, follow=True))
        assert recorder.dispatch.stream_closed.wait(10)
        assert [item["n"] for item in good.stream("logs", {"lines": 1})] == [1]
        # What the kernel had taken may still be read, then comes the end.
        assert len(wire.lines_to_end()) < 1000
    # 2 kB each: the source was asked for what the two buffers hold, and then no more.
    assert recorder.dispatch.items_given < 300


def test_a_caller_that_asks_and_never_reads_is_dropped(daemon: SmallDaemon) -> None:
    """Requests without reading stop being answered, then the connection ends."""
    daemon.dispatch.page_items = 600
    with Client(daemon.path) as good, Wire(daemon.path) as wire:
        wire.send(*(request("orders", n) for n in range(2000)))
        assert good.call("status") == {"state": "RUNNING"}
        wire.socket.setblocking(True)
        with Wire(daemon.path) as watcher:
            # The greedy caller sends until the daemon cuts it off.
            with pytest.raises(OSError, match=r"Broken pipe|reset"):
                wire.socket.sendall(request("orders") * 100_000)
            assert "result" in watcher.ask("status")
    assert len(daemon.dispatch.asked) < 100


def test_a_caller_that_reads_late_gets_everything(daemon: SmallDaemon) -> None:
    """A reader that pauses, and then goes on in time, loses no answer."""
    daemon.dispatch.page_items = 1000
    with Wire(daemon.path) as wire:
        wire.send(*(request("orders", n) for n in range(40)))
        # An answer elsewhere shows that the daemon has gone as far as it can here.
        call(daemon.path, "status")
        assert [wire.line()["id"] for _ in range(40)] == list(range(40))


def test_a_silent_member_is_closed_in_time(tmp_path: Path) -> None:
    """A connection that asks nothing more is ended, so that none is held for ever."""
    bounds = Bounds(quiet_s=0.05, stranger_s=0.05)
    with SmallDaemon(tmp_path / "control.sock", SmallDispatch(), bounds=bounds) as daemon:
        member, stranger = Wire(daemon.path), Wire(daemon.path)
        assert "result" in member.ask("status")
        for wire in (member, stranger):
            assert [line["error"]["code"] for line in wire.lines_to_end()] == [-32002]
            wire.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=200), st.just(b"\n"), st.just(b"{"))))
def test_any_bytes_leave_the_others_served(recorder: SmallDaemon, chunks: list[bytes]) -> None:
    """Whatever one caller sends, another one is answered."""
    with Wire(recorder.path) as wire:
        wire.send(*chunks)
        with Client(recorder.path) as good:
            assert [item["n"] for item in good.stream("logs", {"lines": 1})] == [1]
    assert recorder.faults == []


# --- the socket file and who may use it --------------------------------------------------


def test_the_socket_is_ours_alone(daemon: SmallDaemon) -> None:
    """The socket has mode 0600 in a folder of mode 0700, and goes when the server ends."""
    assert stat.S_IMODE(daemon.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(daemon.path.parent.stat().st_mode) == 0o700
    daemon.run(daemon.server.close())
    assert not daemon.path.exists()
    with pytest.raises(NotRunning):
        call(daemon.path, "status")


def test_a_dead_daemons_socket_is_replaced(tmp_path: Path) -> None:
    """A socket that nobody serves is no obstacle."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with SmallDaemon(path, SmallDispatch()):
        assert call(path, "status") == {"state": "RUNNING"}


def test_a_live_daemons_socket_is_left_alone(daemon: SmallDaemon) -> None:
    """A second server refuses, and the first is still there."""
    with pytest.raises(InstanceLocked):
        daemon.run(ControlServer(daemon.path, SmallDispatch()).start())
    assert call(daemon.path, "status") == {"state": "RUNNING"}


def test_a_successors_socket_survives_the_predecessors_end(daemon: SmallDaemon) -> None:
    """A server unlinks the socket it made, never one that was put in its place."""
    daemon.path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(daemon.path))
        daemon.run(daemon.server.close())
        assert daemon.path.exists()


def test_what_is_not_our_socket_is_not_touched(tmp_path: Path) -> None:
    """A file in the way, a folder that others may write to, and a path too long are refused."""
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(UsageError, match="not a socket"), SmallDaemon(path, SmallDispatch()):
        pass
    assert path.read_text() == "precious"
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    open_folder = SmallDaemon(shared / "control.sock", SmallDispatch())
    with pytest.raises(UsageError, match="writable by us alone"), open_folder:
        pass
    long_path = SmallDaemon(tmp_path / ("x" * 120), SmallDispatch())
    with pytest.raises(UsageError, match="at most 107 bytes"), long_path:
        pass


def test_closing_answers_what_still_waits(tmp_path: Path) -> None:
    """A caller whose kill is not confirmed when the daemon ends hears that it is not complete."""
    path = tmp_path / "control.sock"
    with SmallDaemon(path, SmallDispatch()) as daemon, Wire(path) as wire:
        wire.send(request("kill", 1), request("status", 2))
        assert wire.line()["id"] == 2
        daemon.run(daemon.server.close(grace_s=0.01))
        assert [line["error"]["code"] for line in wire.lines_to_end()] == [-32001, -32002]


# --- the client alone --------------------------------------------------------------------


def test_nobody_there_is_not_running(tmp_path: Path) -> None:
    """No socket, a dead socket and a hang-up are all the same to the caller: not running."""
    with pytest.raises(NotRunning):
        call(tmp_path / "none.sock", "status")
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NotRunning):
        call(path, "status")


def test_a_daemon_that_does_not_answer_times_out(tmp_path: Path) -> None:
    """A stopped daemon, whose kernel still accepts, or accepts no more, is a time-out."""
    path = tmp_path / "stopped.sock"
    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(str(path))
        stopped.listen(0)
        with pytest.raises(TimedOut):
            call(path, "status", timeout_s=0.05)
        # The one that hung up still fills the kernel's queue.
        with pytest.raises(TimedOut, match="accepts nobody"):
            call(path, "status", timeout_s=0.05)


def test_pages_that_do_not_join_are_a_fault(tmp_path: Path) -> None:
    """A daemon that cuts a result wrongly is not believed."""
    path = tmp_path / "odd.sock"
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(str(path))
        odd.listen(1)
        with Client(path) as client:
            other, _ = odd.accept()
            page = b'{"jsonrpc":"2.0","id":%d,"result":{"page":%d,"next":%s,"text":"[1"}}\n'
            with other:
                other.sendall(page % (1, 1, b'"1.2"') + page % (2, 2, b"null"))
                with pytest.raises(DaemonFault, match="not JSON"):
                    client.call("orders")


@pytest.mark.parametrize("answer", [b"junk\n", b"[]\n", b'{"id":1}\n', b"x" * 70_000 + b"\n"])
def test_an_answer_that_is_no_reply_is_a_fault(tmp_path: Path, answer: bytes) -> None:
    """The client trusts the daemon no more than the daemon trusts the client."""
    path = tmp_path / "odd.sock"
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(str(path))
        odd.listen(1)
        with Client(path) as client:
            other, _ = odd.accept()
            with other:
                other.sendall(answer)
                with pytest.raises(DaemonFault):
                    client.call("status")
