"""hftctl: the command line of a running daemon.

Owns the choice of the instance and the few commands that the caller's side carries out itself
(ps, wait; the kill has ``hftctl_kill``); what commands exist stands in ``control/commands.py``,
how they are given in ``hftctl_options``, how answers look in ``hftctl_show`` and the views.
Imports control and errors alone, because it has to start fast: a kill waits for it.

Exit codes: 0 done, 1 refused, 2 usage, 3 not running, 4 no permission, 5 timed out, 6 not
complete (what is left is printed).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hftd import __version__
from hftd.cli.hftctl_kill import everyone, kill_all, kill_one, name_of
from hftd.cli.hftctl_options import Target, parse
from hftd.cli.hftctl_show import color, say, show, show_fault
from hftd.control import instances, streams
from hftd.control.client import Client, call
from hftd.control.commands import COMMANDS, Command, validate
from hftd.control.faults import ControlError, NotRunning, TimedOut
from hftd.control.protocol import PROTOCOL
from hftd.errors import UsageError

_POLL_S = 0.1
_FOLLOW_TIMEOUT_S = 5.0
_INTERRUPTED = 130  # 128 + SIGINT, as a shell says it


def main() -> None:
    """Run hftctl; the process ends with one of its exit codes."""
    streams.secure()
    # A name in another encoding's terminal shall look odd rather than end a kill.
    for out in (sys.stdout, sys.stderr):
        if hasattr(out, "reconfigure"):
            out.reconfigure(errors="replace")
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:  # The reader of a pipe has seen enough (head).
        streams.give_up()
        code = 0
    raise SystemExit(code)


def run(argv: Sequence[str]) -> int:
    """Give the command that the arguments say and return the exit code."""
    command, given, target = parse(argv)
    try:
        params = validate(command, given)
        _say_what_changed(given, params)
        return _run(command, params, target)
    except (ControlError, UsageError) as fault:
        return show_fault(fault, target)


def _say_what_changed(given: dict[str, Any], params: dict[str, Any]) -> None:
    for name, value in given.items():
        if isinstance(value, str) and params[name] != value:
            was = "is kept as" if params[name] else "was empty and is left out"
            kept = f" {params[name]!r}" if params[name] else ""
            print(f"hftctl: the {name} {was}{kept}", file=sys.stderr, flush=True)


# A first start compiles for a minute or two, and has no socket before it is done.
_START = "start one with: hftd start; one that is still compiling its kernels answers later"


# --- which instance ----------------------------------------------------------------------


def _sockets(command: Command, target: Target) -> list[tuple[str, Path]]:
    """Return name and socket of the instance meant; only a kill may mean several."""
    file = command.server.value or instances.CONTROL_SOCKET
    if target.socket is not None:
        # The recorder's socket lies beside the engine's, and whoever names one means both.
        path = target.socket
        beside = path.name in (instances.CONTROL_SOCKET, instances.RECORDER_SOCKET)
        return [(str(path), path.with_name(file) if beside else path)]
    if target.name is not None:
        found = instances.find_socket(target.name, os.environ, file)
        if found is None and instances.find_socket(target.name, os.environ) is not None:
            raise NotRunning(
                f"the recorder of {target.name}, which knows that, does not listen: it begins, or "
                "is started again; hftctl health"
            )
        if found is None:
            others = _others() or f", nor is any other; {_START}"
            raise NotRunning(f"instance {target.name} is not running{others}")
        return [(target.name, found)]
    alive = instances.running(os.environ)
    if not alive:
        hint = "one that died is named: hftctl kill --name NAME" if command.name == "kill" else ""
        silent = instances.silent(os.environ, alive)
        if silent:
            names = ", ".join(f"{one.name} (pid {one.pid})" for one in silent)
            raise NotRunning(
                f"no instance listens; {names} starts up, or its socket was removed: hftctl kill "
                "ends it"
            )
        raise NotRunning(f"no instance is running; {hint or _START}")
    if len(alive) > 1 and command.name != "kill":
        names = ", ".join(one.name for one in alive)
        raise UsageError(f"{len(alive)} instances are running, say --name: {names}")
    return [(one.name, one.control_socket.with_name(file)) for one in alive]


def _others() -> str:
    names = ", ".join(one.name for one in instances.running(os.environ))
    return f"; running: {names}" if names else ""


# --- giving a command --------------------------------------------------------------------


def _run(command: Command, params: dict[str, Any], target: Target) -> int:
    if command.name == "ps":
        return show("ps", {"instances": _instances(target)}, target)
    if command.name == "selfcheck":
        return _selfcheck(bool(params["report"]), target)
    if command.name == "wait":
        return _wait(command, str(params["state"]), target)
    if command.name == "version":
        return _version(command, target)
    wait_s = command.timeout_s if target.timeout_s is None else target.timeout_s
    if command.name == "kill":
        return _kill(command, params, wait_s, target)
    sockets = _sockets(command, target)
    if command.streams:
        return _follow(command, params, sockets[0][1], target)
    result = call(sockets[0][1], command.name, params, wait_s)
    return show(command.name, result, target)


def _selfcheck(report: bool, target: Target) -> int:
    """Report on the controls of the code at hand; no daemon is asked."""
    from hftd.control.checklist import selfcheck, source_tree

    checked = selfcheck(source_tree())
    if not report and not target.json:
        for control in checked["controls"]:
            control["tests"] = control["tests"][:0]
    return show("selfcheck", checked, target)


def _kill(command: Command, params: dict[str, Any], wait_s: float, target: Target) -> int:
    """Kill the instance that is meant, be its daemon dead; without a name, all that run."""
    if target.name is not None and target.socket is None:
        path = instances.find_socket(target.name, os.environ)
        return kill_one(params, target.name, path, wait_s, target)
    if target.socket is not None:
        ((_, path),) = _sockets(command, target)
        name = target.name or name_of(path.absolute())
        return kill_one(params, name, path, wait_s, target)
    (name, socket), *others = meant = everyone(os.environ) or _sockets(command, target)
    if others:
        return kill_all(params, meant, wait_s, target)
    return kill_one(params, name, socket, wait_s, target)


def _wait(command: Command, state: str, target: Target) -> int:
    """Ask for the status until it shows the state; a daemon that is not there yet may come."""
    wait_s = command.timeout_s if target.timeout_s is None else target.timeout_s
    deadline = time.monotonic() + wait_s
    while True:
        left_s = deadline - time.monotonic()
        try:
            _, path = _sockets(COMMANDS["status"], target)[0]
            status = call(path, "status", {}, min(max(left_s, _POLL_S), 5.0))
            fault: ControlError = TimedOut(
                f"still {status['state']} after {wait_s:g} s, waited for {state}",
                {"state": status["state"], "state_reason": status["state_reason"]},
            )
            if status["state"] == state:
                return show("wait", status, target)
        except (NotRunning, TimedOut) as error:
            fault = error
        if left_s <= 0:
            raise fault
        time.sleep(min(_POLL_S, left_s))


def _instances(target: Target) -> list[dict[str, Any]]:
    rows = []
    wait_s = 2.0 if target.timeout_s is None else target.timeout_s
    keys = ("pid", "profile", "mode", "state", "uptime_s")
    alive = instances.running(os.environ)
    for one in alive:
        row: dict[str, Any] = {"instance": one.name, "socket": str(one.control_socket)}
        try:
            status = call(one.control_socket, "status", {}, wait_s)
            row |= {key: status[key] for key in keys} | {"error": None}
        except ControlError as fault:
            row |= dict.fromkeys(keys) | {"error": fault.message}
        rows.append(row)
    for silent in instances.silent(os.environ, alive):
        row = {"instance": silent.name, "socket": "", **dict.fromkeys(keys), "pid": silent.pid}
        rows.append(row | {"error": "it does not listen: it starts up, or its socket was removed"})
    return rows


def _version(command: Command, target: Target) -> int:
    """Show our own version always, and the daemon's where one is there."""
    ours = {"version": __version__, "protocol": PROTOCOL}
    theirs: Any = None
    try:
        _, path = _sockets(command, target)[0]
        theirs = call(path, "version", {}, target.timeout_s or command.timeout_s)
    except (NotRunning, UsageError):
        # It is not an error to ask without a daemon, unless one was named.
        if target.name is not None or target.socket is not None:
            raise
    if target.json:
        say(json.dumps({"hftctl": ours, "hftd": theirs}))
        return 0
    say(f"hftctl  {__version__}   protocol {PROTOCOL}")
    if theirs is not None:
        return show("version", theirs, target)
    return 0


def _follow(command: Command, params: dict[str, Any], path: Path, target: Target) -> int:
    from hftd.cli.hftctl_orders import log_line
    from hftd.cli.hftctl_text import render

    wait_s = _FOLLOW_TIMEOUT_S if target.timeout_s is None else target.timeout_s
    try:
        with Client(path, wait_s) as client:
            for item in client.stream(command.name, params):
                text = json.dumps(item) if target.json else render(log_line(item), color())
                if not say(text):
                    break
    except KeyboardInterrupt:
        pass  # That is how following ends.
    return 0


if __name__ == "__main__":
    main()
