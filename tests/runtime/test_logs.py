"""Log lines on real files: always JSON, capped, rotated, found again from the end."""

import io
import json
import shutil
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from hftd.runtime.logs import Line, Logs, LogSettings, last_lines, wanted

SECOND_NS = 1_000_000_000


def line(number=0, level="info", **fields):
    """Return a line of the given number of seconds since 1970."""
    return Line(level, "fill", "execution", number * SECOND_NS, {"seq": number, **fields})


def written(path):
    """Return the lines of a file, each parsed alone."""
    return [json.loads(text) for text in path.read_bytes().split(b"\n")[:-1]]


@given(st.lists(st.text(max_size=600), min_size=1, max_size=5))
def test_line_is_one_valid_json_object_whatever_the_venue_said(tmp_path_factory, texts):
    """Control characters, line separators, quotes and surrogates of any text stay one line."""
    path = tmp_path_factory.mktemp("logs") / "hftd.jsonl"
    console = io.StringIO()
    logs = Logs(LogSettings(path, console="json"), console)
    for text in texts:
        logs.write(line(text=text), {"instance": "canary"})
    logs.close()
    raw = path.read_bytes()
    assert all(byte == 10 or 32 <= byte < 127 for byte in raw)
    lines = written(path)
    assert len(lines) == len(texts)
    for found, text in zip(lines, texts, strict=True):
        assert found["text"][:500] == text[:500]
        assert list(found)[:6] == ["ts", "level", "event", "stage", "instance", "seq"]
    assert console.getvalue().encode() == raw


def test_terminal_shows_no_control_sequence_of_the_venue(tmp_path):
    """Text on a terminal has its escapes written out."""
    console = io.StringIO()
    logs = Logs(LogSettings(tmp_path / "hftd.jsonl", console="text"), console)
    logs.write(line(detail="\x1b[2Jgone\nnext"), {"run": "a-1"})
    logs.close()
    assert "\x1b" not in console.getvalue()
    assert console.getvalue().count("\n") == 1
    assert "\\u001b[2Jgone\\nnext" in console.getvalue()


def test_terminal_shows_what_a_person_waits_for(tmp_path):
    """Fills and trouble are shown; the steps of orders and stage times are in the file alone."""
    console = io.StringIO()
    logs = Logs(LogSettings(tmp_path / "hftd.jsonl", console="text"), console)
    for event, level in (
        ("fill", "info"),
        ("order_accepted", "info"),
        ("stage_summary", "info"),
        ("order_refused_by_venue", "warning"),
    ):
        logs.write(Line(level, event, "execution", 0, {"side": "BUY"}), {})
    logs.close()
    shown = [text.split()[1] for text in console.getvalue().splitlines()]
    assert shown == ["fill", "order_refused_by_venue"]
    assert len(written(tmp_path / "hftd.jsonl")) == 4


def test_level_is_the_least_that_is_written(tmp_path):
    """What is under the level is nowhere."""
    logs = Logs(LogSettings(tmp_path / "hftd.jsonl", level="warning"))
    heard = []
    logs.listeners.append(heard.append)
    for level in ("debug", "info", "warning", "error"):
        logs.write(line(level=level), {})
    logs.close()
    assert [found["level"] for found in written(tmp_path / "hftd.jsonl")] == ["warning", "error"]
    assert [found["level"] for found in heard] == ["warning", "error"]


def test_second_is_capped_and_says_what_it_dropped(tmp_path):
    """Beyond the cap a second's lines are counted; warnings pass; the next second is free."""
    logs = Logs(LogSettings(tmp_path / "hftd.jsonl", max_lines_per_second=3))
    for _ in range(10):
        logs.write(line(7), {"run": "a-1"})
    logs.write(line(7, "warning"), {"run": "a-1"})
    logs.write(line(8), {"run": "a-1"})
    logs.close()
    lines = written(tmp_path / "hftd.jsonl")
    assert [(found["event"], found["level"]) for found in lines] == [
        ("fill", "info"), ("fill", "info"), ("fill", "info"), ("fill", "warning"),
        ("lines_dropped", "warning"), ("fill", "info"),
    ]  # fmt: skip
    assert (lines[4]["count"], lines[4]["limit"]) == (7, 3)


