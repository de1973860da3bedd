"""A bug of ours in a step cancels everything and ends with 70; one in an answer ends nothing."""

from __future__ import annotations

import pytest

from hftd.control.faults import DaemonFault
from tests.e2e.daemon import Instance


def test_a_bug_cancels_everything_and_recovery_follows(instance: Instance) -> None:
    """No order is left open, the traceback is told, and a sound daemon recovers from it.

    Before that, one in the answer to a question: its caller hears of it, and trading goes on.
    """
    trigger = instance.home / "now"
    daemon = instance.start_module("tests.e2e.faulty_daemon", str(trigger)).running()
    instance.await_quotes()
    trigger.write_text("ask")
    for _ in range(2):
        with pytest.raises(DaemonFault, match="KeyError while answering pnl"):
            instance.ask("pnl")
    assert instance.state_name() == "RUNNING"
    daemon.await_line("Traceback")
    assert daemon.text.count("Traceback") == 1
    instance.recorded()
    trigger.write_text("raise")
    assert daemon.wait() == 70, daemon.text
    assert "KeyError" in daemon.text and "Traceback" in daemon.text
    assert instance.venue().open_orders() == []
    assert instance.sql("SELECT ended_ts FROM runs") == [(None,)]

    daemon = instance.start().running()
    instance.await_quotes()
    assert daemon.stop() == 0
