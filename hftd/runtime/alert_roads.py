"""How a message leaves the machine: a command with JSON on its stdin, or a webhook.

Owns one attempt with its time limit, and what of a failure may be said: never an address beyond
its host, never a header. Knows no queue and tries nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping
from typing import Any

import msgspec

from hftd.errors import reason_of
from hftd.runtime.recorder_watching import Road, shown_host

TIMEOUT_SECONDS = 10.0
SAID_CHARS = 200
_READ_BYTES = 4096


async def send(road: Road, message: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Try once to deliver a message; return why it failed, the empty text where it did not."""
    payload = msgspec.json.encode(message)
    if road.command:
        return await run_command(road.command, payload, environ)
    return await fetch(road.url, payload)


def unusable(road: Road) -> str:
    """Return why a road cannot work, as far as that is known before it is taken."""
    if road.command and shutil.which(road.command[0]) is None:
        return f"{road.command[0]} is no program that can be run"
    return ""


async def run_command(command: tuple[str, ...], payload: bytes, environ: Mapping[str, str]) -> str:
    """Run a program with the payload on its stdin; return what it failed by.

    It gets a session of its own, so that whatever it started ends with it after the limit.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE, env=dict(environ), start_new_session=True,
        )
    )  # fmt: skip
    try:
        child = await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):  # It runs before its pipes are ours.
            child = await starting
            _end_group(child)
            await child.wait()
        raise
    except OSError as error:
        return f"{command[0]}: {reason_of(error)}"
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            said = await _converse(child, payload)
            code = await child.wait()
    except TimeoutError:
        return f"{command[0]} did not end in {TIMEOUT_SECONDS:g} s"
    finally:
        _end_group(child)
        await child.wait()
    if code == 0:
        return ""
    ended = f"exit {code}" if code > 0 else f"signal {-code}"
    return f"{command[0]}: {ended}{f' ({said})' if said else ''}"


# What it has to say comes in pieces of which only the last is kept; a program that talks without
# end fills no memory and blocks on no pipe.
async def _converse(child: asyncio.subprocess.Process, payload: bytes) -> str:
    assert child.stdin is not None
    assert child.stderr is not None
    child.stdin.write(payload)
    try:
        await child.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # It wants to know nothing; its exit code counts.
    child.stdin.close()
    last = b""
    while piece := await child.stderr.read(_READ_BYTES):
        last = (last + piece)[-_READ_BYTES:]
    lines = last.decode("utf-8", "replace").strip().splitlines()
    said = lines[-1][:SAID_CHARS] if lines else ""
    return said if said.isprintable() else ascii(said)


def _end_group(child: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # It ended by itself, and so did all of its group.


async def fetch(url: str, payload: bytes | None = None) -> str:
    """GET a URL, or POST JSON to it; return why that failed.

    Certificates are verified by the system's authorities, and no redirect is followed: an alert
    goes to the host that was named and to no other.
    """
    # Imported where it is needed: aiohttp costs a recorder without a webhook 20 MB.
    import aiohttp

    host = shown_host(url)
    method = "GET" if payload is None else "POST"
    headers = {} if payload is None else {"Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(
                method, url, data=payload, headers=headers, allow_redirects=False
            ) as reply,
        ):
            return "" if 200 <= reply.status < 300 else f"{host} answered {reply.status}"
    except TimeoutError:
        return f"{host} did not answer in {TIMEOUT_SECONDS:g} s"
    except aiohttp.ClientConnectorCertificateError:
        return f"{host}: its certificate does not verify"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The text of some of these holds the whole URL.
        reason = getattr(error, "strerror", None) or type(error).__name__
        return f"{host}: {reason}"
