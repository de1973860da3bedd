"""hftctl as a process against a real control socket: what it prints last and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hftd.cli import hftctl
from hftd.cli.hftctl_kill import everyone
from hftd.cli.hftctl_options import Target
from hftd.control import instances
from hftd.control.commands import COMMANDS, Server
from hftd.control.connection import Peer
from hftd.control.faults import NotComplete, Refused
from hftd.runtime.lock import InstanceLock
from tests.cli import sample_results
from tests.cli.sample_results import DONE, KILL_LINE, LEFT, RESULTS, STATUS
from tests.control.small_daemon import SmallDaemon, as_nobody

ROOT = Path(__file__).parents[2]
ARGUMENTS = {
    "order": ["h1-k3x9qa-1732269600-118"],
    "cancel": ["h1-k3x9qa-1732269600-118"],
    "set": ["risk.max_open_orders=3"],
    "reset": ["--reason", "the market is calm again"],
    "history": ["orders"],
}
ASKED = [name for name in COMMANDS if name not in ("ps", "logs", "selfcheck")]


class SampleDispatch:
    """Answers every command with its sample, or with what a test puts in its place."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, method: str, params: dict[str, Any], peer: Peer) -> object:
        self.asked.append((method, params))
        if method == "logs":
            return self._logs(params["follow"], params["lines"])
        answer = self.answers.get(method, RESULTS.get(method, [DONE])[0])
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _logs(self, follow: bool, lines: int) -> AsyncIterator[object]:
        for n in range(lines):
            yield sample_results.LOG_LINES[n % 2]
        while follow:
            yield sample_results.LOG_LINES[0]


@pytest.fixture
def dispatch() -> SampleDispatch:
    """The daemon's answers."""
    return SampleDispatch()


@pytest.fixture
def home(dispatch: SampleDispatch) -> Iterator[Path]:
    """A session's runtime folder in which the instance ``canary`` listens on both sockets."""
    # Short, because a socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="hftd-") as folder:
        run = Path(folder) / "hftd" / "canary"
        with (
            SmallDaemon(run / "control.sock", dispatch),
            SmallDaemon(run / "recorder.sock", dispatch, server=Server.RECORDER),
        ):
            yield Path(folder)


def environ(home: Path) -> dict[str, str]:
    """Return the environment of a session whose folders are all below ``home``."""
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "HOME")}
    return {**kept, "XDG_RUNTIME_DIR": str(home), "XDG_STATE_HOME": str(home / "state")}


def ctl(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run hftctl as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "hftd.cli.hftctl", *args],
        cwd=ROOT,
        env=environ(home),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("name", ASKED)
def test_each_command_is_done(home: Path, dispatch: SampleDispatch, name: str) -> None:
    """Each command of the table reaches its socket, shows something and ends with its code."""
    ended = ctl(home, name, *ARGUMENTS.get(name, []), "--name", "canary")
    assert ended.stderr == ("canary: path: the daemon\n" if name == "kill" else "")
    assert ended.returncode == (1 if name == "health" else 0)
    assert ended.stdout.strip()
    assert [method for method, _ in dispatch.asked] == ["status" if name == "wait" else name]


@pytest.mark.parametrize("name", [name for name in ASKED if name != "version"])
def test_json_is_the_result_itself(home: Path, name: str) -> None:
    """With --json the one line printed is exactly what the daemon answered."""
    ended = ctl(home, "--json", name, *ARGUMENTS.get(name, []), "--name=canary")
    assert json.loads(ended.stdout) == RESULTS.get(name, [DONE])[0]
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize("name", ["kill", "stop", "flatten", "cancel-all", "pause", "reset"])
def test_an_act_prints_the_daemons_sentence_last(home: Path, name: str) -> None:
    """The last line is the daemon's, whole, however long it is."""
    ended = ctl(home, name, *ARGUMENTS.get(name, []), "--name", "canary")
    assert ended.stdout.splitlines()[-1] == KILL_LINE


