"""The recorder as a process tells alerts: by the profile's roads, with no secret left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hftd.cli.hftctl import run as hftctl
from hftd.config.load import load_profile
from hftd.domain.codes import Code
from hftd.domain.facts import FactKind
from hftd.errors import CredentialsError
from hftd.journal.cursor import published
from hftd.runtime.recorder_watching import WATCHING_VARIABLE, Road, Watching, encode
from hftd.runtime.watching_profile import watching_of
from tests.e2e.daemon import until
from tests.runtime.webhook import SECRET
from tests.store.days_work import DaysWork


@contextlib.contextmanager
def recording(state: Path, watching: Watching) -> Iterator[subprocess.Popen[bytes]]:
    """Run a recorder that knows whom to tell; end it the hard way where it has not ended."""
    child = subprocess.Popen(
        [sys.executable, "-m", "hftd.runtime.recorder_start", "--name", "canary",
         "--state", str(state), "--runtime", str(state / "run")],
        env={**os.environ, WATCHING_VARIABLE: encode(watching)}, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)
        assert child.stderr is not None
        child.stderr.close()


def keeps(folder: Path) -> Road:
    """Return a command that keeps each alert as a file, and its environment beside it."""
    folder.mkdir()
    script = 'cat > "$1/new.$$" && env > "$1/env" && mv "$1/new.$$" "$1/$$.json"'
    return Road(command=("/bin/sh", "-c", script, "sh", str(folder)))


def kept(folder: Path) -> list[dict[str, Any]]:
    """Return what a command kept, oldest first."""
    paths = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(path.read_text()) for path in paths]


def lately(folder: Path) -> DaysWork:
    """Return a journal whose time is now."""
    day = DaysWork(folder / "journal")
    day.ts_ns = time.time_ns()
    day.begin()
    return day


def halt(day: DaysWork) -> None:
    """Raise an alert as a halt does."""
    day.fact(
        FactKind.ALERT, instrument=-1, alert=1, code=Code.DAILY_LOSS, value=251_00000000,
        bound=250_00000000,
    )  # fmt: skip


def test_an_alert_leaves_though_the_disk_takes_no_file(tmp_path: Path) -> None:
    """The cursor that cannot be replaced is a fault, told in its place, and gone once it can be."""
    day, journal = lately(tmp_path), tmp_path / "journal"
    with recording(tmp_path, Watching({"critical": keeps(tmp_path / "told")})) as child:
        until(lambda: published(journal).pid == child.pid, "a cursor")
        in_the_way = journal / "recorder.json.new"
        until(lambda: blocked(in_the_way), "nothing is being published")
        halt(day)
        until(lambda: kept(tmp_path / "told"), "the alert")
        until(lambda: published(journal).faults.get("cursor"), "the fault")
        assert child.poll() is None
        in_the_way.rmdir()
        until(lambda: published(journal).faults == {}, "no fault any more")


def blocked(path: Path) -> bool:
    """Put a folder where a file is to be written; False where the file was there just now."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def test_an_alert_leaves_and_an_engine_that_is_gone_is_told(tmp_path: Path) -> None:
    """A halt's alert goes to the command; so does the end of a run without a last record."""
    day = lately(tmp_path)
    with recording(tmp_path, Watching({"critical": keeps(tmp_path / "told")})) as child:
        until(lambda: (tmp_path / "logs/hftd.jsonl").exists(), "the recorder's log")
        halt(day)
        told = until(lambda: kept(tmp_path / "told"), "the alert")[0]
        assert told["alerts"][0]["reason"] == "DAILY_LOSS: loss=251 USDT, max=250 USDT"
        assert "hftctl ack" in told["text"]
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    assert [told["alerts"][0]["event"] for told in kept(tmp_path / "told")] == [
        "alert", "engine_gone",
    ]  # fmt: skip
    assert "kill-offline canary" in kept(tmp_path / "told")[1]["text"]


def test_a_run_that_ends_in_order_alarms_nobody(tmp_path: Path) -> None:
    """RUN_END is news at most; what waits at the end is told before the recorder goes."""
    day = lately(tmp_path)
    roads = {"critical": keeps(tmp_path / "told"), "info": keeps(tmp_path / "news")}
    with recording(tmp_path, Watching(roads)) as child:
        until(lambda: kept(tmp_path / "news"), "the start")
        day.end()
        until(lambda: published(tmp_path / "journal").seq == day.writer.seq, "the end is read")
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    events = [one["event"] for told in kept(tmp_path / "news") for one in told["alerts"]]
    assert events == ["run_started", "run_ended"]
    assert kept(tmp_path / "told") == []


def test_a_dead_road_is_shown_and_its_secret_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Log, published faults and ``alert-test`` say that alerts do not arrive, by host alone."""
    day = lately(tmp_path)
    url = f"http://localhost:1/hook/{SECRET}"
    roads = {"critical": Road(url=url), "warning": keeps(tmp_path / "told")}
    with recording(tmp_path, Watching(roads, heartbeat_url=url)):
        socket = tmp_path / "run/recorder.sock"
        until(socket.exists, "the recorder's socket")
        halt(day)
        fault = until(lambda: published(tmp_path / "journal").faults, "a fault")
        assert fault["alerts"].startswith("critical: localhost: ")
        assert hftctl(["--socket", str(socket), "alert-test"]) == 1
        assert "critical alerts do NOT arrive: localhost: " in capsys.readouterr().out
        assert hftctl(["--socket", str(socket), "alert-test", "--level", "warning"]) == 0
        assert "a warning alert was taken by /bin/sh" in capsys.readouterr().out
    log = (tmp_path / "logs/hftd.jsonl").read_text()
    assert '"event": "alert_failed"' in log and SECRET not in log
    environment = (tmp_path / "told/env").read_text()
    assert SECRET not in environment and WATCHING_VARIABLE not in environment


def resolved(environ: dict[str, str], *sets: str) -> Watching:
    """Return what a profile with these keys resolves to."""
    return watching_of(load_profile("canary", sets=sets, environ={}).profile, environ)


def test_a_level_without_a_road_takes_the_one_below() -> None:
    """Who asked for news hears of trouble too; who asked for trouble alone hears no news."""
    found = resolved({}, "alerts.info.command=[news]", "alerts.critical.command=[page]")
    programs = {level: road.command for level, road in found.roads.items()}
    assert programs == {"info": ("news",), "warning": ("news",), "critical": ("page",)}
    assert list(resolved({}, "alerts.warning.command=[tell]").roads) == ["warning", "critical"]
    assert resolved({}) == Watching()


@pytest.mark.parametrize(
    "url", ["http://pager.example/x", "ftp://localhost/", "https:///x", "nonsense", "https://a b/"]
)
def test_an_address_in_the_clear_or_none_at_all_is_refused(url: str) -> None:
    """The message names the reference and not what stands there; loopback may be http."""
    with pytest.raises(CredentialsError) as caught:
        resolved({"PAGER": url}, "alerts.critical.webhook=env:PAGER")
    assert str(caught.value).startswith("env:PAGER: must be ") and url not in str(caught.value)
    found = resolved({"PAGER": "http://127.0.0.1:80/x"}, "heartbeat_url=env:PAGER")
    assert found.heartbeat_url == "http://127.0.0.1:80/x"
