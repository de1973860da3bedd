"""The exchange's other roads: its admin socket, faults over real sockets, a file, and TLS."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hftd.errors import UsageError
from hftd.runtime.exchange_admin import MAX_LINE_BYTES, AdminSocket
from hftd.runtime.exchange_markets import read_faults, read_wish
from tests.certificates import self_signed
from tests.runtime.exchange_process import WITHIN_S, Rest, WsApi, exchange, now_ms
from tests.simex.desk_client import T0
from tests.simex.fuzz_traffic import quiet_faulty_venue

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
BID = {**ORDER, "price": "50000.00", "quantity": "0.01"}


async def ctl(*words: str) -> tuple[int, str, str]:
    """Run ``hftd exchange-ctl``; return its exit code and what it said."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hftd.cli.hftd", "exchange-ctl", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WITHIN_S):
        out, err = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()


def test_truth_books_and_faults_of_a_running_exchange(tmp_path: Path) -> None:
    """The truth is what happened, though the ack was lost and the venue restarted since."""
    socket = ("--socket", str(tmp_path / "admin.sock"))

    async def run() -> None:
        options = ("--admin", socket[1])
        async with exchange(tmp_path / "x", *options) as process, aiohttp.ClientSession() as http:
            rest = Rest(http, process.url)
            code, out, _ = await ctl(
                "arm", "{fault: ack_lost, match: {price: '50000.00'}}", *socket
            )
            assert (code, out) == (0, "armed: 1\n")
            with pytest.raises(aiohttp.ClientError):
                await rest.ask("POST", "order", **BID)
            code, out, _ = await ctl("truth", "--json", *socket)
            truth: Any = json.loads(out)["accounts"]["hftd-paper-key"]
            assert [order["status"] for order in truth["orders"]] == ["NEW"]
            assert truth["balances"]["USDT"]["locked"] == "500.00000000"
            code, out, _ = await ctl("state", "--json", *socket)
            assert json.loads(out)["BTCUSDT"]["status"] == "TRADING"
            stream = await http.ws_connect(process.url + "/ws")
            await ctl("arm", "[{fault: restart}, {fault: drop, from_s: 1000}]", *socket)
            async with asyncio.timeout(WITHIN_S):
                while not (await stream.receive()).type.name.startswith(("CLOS", "ERR")):
                    pass
            assert [order["price"] for order in (await rest.ask("GET", "openOrders"))[1]] == [
                "50000.00000000"
            ]
            code, out, _ = await ctl("faults", *socket, "--json")
            assert [each["fault"] for each in json.loads(out)] == ["drop"]
            assert (await ctl("disarm", *socket))[0] == 0
            code, _, err = await ctl("arm", "{fault: nap}", *socket)
            assert (code, "was nap" in err) == (64, True)
            before = (await rest.ask("GET", "account"))[1]["balances"]
            await process.end(signal.SIGKILL)
        # What the restart kept is on the disk as well.
        async with exchange(tmp_path / "x") as process, aiohttp.ClientSession() as http:
            assert (await Rest(http, process.url).ask("GET", "account"))[1]["balances"] == before
            assert (await ctl("truth", "--state", str(tmp_path / "nowhere")))[0] == 64

    asyncio.run(run())


def test_a_connection_breaks_in_the_middle_of_a_frame(tmp_path: Path) -> None:
    """A script from a file, over real sockets: the client sees an end without a close."""
    script = tmp_path / "faults.yaml"
    script.write_text("- {fault: reset, match: {event: executionReport}}\n")

    async def run() -> None:
        async with (
            exchange(None, "--faults", str(script)) as process,
            aiohttp.ClientSession() as http,
        ):
            api = WsApi(await http.ws_connect(process.url + "/ws-api/v3"))
            await api.log_on()
            request = {"id": 9, "method": "order.place", "params": {**BID, "timestamp": now_ms()}}
            await api.socket.send_str(json.dumps(request))
            async with asyncio.timeout(WITHIN_S):
                ends = [await api.socket.receive()]
                while ends[-1].type is aiohttp.WSMsgType.TEXT:
                    ends.append(await api.socket.receive())
            assert ends[-1].type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            status, orders = await Rest(http, process.url).ask("GET", "openOrders")
            assert (status, len(orders)) == (200, 1)

    asyncio.run(run())