def test_a_test_alert_is_one_sentence_and_its_exit_code(
    home: Path, dispatch: SampleDispatch
) -> None:
    """Whether it arrived is said in a line; 1 where it did not."""
    sample = RESULTS["alert-test"][0]
    ended = ctl(home, "alert-test", "--level", "warning", "--name", "canary")
    assert (ended.returncode, ended.stdout) == (0, sample["line"] + "\n")
    dispatch.answers["alert-test"] = {**sample, "ok": False}
    assert ctl(home, "alert-test", "--name", "canary").returncode == 1


def test_c42_selfcheck_needs_no_daemon(tmp_path: Path) -> None:
    """It reports on the code at hand: every control by id, with --report every test by name."""
    brief, whole = ctl(tmp_path, "selfcheck"), ctl(tmp_path, "selfcheck", "--report")
    assert brief.stdout.count("\nC") == 43 and "test_c35" not in brief.stdout
    assert "tests/engine/test_reconcile.py::test_c35" in whole.stdout
    told = json.loads(ctl(tmp_path, "selfcheck", "--json").stdout)
    assert told["missing"] == [one["id"] for one in told["controls"] if not one["stands"]]
    assert brief.returncode == whole.returncode == (0 if told["agrees"] else 1)


def test_global_options_stand_before_or_after(home: Path) -> None:
    """--name, --json and --timeout mean the same on both sides of the command."""
    before = ctl(home, "--name", "canary", "--json", "--timeout", "9", "pnl")
    after = ctl(home, "pnl", "--timeout", "9", "--json", "--name", "canary")
    mixed = ctl(home, "--json", "pnl", "--name", "canary")
    assert before.stdout == after.stdout == mixed.stdout
    assert json.loads(before.stdout) == sample_results.PNL


def test_a_socket_can_be_named_instead(home: Path, dispatch: SampleDispatch) -> None:
    """--socket names the engine's socket, and the recorder's is found beside it."""
    path = str(home / "hftd" / "canary" / "control.sock")
    assert ctl(home, "status", "--socket", path).returncode == 0
    assert ctl(home, "fills", "--socket", path).returncode == 0
    assert [method for method, _ in dispatch.asked] == ["status", "fills"]


def test_parameters_arrive(home: Path, dispatch: SampleDispatch) -> None:
    """What stands on the command line is what the daemon is asked."""
    ctl(home, "book", "--name", "canary", "--instrument", "ETH-USDT", "--depth", "3")
    ctl(home, "kill", "--name", "canary", "--reason", "it looks wrong")
    assert dispatch.asked == [
        ("book", {"instrument": "ETH-USDT", "depth": 3}),
        ("kill", {"reason": "it looks wrong"}),
    ]


# --- exit codes --------------------------------------------------------------------------


def test_1_refused(home: Path, dispatch: SampleDispatch) -> None:
    """A refusal is one line with its numbers, whether raised or returned."""
    dispatch.answers["resume"] = Refused("resume leaves PAUSED", {"state": "KILLED"})
    ended = ctl(home, "resume", "--name", "canary")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "hftctl: resume leaves PAUSED (state=KILLED)\n"
    dispatch.answers["resume"] = {**DONE, "ok": False, "line": "not from KILLED"}
    ended = ctl(home, "resume", "--name", "canary")
    assert (ended.returncode, ended.stdout) == (1, "not from KILLED\n")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["stauts"], "did you mean status?"),
        (["reset"], "needs --reason"),
        (["order"], "needs ID"),
        (["book", "--depth", "0"], "between 1 and 100, was 0"),
        (["book", "--depth", "many"], "must be a whole number, was"),
        (["wait", "--state", "RUNNIG"], "did you mean RUNNING?"),
        (["status", "--timeout", "0"], "must be above 0"),
        (["status", "--timeout", "soon"], "must be a number of seconds, was 'soon'"),
        (["status", "--nmae", "canary"], "unknown argument '--nmae', did you mean --name?"),
        (["status", "--name", "../canary"], "instance name must be"),
        (["reset", "--reason", " "], "1 to 200 printable characters"),
    ],
)
def test_2_usage(home: Path, dispatch: SampleDispatch, args: list[str], says: str) -> None:
    """A wrong command line says what would be right, and the daemon is not asked."""
    name = [] if "--name" in args else ["--name", "canary"]
    ended = ctl(home, *name, *args)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert dispatch.asked == []


