"""Alerts leave by real commands and real webhooks; what fails is told, and no secret is."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from hftd.runtime import alert_desk
from hftd.runtime.alert_desk import AlertDesk
from hftd.runtime.alert_roads import fetch, run_command
from hftd.runtime.children import is_alive
from hftd.runtime.logs import Line
from hftd.runtime.recorder_watching import Road, Watching
from tests.certificates import self_signed
from tests.runtime.webhook import SECRET, webhook

CRITICAL = {"alert": 1, "code": "DRAWDOWN", "reason": "DRAWDOWN: drawdown=251, max=250"}


class Desk:
    """An alert desk with what it told, and a health by hand."""

    def __init__(self, heartbeat_url: str = "", **roads: Road) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.healthy = True
        self.desk = AlertDesk(
            "canary", Watching(roads, heartbeat_url), {"PATH": "/usr/bin:/bin"},
            lambda *words: self.told.append(words), self._is_healthy,
        )  # fmt: skip

    async def _is_healthy(self) -> bool:
        return self.healthy

    def see(self, level: str, event: str, **fields: Any) -> None:
        """Show the desk a log line of now."""
        now_ns = time.time_ns()
        self.desk.see(Line(level, event, "control", now_ns, fields), {"run": "r"}, now_ns)

    def revived(self) -> AlertDesk:
        """Return the desk after a turn of its recorder."""
        self.desk.revive()
        return self.desk

    async def end(self) -> None:
        """Let it deliver what waits, and end."""
        self.desk.finish()
        async with asyncio.timeout(20):
            while not self.desk.is_done:
                await pause()
        await self.desk.close()


def command(script: str, *words: str) -> Road:
    """Return the road of a shell script."""
    return Road(command=("/bin/sh", "-c", script, "sh", *words))


async def pause() -> None:
    """Let others work for a moment."""
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except TimeoutError:
        pass


async def until(done: Any, within_s: float = 20.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(within_s):
        while not done():
            await pause()


def test_a_command_gets_the_alert_on_its_stdin(tmp_path: Path) -> None:
    """JSON on stdin, nothing in argv, and only the environment that it may know."""
    out = tmp_path / "out"
    script = 'cat > "$1.new"; env > "$1.env"; echo "$#" > "$1.args"; mv "$1.new" "$1"'

    async def work() -> None:
        desk = Desk(critical=command(script, str(out)))
        desk.desk.start()
        desk.see("critical", "alert", **CRITICAL)
        await until(out.exists)
        await desk.end()
        assert desk.desk.faults == {} and desk.desk.delivered["critical"] == 1

    asyncio.run(work())
    told = json.loads(out.read_text())
    assert (told["level"], told["count"], told["instance"]) == ("critical", 1, "canary")
    assert told["alerts"][0]["code"] == "DRAWDOWN" and told["alerts"][0]["run"] == "r"
    assert (tmp_path / "out.args").read_text() == "1\n"
    assert "HFTD_" not in (tmp_path / "out.env").read_text()


def test_a_storm_is_few_messages(tmp_path: Path) -> None:
    """A thousand warnings of three kinds leave as one message that counts them."""

    async def work() -> None:
        async with webhook() as hook:
            desk = Desk(warning=Road(url=hook.url))
            desk.desk.start()
            for number in range(1000):
                desk.see("warning", "note", code=f"CODE_{number % 3}")
            await hook.until(lambda: hook.posted)
            for number in range(1000):
                desk.see("warning", "note", code=f"CODE_{number % 3}")
            await desk.end()
            assert [told["count"] for told in hook.posted] == [1000, 1000]
            assert [len(told["alerts"]) for told in hook.posted] == [3, 3]

    asyncio.run(work())


def test_a_bug_while_an_alert_is_told_holds_no_other_back() -> None:
    """It is told without its text, is a fault until the next alert has left, and loses its own."""

    async def work() -> None:
        async with webhook(200) as hook:
            desk = Desk(critical=Road(url=hook.url))
            desk.desk.start()
            # No message can be made of it: half a character, as a file's name may hold it.
            desk.see("critical", "alert", **{**CRITICAL, "detail": "caf\udce9"})
            await until(lambda: bool(desk.revived().faults))
            assert desk.desk.faults["critical"].startswith("a bug of ours, UnicodeEncodeError at ")
            assert desk.desk.faults["critical"].endswith(", 1 alerts are lost")
            desk.see("critical", "alert", **{**CRITICAL, "alert": 2})
            await until(lambda: not desk.revived().faults)
            assert [told["alerts"][0]["alert"] for told in hook.posted] == [2]
            assert [event for event, _, _ in desk.told] == ["alert_failed", "alert_road_is_back"]
            await desk.end()

    asyncio.run(work())


def test_what_fails_is_tried_again_and_shown_meanwhile() -> None:
    """A webhook that answers 500 is a fault until it takes the alert; the host alone is named."""

    async def work() -> None:
        async with webhook(500, 200) as hook:
            desk = Desk(critical=Road(url=hook.url))
            desk.desk.start()
            desk.see("critical", "alert", **CRITICAL)
            await until(lambda: desk.desk.faults)
            assert desk.desk.faults == {"critical": "localhost answered 500"}
            await hook.until(lambda: hook.posted)
            await until(lambda: not desk.desk.faults)
            await desk.end()
            assert desk.told == [
                ("alert_failed", "critical: localhost answered 500", "error"),
                ("alert_road_is_back", "critical", "info"),
            ]
            assert len(hook.posted) == 1

    asyncio.run(work())


def test_no_failure_tells_the_address() -> None:
    """Refused, redirected, nobody there, no TLS, no certificate: the secret is in no reason."""

    async def work() -> None:
        async with webhook(307) as hook:
            reasons = [await fetch(hook.url, b"{}")]
            assert reasons == ["localhost answered 307"] and not hook.posted
            reasons.append(await fetch(hook.url.replace("http:", "https:"), b"{}"))
        reasons.append(await fetch(hook.url, b"{}"))
        reasons.append(await fetch(f"https://no.such.host.invalid/{SECRET}", b"{}"))
        for reason in reasons:
            assert reason and SECRET not in reason, reason

    asyncio.run(work())


def test_tls_is_verified(tmp_path: Path) -> None:
    """A certificate that nobody vouches for takes no alert."""

    async def work() -> None:
        async with webhook(certificate=self_signed(tmp_path)) as hook:
            why = await fetch(hook.url, b"{}")
            assert why == "localhost: its certificate does not verify" and not hook.posted

    asyncio.run(work())


def test_a_command_that_fails_says_why() -> None:
    """Its exit code and the last line of its stderr; a program that is not there; a signal."""

    async def work() -> None:
        environ = {"PATH": "/usr/bin:/bin"}
        talks = ("/bin/sh", "-c", "cat >&2; echo 'no such pager' >&2; exit 3")
        assert await run_command(talks, b"{}\n", environ) == "/bin/sh: exit 3 (no such pager)"
        assert await run_command(("/no/pager",), b"{}", environ) == (
            "/no/pager: no such file or directory"
        )
        assert await run_command(("/bin/sh", "-c", "kill -9 $$"), b"", environ) == (
            "/bin/sh: signal 9"
        )
        assert await run_command(("/bin/true",), b"x" * 1_000_000, environ) == ""

    asyncio.run(work())


def test_a_command_that_hangs_holds_up_nothing_else(tmp_path: Path) -> None:
    """While the warning's command hangs, the critical one is through; the end waits for neither."""
    out = tmp_path / "out"

    async def work() -> None:
        desk = Desk(warning=command("sleep 60"), critical=command('cat > "$1"; exit 0', str(out)))
        desk.desk.start()
        desk.see("warning", "note", code="LOOP_LAG")
        desk.see("critical", "alert", **CRITICAL)
        await until(lambda: desk.desk.delivered["critical"] == 1)
        assert desk.desk.delivered["warning"] == 0
        await desk.desk.close()

    asyncio.run(work())
    assert json.loads(out.read_text())["count"] == 1


