"""``hftd record`` as a process: over TLS, ended by a signal, by a limit, by a mistake."""

from __future__ import annotations

import asyncio
import gzip
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.clients import certificate
from tests.runtime.exchange_process import WITHIN_S, exchange


async def record(
    *words: str,
    environ: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> asyncio.subprocess.Process:
    """Start a recording."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hftd.cli.hftd", "record", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environ or {})},
        preexec_fn=before,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """Wait for its end; return the exit code and what it said."""
    async with asyncio.timeout(WITHIN_S):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def until_written(path: Path, at_least: int) -> None:
    """Wait until a plain recording has so many bytes."""
    async with asyncio.timeout(WITHIN_S):
        while not path.exists() or path.stat().st_size < at_least:
            await asyncio.sleep(0.05)


def test_a_signal_ends_a_recording_cleanly(tmp_path: Path) -> None:
    """Over TLS, by who trusts the certificate: exit 0, one line, and the file has its name."""
    cert, key = certificate(tmp_path)
    tape = tmp_path / "tape"

    async def run() -> None:
        tls = ("--tls-cert", str(cert), "--tls-key", str(key))
        async with exchange(None, "--preset", "busy", *tls) as process:
            url = process.url
            trust = {"SSL_CERT_FILE": str(cert)}
            child = await record(url, "--out", str(tape), environ=trust)
            await until_written(tmp_path / "tape.part", 20_000)
            child.send_signal(signal.SIGINT)
            code, out, _ = await ended(child)
            assert code == 0
            assert out.startswith("recorded ")
            assert out.endswith(f" 0 gaps; stopped: {tape}\n")
            assert not (tmp_path / "tape.part").exists()
            untrusted = await record(url, "--out", str(tmp_path / "other"))
            code, _, err = await ended(untrusted)
            assert code == 64
            assert "certificate" in err.lower()

    asyncio.run(run())
    lines = tape.read_bytes().splitlines()
    assert b'"symbols":[{"symbol":"BTCUSDT"' in lines[0]
    assert any(b'"lastUpdateId"' in line for line in lines[:20])


def test_limits_end_a_recording(tmp_path: Path) -> None:
    """After the minutes asked for it is whole; a file that is there is not written over."""
    tape = tmp_path / "tape.gz"

    async def run() -> None:
        async with exchange(None) as process:
            words = (process.url, "--out", str(tape), "--minutes", "0.02")
            code, out, _ = await ended(await record(*words))
            assert (code, out.rpartition("; ")[2]) == (0, f"after 0.02 min: {tape}\n")
            code, _, err = await ended(await record(*words))
            assert (code, err) == (
                64,
                f"hftd: {tape} is there already: choose another --out, or remove it\n",
            )

    asyncio.run(run())
    assert gzip.decompress(tape.read_bytes()).count(b"\n") > 1


def test_a_full_disk_ends_a_recording_with_its_reason(tmp_path: Path) -> None:
    """What was written stays under the unfinished name, one line says why, exit 1."""
    tape = tmp_path / "tape"

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    async def run() -> None:
        async with exchange(None, "--preset", "busy") as process:
            child = await record(process.url, "--out", str(tape), before=small_files)
            code, _, err = await ended(child)
        assert code == 1
        last = err.splitlines()[-1]
        assert last == (
            f"hftd: the recording ended: File too large; what was written is in {tape}.part"
        )

    asyncio.run(run())
    assert not tape.exists()
    assert 10_000 < (tmp_path / "tape.part").stat().st_size <= 30_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("http://127.0.0.1:9", "--out", "x"), "127.0.0.1:9 does not answer"),
        (("127.0.0.1:9", "--out", "x"), "must be given as http(s)://HOST[:PORT], was 127.0.0.1:9"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], message: str) -> None:
    """Usage, exit code 64, and no file."""

    async def run() -> None:
        code, _, err = await ended(await record(*words))
        assert code == 64
        assert message in err
        assert err.count("\n") == 1

    asyncio.run(run())
    assert not Path("x.part").exists()
