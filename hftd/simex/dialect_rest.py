"""REST: one HTTP request in, status, headers and body out.

Owns routes, headers and the order of checks of an HTTP request. Knows no sockets.

The order: path, weight, parameters, key, timing, signature, then the endpoint itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from hftd.simex import refusals
from hftd.simex.endpoint import PUBLIC, SIGNED, Answer, Call, Desk, Endpoint
from hftd.simex.endpoints import ROUTES, answer
from hftd.simex.params import Params, from_form, printable
from hftd.simex.refusals import Refusal, Refused
from hftd.simex.signing import Keyring, check_signature, check_timing, cut_signature
from hftd.simex.time_unit import MICROSECOND, MILLISECOND, in_microseconds

Response: TypeAlias = tuple[int, dict[str, str], bytes]


class RestDialect:
    """Answers HTTP requests."""

    def __init__(self, desk: Desk, keyring: Keyring) -> None:
        self._desk = desk
        self._keyring = keyring

    def respond(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, ts_ns: int
    ) -> Response:
        """Answer one request; names in ``headers`` are in any case."""
        path, _, query = target.partition("?")
        endpoint = ROUTES.get((method, path))
        weight, account, micro = 1, 0, False
        lower = {name.lower(): value for name, value in headers.items()}
        result: Answer
        try:
            if endpoint is None:
                raise Refused(refusals.no_such_path(method, printable(path)))
            micro = _wants_microseconds(lower)
            form = _form_of(body, lower)
            values = from_form(query, form)
            weight = endpoint.weigh(values)
            limited = self._desk.limits.spend(weight, ts_ns)
            if limited is not None:
                raise Refused(limited)
            account = self._authenticate(endpoint, lower, values, query, form, ts_ns)
            result = answer(endpoint, Call(self._desk, Params(values), account, ts_ns))
        except Refused as refused:
            result = refused.refusal
        status, said, content = self._response(endpoint, result, account, ts_ns)
        return status, said, in_microseconds(content) if micro else content

    def _authenticate(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        values: Mapping[str, str],
        query: str,
        form: str,
        ts_ns: int,
    ) -> int:
        # Returns the account, 0 for public endpoints.
        if endpoint.security == PUBLIC:
            return 0
        credential = self._keyring.find(headers.get("x-mbx-apikey"))
        if endpoint.security == SIGNED:
            check_timing(values, ts_ns + self._desk.skew_ns)
            payload, signature = cut_signature(query, form)
            check_signature(credential, payload, signature)
        return credential.account

    def _response(
        self, endpoint: Endpoint | None, result: Answer, account: int, ts_ns: int
    ) -> Response:
        used = str(self._desk.limits.used_weight(ts_ns))
        headers = {
            "Content-Type": "application/json;charset=UTF-8",
            "X-MBX-USED-WEIGHT": used,
            "X-MBX-USED-WEIGHT-1M": used,
        }
        if isinstance(result, Refusal):
            if result.retry_after_s:
                headers["Retry-After"] = str(result.retry_after_s)
            return result.status, headers, msgspec.json.encode(_error(result))
        if endpoint is not None and endpoint.places_order:
            ten_seconds, day = self._desk.limits.order_counts(account, ts_ns)
            headers["X-MBX-ORDER-COUNT-10S"] = str(ten_seconds)
            headers["X-MBX-ORDER-COUNT-1D"] = str(day)
        return 200, headers, msgspec.json.encode(result)


def _wants_microseconds(headers: Mapping[str, str]) -> bool:
    unit = headers.get("x-mbx-time-unit", MILLISECOND).upper()
    if unit not in (MICROSECOND, MILLISECOND):
        raise Refused(refusals.BAD_TIME_UNIT)
    return unit == MICROSECOND


def _form_of(body: bytes, headers: Mapping[str, str]) -> str:
    # Only forms carry parameters; clients send an empty body with any content type.
    if not body or "json" in headers.get("content-type", ""):
        return ""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refused(refusals.illegal("body", "UTF-8")) from None


def _error(refusal: Refusal) -> dict[str, object]:
    error: dict[str, object] = {"code": refusal.code, "msg": refusal.msg}
    if refusal.data is not None:
        error["data"] = refusal.data
    return error
