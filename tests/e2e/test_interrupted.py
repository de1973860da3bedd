"""Ctrl-C and SIGTERM before the daemon trades, and a terminal that is gone while it does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hftd.runtime.children import is_alive
from tests.e2e.daemon import Instance, until


def _descendants(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    direct = {int(child) for child in text.split()}
    return direct.union(*map(_descendants, direct)) if direct else set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_set_up_leaves_no_process(
    instance: Instance, number: signal.Signals
) -> None:
    """While the exchange is being started, an end is an end: quick, and nothing stays behind."""
    daemon = instance.start()
    daemon.await_line("kernels ready")
    children: set[int] = set()

    def look() -> bool:
        children.update(_descendants(daemon.pid))
        return bool(children)

    until(look, "a child")
    daemon.signal(number)
    assert daemon.wait() == 0, daemon.text
    until(lambda: not any(map(is_alive, children)), "no child of it is left")
    assert instance.exchange_pid() is None


def test_a_signal_during_warm_up_ends_it_at_once(instance: Instance) -> None:
    """Ctrl-C while kernels are loaded is 130, as a shell says it."""
    daemon = instance.start()
    daemon.await_line("kernels 1/4")
    daemon.signal(signal.SIGINT)
    assert daemon.wait() in (0, 130), daemon.text
    assert instance.exchange_pid() is None


def test_trading_goes_on_without_a_reader_of_its_words(instance: Instance) -> None:
    """A closed terminal stops nothing: it pauses, resumes and stops as ever."""
    daemon = instance.start_unheard()
    until(instance.control.exists, "a control socket", 240.0)
    instance.await_state("RUNNING")
    instance.await_quotes()
    assert instance.hftctl("pause").returncode == 0
    assert instance.hftctl("resume").returncode == 0
    instance.await_state("RUNNING")
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(60.0) == 0
