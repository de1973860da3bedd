"""One result of each shape, as a daemon in the middle of its day gives them."""

from __future__ import annotations

from typing import Any

from hftd.control import shapes

OPEN_ORDER: shapes.OpenOrder = {
    "client_order_id": "h1-k3x9qa-1732269600-118",
    "venue_order_id": "4711",
    "instrument": "BTC-USDT",
    "side": "BUY",
    "price": "59990.00",
    "qty": "0.01000",
    "cum_qty": "0.00400",
    "leaves_qty": "0.00600",
    "state": "PARTIALLY_FILLED",
    "age_ms": 1234.5,
    "reduce_only": False,
    "post_only": True,
}
UNKNOWN_ORDER: shapes.OpenOrder = {
    **OPEN_ORDER,
    "client_order_id": "h1-k3x9qa-1732269600-119",
    "venue_order_id": None,
    "side": "SELL",
    "price": "60010.00",
    "state": "UNKNOWN",
}
FILL: shapes.Fill = {
    "exec_id": "90210",
    "ts": "2026-11-22T09:34:14.123456Z",
    "instrument": "BTC-USDT",
    "client_order_id": "h1-k3x9qa-1732269600-118",
    "side": "BUY",
    "price": "59990.00",
    "qty": "0.00400",
    "fee": "0.00000400",
    "fee_asset": "BTC",
    "liquidity": "MAKER",
}
STATUS: shapes.Status = {
    "version": "0.1.0",
    "protocol": 1,
    "pid": 4242,
    "instance": "canary",
    "profile": "canary",
    "mode": "paper",
    "state": "RUNNING",
    "state_reason": None,
    "canary": {"enabled": True, "size_factor": "0.10"},
    "venue": "simex",
    "quote_asset": "USDT",
    "uptime_s": 312.4,
    "instruments": [
        {
            "symbol": "BTC-USDT",
            "book_state": "SYNCED",
            "best_bid": "59990.00",
            "best_ask": "60010.00",
            "spread_bps": "3.33",
            "imbalance": "0.12",
            "position_base": "-0.00210",
            "open_orders": 2,
        }
    ],
    "orders": {
        "open": 2,
        "in_flight": 0,
        "unknown": 0,
        "submitted": 120,
        "denied": 1,
        "rejected": 0,
    },
    "fills": 42,
    "alerts": [
        {
            "number": 3,
            "ts": "11:58:00.250Z",
            "code": "DAILY_LOSS",
            "reason": "DAILY_LOSS: loss=25.2 USDT, max=25 USDT",
        }
    ],
    "pnl": {
        "realized_quote": "1.00",
        "unrealized_quote": "0.30",
        "fees_quote": "0.07",
        "total_quote": "1.23",
    },
    "journal": {"seq": 12345},
    "recorder": {"seq": 12340, "lag": 5},
}
KILLED: shapes.Status = {
    **STATUS,
    "mode": "live",
    "state": "KILLED",
    "state_reason": "killed by uid 1000 at 12:00:01Z: the market went through our quotes twice, "
    "and nobody could say why",
    "recorder": {"seq": None, "lag": None},
}
HEALTH: shapes.Health = {
    "healthy": False,
    "checks": [
        {"name": "loop_lag", "ok": True, "detail": "p99 0.4 ms, limit 50 ms"},
        {"name": "user_stream", "ok": False, "detail": "silent for 12.0 s, limit 5 s"},
    ],
}
EXPLAIN: shapes.Explain = {
    "instruments": [
        {
            "instrument": "BTC-USDT",
            "sides": {
                "buy": [
                    {
                        "condition": "state",
                        "ok": True,
                        "value": "RUNNING",
                        "bound": "RUNNING",
                        "detail": None,
                    },
                    {
                        "condition": "min_spread_bps",
                        "ok": False,
                        "value": "1.20",
                        "bound": ">= 5",
                        "detail": "the spread has been under the profile's minimum for 12 s; it "
                        "was at or over it in 31 % of the last hour",
                    },
                    {
                        "condition": "free_balance",
                        "ok": False,
                        "value": None,
                        "bound": None,
                        "detail": "not asked",
                    },
                ],
                "sell": [
                    {
                        "condition": "state",
                        "ok": True,
                        "value": "RUNNING",
                        "bound": "RUNNING",
                        "detail": None,
                    }
                ],
            },
        }
    ]
}
BOOK: shapes.Book = {
    "instrument": "BTC-USDT",
    "state": "SYNCED",
    "last_update_id": 51234567890,
    "bids": [
        {"price": "59990.00", "qty": "0.51000", "own_qty": "0.01000"},
        {"price": "59980.00", "qty": "2.20000", "own_qty": "0"},
        {"price": "59970.00", "qty": "0.00100", "own_qty": "0"},
    ],
    "asks": [
        {"price": "60010.00", "qty": "0.31000", "own_qty": "0.01000"},
        {"price": "60020.00", "qty": "1.10000", "own_qty": "0"},
        {"price": "60030.00", "qty": "4.00000", "own_qty": "0"},
    ],
    "best_bid": "59990.00",
    "best_ask": "60010.00",
    "mid": "60000.00",
    "spread_bps": "3.33",
    "spread_bps_without_own": "3.33",
    "imbalance": "0.24",
    "age_ms": 12.3,
}
ORDERS: shapes.Orders = {"orders": [OPEN_ORDER, UNKNOWN_ORDER]}
FILLS: shapes.Fills = {"fills": [FILL, {**FILL, "side": "SELL", "exec_id": "90211"}]}
ORDER: shapes.OrderJourney = {
    "client_order_id": "h1-k3x9qa-1732269600-118",
    "venue_order_id": "4711",
    "instrument": "BTC-USDT",
    "side": "BUY",
    "price": "59990.00",
    "qty": "0.01000",
    "cum_qty": "0.00400",
    "state": "CANCELED",
    "decision_seq": 998,
    "events": [
        {
            "ts": "2026-11-22T09:34:13.100200Z",
            "seq": 999,
            "event": "submit",
            "state": "PENDING_NEW",
            "price": "59990.00",
            "qty": "0.01000",
            "cum_qty": "0",
            "latency_us": 41.2,
            "detail": None,
        },
        {
            "ts": "2026-11-22T09:34:13.103000Z",
            "seq": 1003,
            "event": "accepted",
            "state": "NEW",
            "price": None,
            "qty": None,
            "cum_qty": "0",
            "latency_us": 2800.0,
            "detail": None,
        },
        {
            "ts": "2026-11-22T09:34:15.200000Z",
            "seq": 1200,
            "event": "canceled",
            "state": "CANCELED",
            "price": None,
            "qty": None,
            "cum_qty": "0.00400",
            "latency_us": None,
            "detail": "quote moved: one tick away after one update",
        },
    ],
    "fills": [FILL],
}
POSITIONS: shapes.Positions = {
    "positions": [
        {
            "instrument": "BTC-USDT",
            "position_base": "-0.00210",
            "avg_price": "60005.12",
            "mark": "60000.00",
            "mark_source": "mid",
            "unrealized_quote": "0.30",
            "realized_quote": "-1.00",
            "fees_quote": "0.07",
            "dust_base": "0.00000400",
        }
    ],
    "balances": [
        {"asset": "BTC", "free": "1.00790000", "locked": "0.01000000"},
        {"asset": "USDT", "free": "59400.10", "locked": "599.90"},
    ],
}
PNL: shapes.Pnl = {
    "quote_asset": "USDT",
    "realized_quote": "1.00",
    "unrealized_quote": "0.30",
    "fees_quote": "0.07",
    "total_quote": "1.23",
    "optimistic_total_quote": "1.87",
    "equity_quote": "120601.23",
    "opening_holdings_gain_quote": "-12.00",
    "day_start": "2026-11-22T00:00:00Z",
    "day_start_equity_quote": "120600.00",
    "daily_loss_used_quote": "22.50",
    "daily_loss_limit_quote": "25.00",
    "drawdown_quote": "0",
    "drawdown_limit_quote": "25.00",
}
LATENCY: shapes.Latency = {
    "stages": [
        {
            "stage": "market_data",
            "venue": False,
            "count": 28040,
            "mean_us": 21.4,
            "median_us": 18.0,
            "p95_us": 40.1,
            "p99_us": 66.0,
            "p99_9_us": 910.0,
            "max_us": 12345.6,
            "target_ms": 5.0,
            "over_target": False,
        },
        {
            "stage": "execution",
            "venue": True,
            "count": 120,
            "mean_us": 31000.0,
            "median_us": 28000.0,
            "p95_us": 40100.0,
            "p99_us": 66000.0,
            "p99_9_us": 91000.0,
            "max_us": 1234567.0,
            "target_ms": 30.0,
            "over_target": True,
        },
        {
            "stage": "tick_to_order",
            "venue": False,
            "count": 0,
            "mean_us": None,
            "median_us": None,
            "p95_us": None,
            "p99_us": None,
            "p99_9_us": None,
            "max_us": None,
            "target_ms": None,
            "over_target": False,
        },
    ]
}
RISK: shapes.Risk = {
    "gate": "open",
    "limits": [
        {
            "code": "C03",
            "name": "max_order_size_base",
            "instrument": "BTC-USDT",
            "limit": "0.002",
            "use": "0.001",
            "unit": "BTC",
            "ratio": 0.5,
        },
        {
            "code": "C12",
            "name": "max_position_base",
            "instrument": "BTC-USDT",
            "limit": "0.010",
            "use": "0.009",
            "unit": "BTC",
            "ratio": 0.9,
        },
        {
            "code": "C15",
            "name": "max_daily_loss_quote",
            "instrument": None,
            "limit": "25.00",
            "use": "26.00",
            "unit": "USDT",
            "ratio": 1.04,
        },
        {
            "code": "C13",
            "name": "max_gross_exposure_quote",
            "instrument": None,
            "limit": "1000",
            "use": "0",
            "unit": "USDT",
            "ratio": 0.0,
        },
    ],
    "counters": [{"code": "C09", "count": 3}, {"code": "C10", "count": 0}],
}
VERSION: shapes.Version = {
    "version": "0.1.0",
    "protocol": 1,
    "python": "3.11.7",
    "instance": "canary",
}
INSTANCES: shapes.Instances = {
    "instances": [
        {
            "instance": "canary",
            "socket": "/run/hftd/canary/control.sock",
            "pid": 4242,
            "profile": "canary",
            "mode": "paper",
            "state": "RUNNING",
            "uptime_s": 86399.0,
            "error": None,
        },
        {
            "instance": "tape",
            "socket": "/run/hftd/tape/control.sock",
            "pid": None,
            "profile": None,
            "mode": None,
            "state": None,
            "uptime_s": None,
            "error": "no answer in time; the request may have been carried out",
        },
    ]
}
KILL_LINE = (
    "KILLED in 43 ms. 0 open orders (venue checked 12:00:01.233Z). "
    "Position +0.00210 BTC (about 126 USDT) remains. Close it: hftctl flatten. "
    "Trade again: hftctl reset --reason …"
)
DONE: shapes.Outcome = {
    "ok": True,
    "complete": True,
    "line": KILL_LINE,
    "state": "KILLED",
    "open_orders_left": [],
    "elapsed_ms": 43.0,
}
LEFT: shapes.Outcome = {
    **DONE,
    "complete": False,
    "line": "KILLED, not confirmed after 10 s. 2 open orders are left.",
    "open_orders_left": [OPEN_ORDER, UNKNOWN_ORDER],
}
LOG_LINES: list[dict[str, Any]] = [
    {
        "ts": "2026-11-22T09:34:14.123456Z",
        "level": "info",
        "event": "order_accepted",
        "stage": "execution",
        "instance": "canary",
        "seq": 1003,
        "instrument": "BTC-USDT",
        "client_order_id": "h1-k3x9qa-1732269600-118",
        "price": "59990.00",
        "latency_us": 2800.0,
    },
    {
        "ts": "2026-11-22T09:34:15.000001Z",
        "level": "warning",
        "event": "refused",
        "stage": "risk",
        "instance": "canary",
        "seq": 1010,
        "code": "C12",
    },
]
SELFCHECK: shapes.SelfCheck = {
    "agrees": True,
    "source": "tests of /home/me/hftd, results of its last runs",
    "missing": ["C38"],
    "controls": [
        {
            "id": "C03",
            "title": "order quantity",
            "stands": True,
            "tests": ["tests/engine/test_risk.py::test_c03_order_size"],
            "passed": 1,
            "failed": [],
            "unknown": 0,
            "last_run": "2026-11-22T09:34:14Z",
        },
        {
            "id": "C38",
            "title": "limits changed while running",
            "stands": False,
            "tests": [],
            "passed": 0,
            "failed": [],
            "unknown": 0,
            "last_run": None,
        },
    ],
}
RECONCILED: shapes.Reconciled = {
    **DONE,
    "agrees": True,
    "checks": [
        {"name": "orders", "agrees": True, "checked": "12:00:05.001Z"},
        {"name": "trades", "agrees": True, "checked": "12:00:05.001Z"},
        {"name": "balances", "agrees": True, "checked": None},
    ],
    "differences": [],
}
DIFFERS: shapes.Reconciled = {
    **RECONCILED,
    "agrees": False,
    "checks": [{"name": "balances", "agrees": False, "checked": "12:00:05.001Z"}],
    "differences": [{"what": "BTC", "ours": "1.0021", "venues": "1.00211"}],
}
PAST_ORDERS: shapes.History = {
    "what": "orders",
    "rows": [
        {
            "ts": "2026-11-22T09:34:14.123456Z",
            "client_order_id": "h1-k3x9qa-1732269600-118",
            "instrument": "BTC-USDT",
            "side": "BUY",
            "price": "59990.00",
            "qty": "0.01000",
            "cum_qty": "0.00400",
            "state": "CANCELED",
        }
    ],
}
PAST_PNL: shapes.History = {
    "what": "pnl",
    "rows": [
        {
            "ts": "2026-11-22T09:34:59.123456Z",
            "equity_quote": "160025.6368",
            "realized_quote": "5.12865442",
            "unrealized_quote": "-0.09305442",
            "fees_quote": "0.4",
            "total_quote": "4.6356",
            "drawdown_quote": "1.2",
        }
    ],
}
PAST_LATENCY: shapes.History = {
    "what": "latency",
    "rows": [
        {
            "minute": "2026-11-22T09:34Z",
            "stage": "end_to_end",
            "count": 124,
            "mean_us": 3750.0,
            "worst_second_p50_us": 1550.0,
            "worst_second_p99_us": 19270.0,
            "max_us": 19270.0,
        }
    ],
}
ALERT_TEST: shapes.AlertTest = {
    "ok": True,
    "complete": True,
    "line": "a critical alert was taken by hooks.example.com in 112 ms",
}
RELOADED: shapes.Reloaded = {
    **DONE,
    "checked": False,
    "config_hash": "4c6095430f22790e",
    "changes": [
        {
            "key": "instrument_limits.BTC-USDT.max_order_notional_quote",
            "old": "none",
            "new": "2500",
            "origin": "/home/me/.config/hftd/quiet-hours-with-a-long-name.yaml:12:5",
            "takes": "now",
        },
        {
            "key": "strategy.order_size_base",
            "old": "0.01",
            "new": "0.02",
            "origin": "default",
            "takes": "start",
        },
    ],
}
RESULTS: dict[str, list[Any]] = {
    "status": [STATUS, KILLED],
    "wait": [STATUS],
    "health": [HEALTH],
    "version": [VERSION],
    "selfcheck": [SELFCHECK],
    "ps": [INSTANCES, {"instances": []}],
    "explain": [EXPLAIN],
    "book": [BOOK],
    "orders": [ORDERS, {"orders": []}],
    "order": [ORDER],
    "fills": [FILLS, {"fills": []}],
    "history": [PAST_ORDERS, PAST_PNL, PAST_LATENCY, {"what": "pnl", "rows": []}],
    "positions": [POSITIONS],
    "pnl": [PNL],
    "latency": [LATENCY],
    "risk": [RISK],
    "kill": [DONE, LEFT],
    "reconcile": [RECONCILED, DIFFERS],
    "alert-test": [ALERT_TEST],
    "reload": [RELOADED],
    "set": [RELOADED],
}