def test_what_a_file_asks_for(tmp_path: Path) -> None:
    """The fields have the names of the options; what does not exist is refused with its name."""
    path = tmp_path / "exchange.yaml"
    path.write_text(
        "symbols: [BTCUSDT, ETHUSDT]\nseed: 3\naccounts: ['me:word']\n"
        "limits: {weight_per_minute: 50}\nfaults: [{fault: drop}]\n"
    )
    wish = read_wish(path)
    assert (list(wish.symbols), wish.seed, wish.limits.weight_per_minute) == (
        ["BTCUSDT", "ETHUSDT"],
        3,
        50,
    )
    assert (list(wish.accounts), wish.faults[0].fault) == (["me:word"], "drop")
    for text in ("colour: red", "seed: much", "{", "[1]"):
        path.write_text(text)
        with pytest.raises(UsageError):
            read_wish(path)
    with pytest.raises(UsageError):
        read_faults(tmp_path / "none.yaml")


def test_tls_with_a_certificate(tmp_path: Path) -> None:
    """https and wss, trusted by who trusts the certificate."""
    certificate, key = self_signed(tmp_path)

    async def run() -> None:
        options = ("--host", "localhost", "--tls-cert", str(certificate), "--tls-key", str(key))
        async with exchange(None, *options) as process, aiohttp.ClientSession() as http:
            assert process.url.startswith("https://localhost:")
            trust = ssl.create_default_context(cafile=str(certificate))
            async with http.get(f"{process.url}/api/v3/ping", ssl=trust) as reply:
                assert await reply.json() == {}
            stream = await http.ws_connect(process.url + "/ws", ssl=trust)
            await stream.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert await stream.receive_json() == {"result": [], "id": 1}
            await stream.close()

    asyncio.run(run())


def test_other_addresses_only_when_asked_for() -> None:
    """Beyond loopback it listens when told so in so many words, and not otherwise."""

    async def run() -> None:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "hftd.cli.hftd", "exchange", "--host", "0.0.0.0"),
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WITHIN_S):
            _, err = await child.communicate()
        assert (child.returncode, b"--beyond-loopback" in err) == (64, True)

    asyncio.run(run())


NONSENSE = [
    *(b"", b"null", b"[]", b"7", b"{", b'"op"', b'{"op":[]}', b'{"op":"nap"}', b"\xff\xfe"),
    *(b'{"op":"arm"}', b'{"op":"arm","faults":5}', b'{"op":"arm","faults":[[]]}'),
    *(b'{"op":"arm","faults":{"fault":"nap"}}', b'{"op":"restart","for_ms":"long"}'),
    *(b'{"op":"restart","for_ms":-7}', b"[" * 50_000 + b"]" * 50_000),
    b'{"op":"arm","faults":[{"fault":"drop","from_s":1e300}]}',
    b'{"op":"arm","faults":[{"fault":"oversize","size":99999999999}]}',
]


def test_nonsense_on_the_admin_socket(tmp_path: Path) -> None:
    """Each line has one answer, a refusal; a line beyond the bound ends the connection alone."""
    venue = quiet_faulty_venue(1)
    venue.start(T0)

    async def run() -> None:
        admin = AdminSocket(tmp_path / "a", venue, lambda: T0, lambda: None)
        await admin.start()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "a")
        for line in NONSENSE:
            writer.write(line + b"\n")
            async with asyncio.timeout(WITHIN_S):
                answer = json.loads(await reader.readline())
            assert set(answer) == ({"error"} if line != b'{"op":"arm"}' else {"result"}), line
        writer.write(b"x" * 2 * MAX_LINE_BYTES)
        async with asyncio.timeout(WITHIN_S):
            assert await reader.readline() == b""
        writer.close()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "a")
        writer.write(b'{"op":"faults"}\n')
        async with asyncio.timeout(WITHIN_S):
            assert json.loads(await reader.readline()) == {"result": []}
        writer.close()
        await admin.stop()

    asyncio.run(run())
