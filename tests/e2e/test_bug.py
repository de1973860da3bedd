"""A bug of ours in the middle of a step: everything is canceled, the process ends with 70."""

from __future__ import annotations

from tests.e2e.daemon import Instance


def test_a_bug_cancels_everything_and_recovery_follows(instance: Instance) -> None:
    """No order is left open, the traceback is told, and a sound daemon recovers from it."""
    trigger = instance.home / "now"
    daemon = instance.start_module("tests.e2e.faulty_daemon", str(trigger)).running()
    instance.await_quotes()
    trigger.write_text("raise")
    assert daemon.wait() == 70, daemon.text
    assert "KeyError" in daemon.text and "Traceback" in daemon.text
    assert instance.venue().open_orders() == []
    assert instance.sql("SELECT ended_ts FROM runs") == [(None,)]

    daemon = instance.start().running()
    instance.await_quotes()
    assert daemon.stop() == 0
