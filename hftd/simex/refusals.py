"""Every refusal that the exchange can answer with: code, message, HTTP status.

Owns the table; knows nothing of when each applies.

Source: the exchange's public error list, as of 2026-07; texts are wire facts that clients
match on.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct


class Refusal(Struct, frozen=True):
    """One negative answer. ``data`` stands beside code and message where the protocol has it."""

    code: int
    msg: str
    status: int = 400
    data: Any = None
    retry_after_s: int = 0


class Refused(Exception):
    """Carries a refusal out of the reading of parameters; caught where requests are answered."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.msg)
        self.refusal = refusal


WOULD_TAKE: Final = (-2010, "Order would immediately match and take.")
WOULD_TRIGGER: Final = (-2010, "Order would trigger immediately.")

STATUS_UNKNOWN = Refusal(
    -1007,
    "Timeout waiting for response from backend server. "
    "Send status unknown; execution status unknown.",
    503,
)
FIREWALL = Refusal(-1000, "Forbidden.", 403)
UNSUPPORTED = Refusal(-1020, "This operation is not supported.")
BAD_TIMESTAMP_LATE = Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
BAD_TIMESTAMP_EARLY = Refusal(
    -1021, "Timestamp for this request was 1000ms ahead of the server's time."
)
BAD_SIGNATURE = Refusal(-1022, "Signature for this request is not valid.")
ALL_OR_ONE_ID = Refusal(
    -1102,
    "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
)
CANCEL_REPLACE_ID = Refusal(
    -1102,
    "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!",
)
QUANTITY_OR_QUOTE = Refusal(
    -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"
)
BAD_COMPOSITION = Refusal(-1014, "Unsupported order combination.")
STP_NOT_ALLOWED = Refusal(
    -1013, "This symbol does not allow the specified self-trade prevention mode."
)
STOP_OR_TRAILING = Refusal(
    -1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!"
)
BAD_STRATEGY_TYPE = Refusal(-1134, "`strategyType` was less than 1000000.")
BAD_TIF = Refusal(-1115, "Invalid timeInForce.")
BAD_KIND = Refusal(-1116, "Invalid orderType.")
BAD_SIDE = Refusal(-1117, "Invalid side.")
BAD_INTERVAL = Refusal(-1120, "Invalid interval.")
BAD_SYMBOL = Refusal(-1121, "Invalid symbol.")
BAD_LISTEN_KEY = Refusal(-1125, "This listenKey does not exist.")
TOO_LONG_SPAN = Refusal(-1127, "More than 24 hours between startTime and endTime.")
BAD_COMBINATION = Refusal(-1128, "Combination of optional parameters invalid.")
BAD_JSON = Refusal(-1135, "Invalid JSON Request")
BAD_RESTRICTION = Refusal(-1145, "Invalid cancelRestrictions")
DUPLICATE_SYMBOLS = Refusal(-1151, "Symbol is present multiple times in the list.")
BAD_TIME_UNIT = Refusal(
    -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
)
MARKET_CLOSED = Refusal(-2010, "Market is closed.")
INSUFFICIENT_BALANCE = Refusal(-2010, "Account has insufficient balance for requested action.")
DUPLICATE_ORDER = Refusal(-2010, "Duplicate order sent.")
ICEBERG_TOO_LARGE = Refusal(-2010, "IcebergQty exceeds QTY.")
UNKNOWN_ORDER = Refusal(-2011, "Unknown order sent.")
CANCEL_RESTRICTED = Refusal(-2011, "Order was not canceled due to cancel restrictions.")
NO_SUCH_ORDER = Refusal(-2013, "Order does not exist.")
BAD_KEY_FORMAT = Refusal(-2014, "API-key format invalid.", 401)
BAD_KEY = Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
ARCHIVED = Refusal(
    -2026,
    "Order was canceled or expired with no executed qty over 90 days ago and has been archived.",
)
ALREADY_SUBSCRIBED = Refusal(-2035, "User Data Stream subscription already active.")
NOT_SUBSCRIBED = Refusal(-2036, "User Data Stream subscription not active.")
TOO_MANY_SUBSCRIPTIONS = Refusal(
    -2042, "Max number of User Data Stream subscription IDs reached for this connection."
)
AMEND_UNKNOWN = Refusal(-2038, "Unknown order sent.")
AMEND_DUPLICATE = Refusal(-2038, "Duplicate order sent.")
AMEND_WHILE_CLOSED = Refusal(-2038, "Market is closed.")
AMEND_INCREASE = Refusal(-2038, "Order amend (quantity increase) is not supported.")
AMEND_NOTHING = Refusal(-2038, "The requested action would change no state; rejecting.")
TOO_MANY_AMENDS = Refusal(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
ID_MISMATCH = Refusal(-2039, "Client order ID and order ID mismatch.")


def replace_failed(halves: Any) -> Refusal:
    """Say that neither half of a replacement was done; ``halves`` tells of each."""
    return Refusal(-2022, "Order cancel-replace failed.", 400, halves)


def replace_half_failed(halves: Any) -> Refusal:
    """Say that one half of a replacement was done; ``halves`` tells which."""
    return Refusal(-2021, "Order cancel-replace partially failed.", 409, halves)


def mandatory(name: str) -> Refusal:
    """Refuse for a parameter that is missing, empty or malformed."""
    return Refusal(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def duplicate(name: str) -> Refusal:
    """Refuse for a parameter that came twice."""
    return Refusal(-1101, f"Duplicate values for parameter '{name}'.")


def unread(read: int, sent: int) -> Refusal:
    """Refuse for parameters that the endpoint does not have."""
    return Refusal(
        -1104,
        f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
    )


def too_large(name: str, limit: int) -> Refusal:
    """Refuse for a value above its limit."""
    return Refusal(-1102, f"'{name}' contains unexpected value. Cannot be greater than {limit}.")


def no_such_path(method: str, path: str) -> Refusal:
    """Refuse for a path, or a method on it, that does not exist."""
    return Refusal(-5000, f"Path {path}, Method {method} is invalid", 404)


def unsupported(what: str) -> Refusal:
    """Refuse for an order type of the protocol that the symbol does not have."""
    return Refusal(-2010, f"{what} orders are not supported for this symbol.")


def not_required(name: str) -> Refusal:
    """Refuse for a parameter that this order may not have."""
    return Refusal(-1106, f"Parameter '{name}' sent when not required.")


def illegal(name: str, legal: str) -> Refusal:
    """Refuse for characters outside the legal range, given as an expression."""
    return Refusal(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def too_precise(name: str) -> Refusal:
    """Refuse for more decimals than the asset has."""
    return Refusal(-1111, f"Parameter '{name}' has too much precision.")


def invalid(name: str) -> Refusal:
    """Refuse for a value outside its enumeration or range."""
    return Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def filter_failure(name: str) -> Refusal:
    """Refuse for a filter of the symbol."""
    return Refusal(-1013, f"Filter failure: {name}")


def too_much_weight(limit: int, retry_after_s: int) -> Refusal:
    """Refuse for the weight of the last minute."""
    return Refusal(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
        429,
        None,
        retry_after_s,
    )


def banned(until_ms: int, retry_after_s: int) -> Refusal:
    """Refuse an address that went on past its refusals."""
    return Refusal(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        418,
        None,
        retry_after_s,
    )


def too_many_requests(limit: int, retry_after_s: int) -> Refusal:
    """Refuse for the number of requests in five minutes."""
    return Refusal(
        -1003,
        f"Too many requests; current limit is {limit} requests per 5 MINUTE.",
        429,
        None,
        retry_after_s,
    )


def too_many_orders(limit: int, interval: str, retry_after_s: int) -> Refusal:
    """Refuse for the count of unfilled orders; ``interval`` as in ``10 SECOND``."""
    return Refusal(
        -1015,
        f"Too many new orders; current limit is {limit} orders per {interval}.",
        429,
        None,
        retry_after_s,
    )