def test_a_kill_is_not_refused_for_its_reason(home: Path, dispatch: SampleDispatch) -> None:
    """Too long, and with a line end: it is done, the reason is kept cut, and that is said."""
    ended = ctl(home, "kill", "--name", "canary", "--reason", "one\ntwo" + "x" * 250)
    assert ended.returncode == 0
    ((method, params),) = dispatch.asked
    assert method == "kill" and params["reason"].startswith("one\\ntwox")
    assert params["reason"].endswith("... (cut, had 257 characters)")
    assert "hftctl: the reason is kept as 'one" in ended.stderr and "(cut, had" in ended.stderr
    dispatch.asked.clear()
    ended = ctl(home, "kill", "--name", "canary", "--reason", " ")
    assert ended.returncode == 0 and dispatch.asked == [("kill", {"reason": None})]


def test_2_no_arguments(home: Path) -> None:
    """Without arguments there is help, which names every command."""
    ended = ctl(home)
    assert ended.returncode == 2
    assert all(f"    {name} " in ended.stdout for name in COMMANDS)
    assert "in doubt: hftctl kill" in ended.stdout


def test_2_several_instances(home: Path, dispatch: SampleDispatch) -> None:
    """With two running, a command without a name is refused with the list of both."""
    with SmallDaemon(home / "hftd" / "tape" / "control.sock", dispatch):
        ended = ctl(home, "status")
        listed = ctl(home, "ps")
    assert ended.returncode == 2
    assert "canary" in ended.stderr
    assert "tape" in ended.stderr
    assert {"canary", "tape"} <= {row.split()[0] for row in listed.stdout.splitlines()}


@pytest.mark.skipif(
    bool(instances.running({"HOME": "/nonexistent"})), reason="another hftd runs on this host"
)
def test_the_only_instance_needs_no_name(home: Path) -> None:
    """With one running, it is the one that is meant."""
    assert ctl(home, "status").returncode == 0