def test_files_rotate_and_the_last_lines_are_found_over_the_cut(tmp_path):
    """Of many files the settings' number is kept; the newest lines come back, filtered."""
    path = tmp_path / "hftd.jsonl"
    logs = Logs(LogSettings(path, rotate_bytes=20_000, rotate_count=3))
    for number in range(1000):
        level = "error" if number % 10 == 0 else "info"
        logs.write(line(number, level, text="x" * 50), {})
    logs.close()
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["hftd.jsonl", "hftd.jsonl.1", "hftd.jsonl.2", "hftd.jsonl.3"]
    assert [found["seq"] for found in last_lines(path, 120, None, None)] == list(range(880, 1000))
    assert [found["seq"] for found in last_lines(path, 3, None, "error")] == [970, 980, 990]
    assert last_lines(path, 3, "risk", None) == []
    assert last_lines(path, 0, None, None) == []
    assert last_lines(tmp_path / "none.jsonl", 3, None, None) == []


def test_one_rotated_file_is_a_bound_too(tmp_path):
    """The least that the settings may keep."""
    logs = Logs(LogSettings(tmp_path / "hftd.jsonl", rotate_bytes=20_000, rotate_count=1))
    for number in range(1000):
        logs.write(line(number, text="x" * 50), {})
    logs.close()
    assert {path.name for path in tmp_path.iterdir()} == {"hftd.jsonl", "hftd.jsonl.1"}
    assert all(path.stat().st_size <= 20_000 for path in tmp_path.iterdir())


FULL_DISK = """
import resource, sys
from pathlib import Path
from hftd.runtime.logs import Line, Logs, LogSettings

logs = Logs(LogSettings(Path(sys.argv[1])))
heard = []
logs.listeners.append(heard.append)
for number in range(100):
    room = 4000 if 20 <= number < 60 else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    logs.write(Line("info", "fill", "execution", number * 10**9, {"text": "x" * 200}), {})
print(len(heard))
"""


def test_a_disk_that_takes_no_line_is_told_once_and_counted(tmp_path):
    """Who follows hears every line; the file says how many it lacks as soon as it can."""
    path = tmp_path / "hftd.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "100\n"
    assert done.stderr == f"the log {path} cannot be written: file too large\n"
    lines = [json.loads(text) for text in path.read_bytes().split(b"\n") if text.endswith(b"}")]
    (lost,) = [one for one in lines if one["event"] == "lines_lost"]
    assert 0 < lost["count"] < 60 and lost["level"] == "warning"
    fills = sum(one["event"] == "fill" for one in lines)
    # Half lines that were begun at the edge are counted as lost, and may be there all the same.
    assert 100 <= fills + lost["count"] <= 102


def test_a_file_that_is_moved_or_removed_is_begun_anew(tmp_path):
    """As others rotate and people make room, its folder too; what was moved keeps its lines."""
    path = tmp_path / "logs/hftd.jsonl"
    logs = Logs(LogSettings(path))
    acts = (lambda: path.rename(tmp_path / "old"), path.unlink, lambda: shutil.rmtree(path.parent))
    for number, act in enumerate(acts):
        logs.write(Line("info", f"before-{number}", "risk", 0, {}), {})
        act()
        logs.write(Line("info", f"after-{number}", "risk", 0, {}), {})
        (line,) = path.read_text().splitlines()
        assert json.loads(line)["event"] == f"after-{number}"
    logs.close()
    assert json.loads((tmp_path / "old").read_text())["event"] == "before-0"


def test_half_line_of_a_killed_recorder_is_passed_over(tmp_path):
    """A line without its end does not hide those before it."""
    path = tmp_path / "hftd.jsonl"
    path.write_bytes(b'{"seq":1}\n{"seq":2}\n{"se')
    assert [found["seq"] for found in last_lines(path, 5, None, None)] == [1, 2]


def test_filter_is_by_stage_and_least_level():
    """A line is wanted where stage and level say so."""
    fields = {"stage": "risk", "level": "warning"}
    assert wanted(fields, None, None)
    assert wanted(fields, "risk", "info")
    assert not wanted(fields, "execution", None)
    assert not wanted(fields, "risk", "error")
