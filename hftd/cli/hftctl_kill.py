"""hftctl's kill: by the daemon where it can, else by ``hftd kill-offline``; says which.

Owns how long an answer is waited for, and the way to the other program. A kill's own answer
comes when the venue has confirmed, which may take long; so whether the daemon hears is asked on a
second connection, from a second after the kill on. It is run with this very Python and from this
very package, the one that lies beside this file: what PATH holds may be another version. Imports
control and errors alone; what is heavy is in the other process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import hftd
from hftd.cli.hftctl_options import Target
from hftd.cli.hftctl_show import error_of, exit_code, prepare, say, show, show_fault, told
from hftd.control import instances
from hftd.control.client import Client, call
from hftd.control.faults import ControlError, NotPermitted, NotRunning, TimedOut
from hftd.errors import UsageError

HEARD_S = 1.0  # Longer than that nobody waits for a sign of life.
_NOTHING_THERE = NotRunning.exit_code
_UNHEARD = (
    "The daemon may still trade. End it: hftd kill-offline NAME, which cancels at the venue too;\n"
    "else kill -9 PID, and look at the venue: after it its open orders rest there."
)


class Killed(NamedTuple):
    """What came of one kill: the daemon's result or the offline one's, or a fault."""

    result: Any
    fault: ControlError | None
    code: int


def kill_one(
    params: dict[str, Any], name: str, path: Path | None, wait_s: float, target: Target
) -> int:
    """Kill one instance, print what came of it and return the exit code."""
    killed = _kill(params, name, path, wait_s)
    if killed.fault is None:
        show("kill", killed.result, target)
        return killed.code
    show_fault(killed.fault, target)
    if not isinstance(killed.fault, NotRunning | NotPermitted):
        print(_UNHEARD, file=sys.stderr)
    return killed.code


def everyone(environ: Mapping[str, str]) -> list[tuple[str, Path | None]]:
    """Return name and socket of all instances that live, None where one does not listen."""
    alive = instances.running(environ)
    heard = ((one.name, one.control_socket) for one in alive)
    return [*heard, *((one.name, None) for one in instances.silent(environ, alive))]


def kill_all(
    params: dict[str, Any], meant: Sequence[tuple[str, Path | None]], wait_s: float, target: Target
) -> int:
    """Kill every instance at once: one that hangs must not delay the others."""
    import threading  # Which a kill of one instance needs not.

    codes: list[int] = []
    printing = threading.Lock()

    def kill(name: str, path: Path | None) -> None:
        killed = _kill(params, name, path, wait_s)
        with printing:
            codes.append(killed.code)
            if target.json:
                fault = error_of(killed.fault)
                say(json.dumps({"instance": name, "result": killed.result, **fault}))
            elif killed.fault is not None:
                say(f"{name}: not killed: {told(killed.fault)}")
            else:
                show("kill", killed.result, target, prefix=f"{name}: ")

    threads = [threading.Thread(target=kill, args=one) for one in meant]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(codes, default=1) if len(codes) == len(meant) else 1


def name_of(path: Path) -> str:
    """Return the instance that a socket's place speaks of, as ``instances.running`` does."""
    return path.parent.parent.name if path.parent.name == "run" else path.parent.name


def _kill(params: dict[str, Any], name: str, path: Path | None, wait_s: float) -> Killed:
    try:
        if path is None:
            raise NotRunning(f"instance {name} does not listen")
        result = _by_daemon(params, path, wait_s)
        print(f"{name}: path: the daemon", file=sys.stderr, flush=True)
        return Killed(result, None, exit_code(result))
    except ControlError as fault:
        # A daemon that hears and has not confirmed in the caller's time goes on confirming. Who
        # may not kill by the daemon may not without it. Any other fault, a bug of the daemon's
        # most of all, leaves open whether it is latched and its orders are gone (C31).
        hears = isinstance(fault, TimedOut) and path is not None and _hears(path)
        if hears or isinstance(fault, NotPermitted):
            return Killed(None, fault, fault.exit_code)
        return _offline(params, name, fault)


def _by_daemon(params: dict[str, Any], path: Path, wait_s: float) -> Any:
    """Return the daemon's answer; raises as ``call``, and TimedOut once it hears nothing."""
    deadline = time.monotonic() + wait_s
    with Client(path, min(wait_s, HEARD_S)) as client:
        request_id = client.begin("kill", params, min(wait_s, HEARD_S))
        prepare("kill")  # While the venue is asked: it would only come after the answer.
        while True:
            left_s = deadline - time.monotonic()
            try:
                return client.finish(request_id, min(left_s, HEARD_S))
            except TimedOut:
                if left_s <= HEARD_S:
                    raise
            if not _hears(path):
                raise TimedOut(f"no sign of life in {HEARD_S:g} s")


def _hears(path: Path) -> bool:
    try:
        call(path, "version", {}, HEARD_S)
    except (TimedOut, NotRunning):
        return False
    except ControlError:
        pass  # Who refuses is there.
    return True


def _offline(params: dict[str, Any], name: str, fault: ControlError) -> Killed:
    """Run ``hftd kill-offline``; its steps go to stderr as they are done."""
    try:
        instances.check_name(name)
    except UsageError:
        return Killed(None, fault, fault.exit_code)
    import subprocess  # Half as much as all else that hftctl imports.

    # A name after "--", since it comes from a folder's; a kill's reason is text of a person.
    command = [sys.executable, "-P", "-m", "hftd.cli.hftd", "kill-offline", "--json"]
    if params.get("reason"):
        command.append(f"--reason={params['reason']}")
    road = f"path: hftd kill-offline {name}, since {told(fault)}"
    print(f"{name}: {road}", file=sys.stderr, flush=True)
    paths = [str(Path(hftd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [*command, "--", name], stdout=subprocess.PIPE, env=environ, text=True, check=False
    )
    try:
        result = json.loads(done.stdout)
    except ValueError:
        # It has said why on stderr. Where nothing of that name exists, what we met stands.
        code = fault.exit_code if done.returncode == _NOTHING_THERE else done.returncode
        return Killed(None, fault, code)
    return Killed(result, None, done.returncode)