def test_3_not_running(home: Path) -> None:
    """A name that nobody bears, and a socket that nobody serves, are told apart from trouble."""
    ended = ctl(home, "status", "--name", "nobody")
    assert ended.returncode == 3
    assert "instance nobody is not running; running: " in ended.stderr
    ended = ctl(home, "kill", "--socket", str(home / "none.sock"), "--json")
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["error"]["code"] == -32005


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
def test_4_no_permission(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A socket that may not be opened is no permission, not absence."""
    home.chmod(0o755)
    for folder in (home / "hftd", home / "hftd" / "canary"):
        folder.chmod(0o755)
    path = str(home / "hftd" / "canary" / "control.sock")
    with as_nobody():
        assert hftctl.run(["kill", "--socket", path]) == 4
    assert "may not be opened by uid 65534" in capsys.readouterr().err


def test_5_timed_out(home: Path, dispatch: SampleDispatch) -> None:
    """A daemon that does not answer within --timeout is a time-out that says what it means."""

    async def never() -> None:
        await asyncio.Event().wait()

    dispatch.answers["flatten"] = never()
    ended = ctl(home, "flatten", "--name", "canary", "--timeout", "0.2")
    assert ended.returncode == 5
    assert "the request may have been carried out" in ended.stderr
    dispatch.answers["kill"] = never()
    ended = ctl(home, "kill", "--name", "canary", "--timeout", "0.2")
    assert ended.returncode == 5
    assert f"pid={os.getpid()}" in ended.stderr
    assert "The daemon may still trade." in ended.stderr


def test_6_not_complete(home: Path, dispatch: SampleDispatch) -> None:
    """What is left is printed before the last line, whether returned or raised."""
    dispatch.answers["kill"] = LEFT
    ended = ctl(home, "kill", "--name", "canary")
    assert ended.returncode == 6
    rows = ended.stdout.splitlines()
    assert rows[0] == "2 open orders are left:"
    assert rows[-1] == LEFT["line"]
    assert sum("h1-k3x9qa" in row for row in rows) == 2
    detail = {"open_orders_left": LEFT["open_orders_left"], "elapsed_ms": 9}
    dispatch.answers["stop"] = NotComplete("orders are left", detail)
    ended = ctl(home, "stop", "--name", "canary")
    assert ended.returncode == 6
    assert ended.stdout.count("h1-k3x9qa") == 2
    assert ended.stderr == "hftctl: orders are left (elapsed_ms=9)\n"


# --- what the caller's side does itself --------------------------------------------------


def test_wait_returns_when_the_state_is_reached(home: Path, dispatch: SampleDispatch) -> None:
    """wait asks again until the state is there, then shows the status."""
    starting = {**STATUS, "state": "STARTING"}
    dispatch.answers["status"] = [starting, starting, STATUS]
    ended = ctl(home, "wait", "--name", "canary", "--timeout", "20")
    assert ended.returncode == 0
    assert ended.stdout.startswith("canary  RUNNING")
    assert len(dispatch.asked) == 3


def test_wait_says_where_it_stands_when_time_is_up(home: Path, dispatch: SampleDispatch) -> None:
    """A state that does not come is a time-out with the state that is."""
    dispatch.answers["status"] = sample_results.KILLED
    ended = ctl(home, "wait", "--state", "RUNNING", "--name", "canary", "--timeout", "0.3")
    assert ended.returncode == 5
    assert "still KILLED after 0.3 s, waited for RUNNING" in ended.stderr
    assert ctl(home, "wait", "--name", "nobody", "--timeout", "0.2").returncode == 3


def test_kill_without_a_name_takes_all(
    home: Path, dispatch: SampleDispatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every instance is killed at once, each has its line, and the worst code is the end."""
    # Not as a process: without a name it would also kill what else runs on this host.
    other = SampleDispatch()
    other.answers["kill"] = LEFT
    path = home / "hftd" / "tape" / "control.sock"
    with SmallDaemon(path, other):
        sockets = [
            ("canary", home / "hftd" / "canary" / "control.sock"),
            ("tape", path),
            ("gone", home / "gone.sock"),
        ]
        params = {"reason": None}
        assert hftctl.kill_all(params, sockets, 5.0, Target()) == 6
        told = capsys.readouterr().out.splitlines()
        assert f"canary: {KILL_LINE}" in told
        assert f"tape: {LEFT['line']}" in told
        assert any(row.startswith("gone: not killed: nobody listens") for row in told)
        assert hftctl.kill_all(params, sockets, 5.0, Target(json=True)) == 6
        rows = {
            row["instance"]: row for row in map(json.loads, capsys.readouterr().out.split("\n")[:3])
        }
    assert rows["canary"]["result"] == DONE
    assert rows["gone"]["error"]["code"] == -32005
    assert [method for method, _ in dispatch.asked] == ["kill", "kill"]


def test_kill_takes_who_does_not_listen_too(home: Path) -> None:
    """A daemon whose socket was removed still trades: its lock tells of it, and ps shows it."""
    around = environ(home)
    lock = instances.state_root(around) / "deaf" / instances.LOCK
    lock.parent.mkdir(parents=True)
    with InstanceLock(lock):
        meant = everyone(around)
        assert ("deaf", None) in meant
        assert ("canary", home / "hftd/canary/control.sock") in meant
        listed = json.loads(ctl(home, "ps", "--json").stdout)["instances"]
        (deaf,) = (row for row in listed if row["instance"] == "deaf")
        assert deaf["pid"] == os.getpid() and "does not listen" in deaf["error"]
        assert deaf["state"] is None
        shown = ctl(home, "ps").stdout
        assert "deaf" in shown and "its socket was removed" in " ".join(shown.split())
    assert ("deaf", None) not in everyone(around)


def test_logs_are_shown_and_followed(home: Path) -> None:
    """logs ends by itself; with -f it goes on until it is interrupted, which is no failure."""
    ended = ctl(home, "logs", "--lines", "2", "--name", "canary")
    assert ended.returncode == 0
    assert ended.stdout.startswith("09:34:14.123 info     execution     order_accepted")
    ended = ctl(home, "logs", "-n", "2", "--json", "--name", "canary")
    assert [json.loads(row) for row in ended.stdout.splitlines()] == sample_results.LOG_LINES
    command = [sys.executable, "-m", "hftd.cli.hftctl", "logs", "-f", "--name", "canary"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        assert following.stdout.readline().startswith(b"09:34:14.123")
        following.send_signal(signal.SIGINT)
        assert following.communicate(timeout=30)[1] == b""
        assert following.returncode == 0


def test_a_reader_that_has_enough_is_no_failure(home: Path) -> None:
    """``hftctl logs -f | head -1`` ends quietly."""
    command = f"{shlex.quote(sys.executable)} -m hftd.cli.hftctl logs -f --name canary | head -1"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT,
        env=environ(home),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("out", "said"),
    [(">&-", ""), ("> /dev/full", "no space left on device"), ("| true", ""), (">&- 2>&- <&-", "")],
)
@pytest.mark.parametrize(("words", "code"), [("kill", 6), ("status", 0)])
def test_words_that_nobody_can_read_cost_no_exit_code(
    home: Path, dispatch: SampleDispatch, out: str, said: str, words: str, code: int
) -> None:
    """stdout closed, full or gone: a kill that is not complete still ends with 6, in no trace."""
    dispatch.answers["kill"] = {**DONE, "complete": False}
    command = f"{shlex.quote(sys.executable)} -m hftd.cli.hftctl {words} --name canary {out}"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT, env=environ(home), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr and "ignored" not in ended.stderr
    assert said in ended.stderr


def test_a_recorder_that_does_not_listen_is_not_called_a_dead_daemon(home: Path) -> None:
    """Its socket is gone while it is started again; the daemon beside it runs."""
    os.unlink(home / "hftd" / "canary" / "recorder.sock")
    ended = ctl(home, "fills", "--name", "canary")
    assert ended.returncode == 3
    assert "the recorder of canary" in ended.stderr and "hftctl health" in ended.stderr


def test_version_needs_no_daemon(home: Path) -> None:
    """Our own version is always told; a daemon that was named has to be there."""
    ended = ctl(home, "version", "--name", "canary", "--json")
    told = json.loads(ended.stdout)
    assert told["hftd"] == sample_results.VERSION
    assert told["hftctl"]["protocol"] == 1
    assert ctl(home, "version", "--name", "nobody").returncode == 3


def test_colour_is_for_terminals_alone(home: Path) -> None:
    """On a terminal the state is coloured; in a pipe, or with NO_COLOR, nothing is."""
    assert "\x1b" not in ctl(home, "status", "--name", "canary").stdout
    for extra, colored in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        subprocess.run(
            [sys.executable, "-m", "hftd.cli.hftctl", "status", "--name", "canary"],
            cwd=ROOT,
            env={**environ(home), **extra},
            stdout=theirs,
            check=True,
            timeout=30,
        )
        os.close(theirs)
        assert (b"\x1b[32mRUNNING" in os.read(ours, 65536)) is colored
        os.close(ours)


def test_a_daemon_of_another_version_is_still_answered(
    home: Path, dispatch: SampleDispatch
) -> None:
    """A result of another shape is shown as JSON rather than as a traceback."""
    dispatch.answers["status"] = {"state": "RUNNING", "shape": "of tomorrow"}
    ended = ctl(home, "status", "--name", "canary")
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == {"state": "RUNNING", "shape": "of tomorrow"}


def test_hftctl_loads_little() -> None:
    """What would make a kill slow to start is not imported."""
    code = (
        "import sys, hftd.cli.hftctl; "
        "heavy = {'asyncio', 'numpy', 'numba', 'pydantic', 'rich', 'typer', 'msgspec', 'yaml'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[]\n"
