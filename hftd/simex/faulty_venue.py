"""The venue with faults: what the world does to requests, to frames, and by itself.

Owns the doing of a script's faults, all but the text and the queue of frames. Truth stays
whole: balances, orders and books behind it did what they did, and nothing is told of them that
did not happen, save by a fault that lies. Deterministic like ``Venue``: seed, script and calls
give the bytes.

Everything that a fault does to a connection is a value, so that a server on real sockets and a
simulated world act on the same ones. After every call a driver takes, in this order:

    take_log()       to be written before anything is told
    take()           (connection, frame) to be sent
    take_answers()   (ticket, response): REST answers that were LATER
    take_hung_up()   connections to close politely once their frames are out
    take_cut()       connections to break at once, in the middle of a frame

``http`` may answer with a status that is none of HTTP's:

    NO_REPLY   no answer: send the body as it is, if there is any, then break the connection
    LATER      the answer comes by ``take_answers`` under ``ticket_of(response)``, or never

``open`` may be followed by a cut of the very connection that it gave: the handshake is done and
the connection breaks. ``is_gone(connection)`` says that pings of either side get no pong;
``is_deaf`` and muteness need no help of the driver. ``next_ns`` and ``advance`` include all that
is late. ``script.take_log()`` has what fired since the last call.
"""

# long: all that may befall one request, from its coming in to its answer, is read in one place.

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from hftd.errors import UsageError
from hftd.simex import memory, refusals, render
from hftd.simex.dialect_rest import Response
from hftd.simex.dialect_ws import encode_reply
from hftd.simex.fault_frames import FrameFaults, Frames
from hftd.simex.fault_kinds import FRAME, REQUEST
from hftd.simex.fault_moments import NO_ORDER, Moments, keep_rules
from hftd.simex.fault_requests import (
    NO_REPLY,
    half_of,
    later_response,
    refusal_of,
    rest_occasion,
    rest_refusal,
    ws_occasion,
)
from hftd.simex.fault_text import Around, spoil, spoils
from hftd.simex.faults import AFTER_REQUEST, ANSWER, Fault, FaultScript
from hftd.simex.market import Market, earliest
from hftd.simex.refusals import Refusal
from hftd.simex.venue import Venue, VenueConfig

MAX_LATE = 10_000
"""Things put off at one time; of one more a request is done at once, a fault is over."""

_Answer = TypeVar("_Answer", Response, bytes)
_MS_NS = 1_000_000
_EVERY_LEVEL = 5000