@pytest.mark.parametrize("early", [True, False])
def test_a_command_that_is_given_up_ends_with_all_that_it_started(
    tmp_path: Path, early: bool
) -> None:
    """Its own children too, even while its pipes are made: nothing that an alert started stays."""
    pids = tmp_path / "pids"
    script = 'sleep 60 & echo "$$ $!" > "$1.new" && mv "$1.new" "$1"; wait'

    async def work() -> None:
        words = ("/bin/sh", "-c", script, "sh", str(pids))
        running = asyncio.create_task(run_command(words, b"{}", {"PATH": "/usr/bin:/bin"}))
        if early:  # The program runs from the second turn on; its pipes are ours some turns later.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            deadline = time.monotonic() + 20
            while not pids.exists():
                assert time.monotonic() < deadline
        else:
            await until(pids.exists)
        running.cancel()
        async with asyncio.timeout(20):
            await asyncio.gather(running, return_exceptions=True)
        for pid in map(int, pids.read_text().split()):
            await until(lambda pid=pid: not is_alive(pid))

    asyncio.run(work())


def test_a_road_that_cannot_work_is_a_fault_from_the_start() -> None:
    """A program's name with a slip in it is found before the first alert."""

    async def work() -> None:
        desk = Desk(critical=Road(command=("no-such-pager",)))
        desk.desk.start()
        why = "no-such-pager is no program that can be run"
        assert desk.desk.faults == {"critical": why}
        await desk.end()

    asyncio.run(work())


def test_alert_test_tells_how_it_went(tmp_path: Path) -> None:
    """A test alert goes by the level's road at once; a level without a road says so."""
    out = tmp_path / "out"

    async def work() -> None:
        desk = Desk(critical=command('cat > "$1"', str(out)), warning=command("exit 1"))
        ok, line = await desk.desk.test("critical")
        assert ok and line.startswith("a critical alert was taken by /bin/sh in ")
        assert await desk.desk.test("warning") == (
            False, "warning alerts do NOT arrive: /bin/sh: exit 1"
        )  # fmt: skip
        assert list(desk.desk.faults) == ["warning"]
        ok, line = await desk.desk.test("info")
        assert not ok and "alerts.info" in line

    asyncio.run(work())
    assert json.loads(out.read_text())["text"].startswith("TEST canary on ")


def test_the_heart_beats_while_health_is_good() -> None:
    """The URL is fetched when every check holds, and silence follows when one does not."""

    async def work() -> None:
        async with webhook() as hook:
            desk = Desk(heartbeat_url=hook.url)
            desk.desk.start()
            await hook.until(lambda: hook.fetched == 1)
            await desk.end()
            ill = Desk(heartbeat_url=hook.url)
            ill.healthy = False
            ill.desk.start()
            await pause()
            await ill.end()
            assert hook.fetched == 1

    asyncio.run(work())


def test_what_is_older_than_an_hour_is_history() -> None:
    """A recorder that reads yesterday's journal wakes nobody."""

    async def work() -> None:
        async with webhook() as hook:
            desk = Desk(critical=Road(url=hook.url))
            desk.desk.start()
            then_ns = time.time_ns() - int(alert_desk.GIVE_UP_SECONDS * 1e9) - 1
            old = Line("critical", "alert", "control", then_ns, CRITICAL)
            desk.desk.see(old, {}, time.time_ns())
            await desk.end()
            assert not hook.posted

    asyncio.run(work())
