"""What the trading loop asks of the machine, seen by a process that does it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hftd.drivers import machine

CORES = sorted(os.sched_getaffinity(0))
PROGRAM = """
import json, os, subprocess, sys
from pathlib import Path
from hftd.drivers import machine
from hftd.runtime.children import on_other_cores

def child():
    words = [sys.executable, "-S", "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
    return json.loads(subprocess.check_output(words, preexec_fn=on_other_cores))

def standing():
    policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    return [policy, os.getpriority(os.PRIO_PROCESS, 0)]

def locked():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmLck"))

may = os.geteuid() == 0
found = {"free": child(), "before": standing(), "may": may, "locked": [locked()]}
machine.wake_at_once()
found["after"], told = standing(), []
machine.go_first()
found["first"] = standing()
machine.stay_in_memory()
found["locked"].append(locked())
words = [sys.executable, "-S", "-c", "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"]
found["child"] = int(subprocess.check_output(words))
group = Path("/proc/self/autogroup")
found["group"] = group.read_text().split()[-1:] if group.exists() else []
os.setpriority(os.PRIO_PROCESS, 0, 19)
machine.go_first()
found["chosen"] = standing()
machine.pin(4095, told.append)
machine.pin(min(os.sched_getaffinity(0)), told.append)
print(json.dumps(found | {"told": told, "own": sorted(os.sched_getaffinity(0)), "kept": child()}))
"""


@pytest.fixture(scope="module")
def found() -> Any:
    """Return what one process has found that used every knob."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE,
        timeout=60, check=True, start_new_session=True,
    )  # fmt: skip
    return json.loads(ended.stdout)


def test_children_keep_off_the_core_that_is_pinned(found: Any) -> None:
    """The trading loop has its core; recorder and exchange have all others there are."""
    assert found["own"] == CORES[:1]
    assert found["kept"] == (CORES[1:] or CORES)


def test_children_of_a_loop_that_is_not_pinned_have_every_core(found: Any) -> None:
    """Nothing is taken from anybody where nothing was asked for."""
    assert found["free"] == CORES


def test_a_core_that_is_not_there_is_told(found: Any) -> None:
    """It costs speed alone."""
    assert len(found["told"]) == 1
    assert "runtime.cpu: 4095 cannot be used, not pinned" in found["told"][0]


def test_waking_at_once_changes_neither_policy_nor_niceness(found: Any) -> None:
    """The turns are shorter, the share of the core is the same."""
    assert found["before"] == found["after"]


def test_going_first_takes_the_niceness_that_it_may(found: Any) -> None:
    """Who has the right has the core before all others, in its session's group as well."""
    (_, begun), (_, nice) = found["before"], found["first"]
    taken = machine.NICENESS if found["may"] and begun == 0 else 0
    assert nice == begun + taken
    assert found["group"] in ([], [str(taken)])


def test_children_of_who_goes_first_do_not(found: Any) -> None:
    """Recorder and exchange begin at the usual weight."""
    assert found["child"] == max(0, found["before"][1])


def test_a_niceness_that_somebody_chose_stays(found: Any) -> None:
    """It is the operator's word."""
    assert found["chosen"][1] == 19


def test_memory_stays_where_it_may(found: Any) -> None:
    """With a limit nothing is locked: what is asked for later would be refused."""
    before, after = found["locked"]
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    assert before == 0
    assert (after > 0) == (found["may"] or limit == resource.RLIM_INFINITY)