class FaultyVenue(Venue):
    """One simulated exchange with a script of faults; ``make_markets`` serves its restarts."""

    def __init__(
        self,
        config: VenueConfig,
        make_markets: Callable[[], Iterable[Market]],
        seed: int = 0,
        faults: Sequence[Fault] = (),
    ) -> None:
        super().__init__(config, make_markets())
        self._make_markets = make_markets
        self.script = FaultScript(seed)
        around = Around(self.script.draw, self._prices)
        self._around = around
        self._frames = FrameFaults(self.script, around)
        self._moments = Moments(self, self._later, self._set_skew)
        # What was put off: requests die with the process that took them, ends of faults do not.
        self._late: list[tuple[int, int, bool, Callable[[int], object]]] = []
        self._late_count = 0
        self._acting = False
        self._last_ticket = 0
        self._late_answers: list[tuple[int, Response]] = []
        self._slow_until: dict[int, int] = {}
        self._stale: dict[tuple[str, ...], Any] = {}
        self._cut: list[int] = []
        self._away_until_ns = 0
        self._storm_until_ns = 0
        self._restarted = False
        self._archived = b""
        self._script_of_start = list(faults)

    # --- life -----------------------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Open a new venue; the script's times count from here."""
        self._arm(ts_ns)
        super().start(ts_ns)

    def restore(
        self, accounts: memory.AccountSnapshot, log: bytes, markets: bytes, ts_ns: int
    ) -> None:
        """Open a venue from its state; the script's times count from here."""
        self._arm(ts_ns)
        super().restore(accounts, log, markets, ts_ns)

    def _arm(self, ts_ns: int) -> None:
        # Once: a restart that is a fault does not begin the script again.
        faults, self._script_of_start = self._script_of_start, []
        for fault in faults:
            self.arm(fault, ts_ns)

    def arm(self, fault: Fault, ts_ns: int) -> None:
        """Arm a fault; raises UsageError where it, its symbol or its account means nothing."""
        if fault.symbol not in self.exchange.listings:
            symbols = ", ".join(self.exchange.listings)
            raise UsageError(f"{fault.fault}: symbol must be of {symbols}, was {fault.symbol}")
        keys = [account.key for account in self.config.accounts]
        if fault.account and fault.account not in keys:
            raise UsageError(
                f"{fault.fault}: account must be the key of one of {', '.join(keys)}, "
                f"was {fault.account}"
            )
        self.script.arm(fault, ts_ns)

    # --- time and output ------------------------------------------------------------------

    def next_ns(self) -> int | None:
        """Return when ``advance`` is next due, faults included."""
        due_ns = super().next_ns()
        act_ns, frames_ns = self._next_act_ns(), self._frames.next_ns()
        if act_ns is None and frames_ns is None:
            return due_ns
        return earliest(due_ns, act_ns, frames_ns)

    def advance(self, ts_ns: int) -> None:
        """Do all that is due, faults of their moment and what was put off included."""
        # What is done here may advance the venue itself: one thing after the other all the same.
        while not self._acting and (due_ns := self._next_act_ns()) is not None and due_ns <= ts_ns:
            super().advance(due_ns)
            self._acting = True
            self._act(due_ns, max(due_ns, self._now_ns))
            self._acting = False
            self._publish()
        super().advance(ts_ns)

    def _next_act_ns(self) -> int | None:
        if not self._late:
            return self.script.next_ns()
        return earliest(self.script.next_ns(), self._late[0][0])

    def _act(self, due_ns: int, at_ns: int) -> None:
        if self._late and self._late[0][0] == due_ns:
            self._late.pop(0)[3](at_ns)
        else:
            for fault in self.script.moments(due_ns):
                self._happen(fault, at_ns)

    def take(self) -> Frames:
        """Return (connection, frame) of all that is to be sent, as the faults left it."""
        return self._frames.pass_on(super().take(), self._now_ns)

    def take_answers(self) -> list[tuple[int, Response]]:
        """Return (ticket, response) of the REST answers that were LATER and are due."""
        answers, self._late_answers = self._late_answers, []
        return answers

    def take_cut(self) -> list[int]:
        """Return the connections to break without a close; each is named once."""
        broken = self._frames.take_broken()
        if not self._cut:
            return broken
        cut, self._cut = self._cut, []
        return cut + broken

    def take_archive(self) -> bytes:
        """Return what has left memory, before a restart as well."""
        archived, self._archived = self._archived, b""
        return archived + super().take_archive()

    def take_restarted(self) -> bool:
        """Return whether accounts began anew since the last call: store them as a whole."""
        restarted, self._restarted = self._restarted, False
        return restarted

    def is_deaf(self, connection: int) -> bool:
        """Return whether nothing is heard of a connection any more."""
        return self._frames.is_deaf(connection)

    def is_gone(self, connection: int) -> bool:
        """Return whether not even a ping passes on a connection any more."""
        return self._frames.is_gone(connection)

    # --- input ----------------------------------------------------------------------------

    def open(self, path: str, ts_ns: int) -> int | None:
        """Take a connection; while the venue is away or in a storm it is cut at once."""
        connection = super().open(path, ts_ns)
        if connection is not None and self._now_ns < max(self._away_until_ns, self._storm_until_ns):
            self._cut.append(connection)
        return connection

    def http(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, ts_ns: int
    ) -> Response:
        """Answer one REST request; see the module for NO_REPLY and LATER."""
        self.advance(ts_ns)
        if self._now_ns < self._away_until_ns:
            return NO_REPLY, {}, b""

        def plain(at_ns: int) -> Response:
            return Venue.http(self, method, target, headers, body, at_ns)

        if not self._looks_at_requests():
            return plain(ts_ns)
        occasion = rest_occasion(method, target, headers, body)
        response = self._http_request(occasion, plain)
        self._after(occasion)
        return self._pass_answer(occasion, response)

    def receive(self, connection: int, text: bytes, ts_ns: int) -> None:
        """Take one text frame of a connection; of one that is deaf or cut nothing is heard."""
        self.advance(ts_ns)
        if connection not in self._is_api or self._frames.is_deaf(connection):
            return
        if self._slow_until.get(connection, 0) > self._now_ns:
            self._read_later(connection, text)
            return
        looks = self._is_api[connection] and self._looks_at_requests()
        occasion = ws_occasion(text) if looks else None
        if occasion is None:
            Venue.receive(self, connection, text, ts_ns)
        else:
            self._frames.note_request(connection, occasion["id"], occasion["request"])
            self._ws_request(connection, text, occasion)
            self._after(occasion)

    def close(self, connection: int) -> None:
        """Forget a connection; one that a restart has cut is forgotten already."""
        self._frames.forget(connection)
        self._slow_until.pop(connection, None)
        if connection in self._is_api:
            super().close(connection)

    # --- faults of requests ---------------------------------------------------------------

    def _http_request(self, occasion: dict[str, Any], plain: Callable[[int], Response]) -> Response:
        key = (str(occasion["apiKey"]), occasion["request"], occasion.get("symbol", ""))
        fault = self._choose(occasion, key)
        if fault is None:
            return self._remember(key, plain(self._now_ns))
        kind = fault.fault
        if kind in _STALE:
            stale: Response = self._stale[key]
            return stale
        if kind == "ack_lost":
            plain(self._now_ns)
            return NO_REPLY, {}, b""
        if kind == "answer_late":
            return self._answer_later(plain(self._now_ns), fault.for_ms)
        if kind == "slow_reader":
            return self._ask_later(plain, fault.for_ms)
        refusal = self._befall(fault, occasion, plain)
        return plain(self._now_ns) if refusal is None else rest_refusal(refusal)

    def _pass_answer(self, occasion: dict[str, Any], response: Response) -> Response:
        # The way of the answer back, for the faults of frames that ask for it.
        status, headers, body = response
        fields = {**occasion, "event": ANSWER, "status": status}
        fault = self.script.choose(FRAME, fields, self._now_ns) if status > 0 else None
        if fault is None:
            return response
        kind, request = fault.fault, occasion["request"]
        self.script.note(fault, self._now_ns, event=ANSWER, request=request)
        if spoils(kind):
            spoiled = spoil(fault, body, self._around)
            if spoiled is not None:
                return status, headers, spoiled
        elif kind in ("delay", "clog", "reorder"):
            return self._answer_later(response, fault.for_ms)
        elif kind == "reset":
            return NO_REPLY, {}, half_of(body)
        elif kind in ("drop", "mute", "half_open", "black_hole", "silent_stream"):
            return later_response(self._next_ticket())
        self.script.note(fault, self._now_ns, without_effect="a REST answer has none of it")
        return response

    def _ws_request(self, connection: int, text: bytes, occasion: dict[str, Any]) -> None:
        def quietly(at_ns: int) -> bytes | None:
            # Does it; returns the reply, unsent. The events that go with it stay.
            begun = len(self._out)
            if connection in self._is_api:
                Venue.receive(self, connection, text, at_ns)
            for index in range(begun, len(self._out)):
                number, frame = self._out[index]
                if number == connection and frame.startswith(b'{"id":'):
                    del self._out[index]
                    return frame
            return None

        fault = self._choose(occasion, _ws_key(connection, occasion))
        kind = "" if fault is None else fault.fault
        refusal = None
        if fault is not None and kind not in (*_STALE, "ack_lost", "answer_late", "slow_reader"):
            refusal = self._befall(fault, occasion, quietly)
        if refusal is not None:
            raw = msgspec.Raw(msgspec.json.encode(occasion["id"]))
            self._out.append((connection, encode_reply(raw, refusal, None, self._now_ns)))
        elif fault is not None and kind == "slow_reader":
            self._slow_until[connection] = self._now_ns + fault.for_ms * _MS_NS
            self._read_later(connection, text)
        else:
            self._reply(connection, occasion, fault, len(self._out), quietly(self._now_ns))

    def _reply(
        self,
        connection: int,
        occasion: Mapping[str, Any],
        fault: Fault | None,
        at: int,
        frame: bytes | None,
    ) -> None:
        # ``at`` is the reply's place in the outbox, before the events of its request.
        if frame is None or (fault is not None and fault.fault == "ack_lost"):
            return
        if fault is not None and fault.fault == "answer_late":
            late = (connection, frame)
            self._put_off(fault.for_ms, lambda _: self._out.append(late))
            return
        key = _ws_key(connection, occasion)
        if fault is not None and fault.fault in _STALE:
            reply = {**msgspec.json.decode(frame), "result": msgspec.Raw(self._stale[key])}
            frame = msgspec.json.encode(reply)
        else:
            result = msgspec.json.decode(frame, type=_Result).result
            if bytes(result):
                self._remember(key, bytes(result))
        self._out.insert(at, (connection, frame))

    def _looks_at_requests(self) -> bool:
        if self.script.is_idle:
            return False
        return any(self.script.expects(site) for site in (REQUEST, FRAME, AFTER_REQUEST))

    def _choose(self, occasion: dict[str, Any], key: tuple[str, ...]) -> Fault | None:
        # Nothing is stale where nothing was asked before.
        but = () if key in self._stale else _STALE
        fault = self.script.choose(REQUEST, occasion, self._now_ns, but=but)
        if fault is not None:
            self.script.note(fault, self._now_ns, request=occasion["request"])
        return fault

    def _remember(self, key: tuple[str, ...], answer: _Answer) -> _Answer:
        # Bounded: who asks under ever new names begins again.
        if len(self._stale) >= 100:
            self._stale.clear()
        self._stale[key] = answer
        return answer

    def _answer_later(self, response: Response, for_ms: int) -> Response:
        ticket = self._next_ticket()
        self._put_off(for_ms, lambda _: self._late_answers.append((ticket, response)))
        return later_response(ticket)

    def _ask_later(self, plain: Callable[[int], Response], for_ms: int) -> Response:
        ticket = self._next_ticket()
        self._put_off(for_ms, lambda at_ns: self._late_answers.append((ticket, plain(at_ns))))
        return later_response(ticket)

    def _read_later(self, connection: int, text: bytes) -> None:
        def read(at_ns: int) -> None:
            if connection in self._is_api and not self._frames.is_deaf(connection):
                Venue.receive(self, connection, text, at_ns)

        self._later(self._slow_until[connection], read, of_process=True)

    def _befall(
        self, fault: Fault, occasion: Mapping[str, Any], quietly: Callable[[int], object]
    ) -> Refusal | None:
        # Returns what to answer instead; None: go on as if nothing had been.
        kind = fault.fault
        if kind == "error_accepted":
            quietly(self._now_ns)
        elif kind == "accept_late":
            self._put_off(fault.for_ms, quietly)
        elif kind == "fill_before_cancel":
            why = self._fill_named(occasion)
            if why:
                self.script.note(fault, self._now_ns, without_effect=why)
            return None
        elif kind == "replace_half":
            self.exchange.refuse_with = refusals.INSUFFICIENT_BALANCE
            return None
        return refusal_of(fault, self.config.limits.weight_per_minute, self._now_ns)

    def _fill_named(self, occasion: Mapping[str, Any]) -> str:
        order_id = occasion.get("orderId", occasion.get("cancelOrderId"))
        client_id = occasion.get("origClientOrderId", occasion.get("cancelOrigClientOrderId"))
        for book in self.exchange.books.values():
            for order in book.open_orders(str(occasion.get("symbol"))):
                if str(order.order_id) == str(order_id) or order.client_order_id == client_id:
                    return self._moments.fill(order, order.leaves_lots, self._now_ns)
        return NO_ORDER

    def _after(self, occasion: Mapping[str, Any]) -> None:
        # What a request brings about once it is done.
        self.exchange.refuse_with = None
        for fault in self.script.after(occasion, self._now_ns):
            self._happen(fault, self._now_ns, request=occasion["request"])
        self._publish()

    # --- what is put off ------------------------------------------------------------------

    def _put_off(self, for_ms: int, act: Callable[[int], object]) -> None:
        self._later(self._now_ns + for_ms * _MS_NS, act, of_process=True)

    def _later(
        self, due_ns: int, act: Callable[[int], object], *, of_process: bool = False
    ) -> None:
        if len(self._late) >= MAX_LATE:
            # It could put itself off again at once: a fault stops there, a request is done.
            if of_process:
                act(self._now_ns)
            return
        self._late_count += 1
        insort(self._late, (due_ns, self._late_count, of_process, act))

    def _next_ticket(self) -> int:
        self._last_ticket += 1
        return self._last_ticket

    # --- faults of a moment ---------------------------------------------------------------

    def _happen(self, fault: Fault, ts_ns: int, request: str | None = None) -> None:
        if fault.symbol not in self.exchange.listings:
            why = "no such symbol is listed"
        elif fault.fault in _OF_THE_VENUE:
            _OF_THE_VENUE[fault.fault](self, fault, ts_ns)
            why = ""
        else:
            why = self._moments.act(fault, ts_ns)
        self.script.note(
            fault, ts_ns, symbol=fault.symbol, request=request, without_effect=why or None
        )

    def disarm(self, ts_ns: int) -> None:
        """Disarm all faults and end those that last; what they did to orders stays done."""
        self.script.disarm()
        self._storm_until_ns = 0
        self._moments.end(ts_ns)

    def _prices(self, symbol: str) -> tuple[list[str], list[str]]:
        # All prices that clients may know of a symbol, best first.
        listing = self.exchange.listings.get(symbol)
        if listing is None:
            return [], []
        shown = listing.market.snapshot(_EVERY_LEVEL)
        bids, asks = render.levels(listing, shown.bids), render.levels(listing, shown.asks)
        return [level[0] for level in bids], [level[0] for level in asks]

    def _set_skew(self, skew_ns: int) -> None:
        self._desk.skew_ns = skew_ns

    def _shut(self, fault: Fault, ts_ns: int) -> None:
        self.shut_down(ts_ns)
        for connection in self._is_api:
            self._hang_up(connection)

    def _storm(self, fault: Fault, ts_ns: int) -> None:
        self._storm_until_ns = ts_ns + fault.for_ms * _MS_NS
        self._cut += list(self._is_api)

    def _restart(self, fault: Fault, ts_ns: int) -> None:
        self._cut += list(self._is_api)
        self._archived = self.take_archive()
        last, skew_ns, before = self._last_connection, self._desk.skew_ns, self.exchange
        accounts = memory.read_accounts(self.dump_accounts(0))
        markets = self.dump_markets(ts_ns)
        Venue.__init__(self, self.config, self._make_markets())
        self._now_ns, self._last_connection = ts_ns, last
        self._desk.skew_ns = skew_ns
        self._late = [each for each in self._late if not each[2]]
        self._late_answers.clear()
        self._slow_until.clear()
        self._away_until_ns = ts_ns + fault.for_ms * _MS_NS
        keep_rules(before, self.exchange, ts_ns)
        if fault.fault == "restart":
            self.restore(accounts, b"", markets, ts_ns)
        else:
            self.start(ts_ns)
        self._restarted = True


def _ws_key(connection: int, occasion: Mapping[str, Any]) -> tuple[str, ...]:
    return str(connection), occasion["request"], str(occasion.get("symbol", ""))


class _Result(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw()


_STALE = ("stale_answer", "stale_balances", "stale_snapshot")
_OF_THE_VENUE: dict[str, Callable[[FaultyVenue, Fault, int], None]] = {
    "server_shutdown": FaultyVenue._shut,
    "reconnect_storm": FaultyVenue._storm,
    "restart": FaultyVenue._restart,
    "restart_without_memory": FaultyVenue._restart,
}
