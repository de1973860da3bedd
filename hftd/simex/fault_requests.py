"""What a fault sees of a request, and what it answers in the venue's place.

Owns the occasion of a request by either road, and the responses that are none of HTTP's. Must
not know when a fault fires.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hftd.simex import refusals
from hftd.simex.dialect_rest import Response
from hftd.simex.endpoints import METHODS, ROUTES
from hftd.simex.faults import Fault
from hftd.simex.params import UNREADABLE, from_form
from hftd.simex.refusals import Refusal, Refused

NO_REPLY = 0
"""The status of a response that must not go out: its body as it is, then the connection breaks."""

LATER = -1
"""The status of a response that comes later, or never."""

_MS_NS = 1_000_000


def later_response(ticket: int) -> Response:
    """Return the response that stands for one that is late."""
    return LATER, {"ticket": str(ticket)}, b""


def ticket_of(response: Response) -> int:
    """Return the ticket of a response that is LATER."""
    return int(response[1]["ticket"])


def half_of(body: bytes) -> bytes:
    """Return the first half of an answer as it stands on the wire."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body[: len(body) // 2]


def rest_occasion(
    method: str, target: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """Return the occasion of a REST request: parameters, ``request`` and ``apiKey``."""
    path, _, query = target.partition("?")
    endpoint = ROUTES.get((method, path))
    names = [name for name, each in METHODS.items() if each is endpoint]
    try:
        values = from_form(query, body.decode("utf-8", "replace"))
    except Refused:
        values = {}
    name = names[0] if names else f"{method} {path}"
    return {**values, "request": name, "apiKey": headers.get("X-MBX-APIKEY")}


def ws_occasion(text: bytes) -> dict[str, Any] | None:
    """Return the occasion of a WS-API frame, with its ``id``; None where it is no request."""
    try:
        frame = msgspec.json.decode(text)
        method, params = str(frame["method"]), frame.get("params") or {}
        return {**params, "request": method.removeprefix("v3/"), "id": frame.get("id")}
    except (*UNREADABLE, TypeError, KeyError, AttributeError):
        return None


def refusal_of(fault: Fault, weight_per_minute: int, ts_ns: int) -> Refusal:
    """Return what a fault of requests answers with."""
    kind, wait_s = fault.fault, -(-fault.for_ms // 1000)
    if kind == "not_found":
        return refusals.NO_SUCH_ORDER
    if kind == "too_many_requests":
        return refusals.too_much_weight(weight_per_minute, wait_s)
    if kind == "ban":
        return refusals.banned(ts_ns // _MS_NS + fault.for_ms, wait_s)
    if kind == "firewall":
        return refusals.FIREWALL
    return refusals.STATUS_UNKNOWN


def rest_refusal(refusal: Refusal) -> Response:
    """Return a refusal as REST answers it; the firewall speaks no JSON."""
    if refusal is refusals.FIREWALL:
        return refusal.status, {"Content-Type": "text/html"}, b"<html>403 Forbidden</html>"
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    if refusal.retry_after_s:
        headers["Retry-After"] = str(refusal.retry_after_s)
    body = msgspec.json.encode({"code": refusal.code, "msg": refusal.msg})
    return refusal.status, headers, body
