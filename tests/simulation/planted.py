"""Deliberate bugs, each the one of an upstream issue, that the simulation must find.

Owns what is planted: an edit of a copy of the package's source, in the words of the source as it
stands. Must not know how a copy is made and run; that is ``tests.simulation.planting``. An edit
whose text is no longer there fails the test of this file, so that no bug is planted nowhere.

The groups G1 to G12 are those of real bots' issues: what timed out, fills, cancels, books,
streams, positions, stops, rates, precision, databases, leaks, and clocks, ids and secrets.
"""

# long: the bugs are one list, read from top to bottom.

from __future__ import annotations

from typing import NamedTuple


class Edit(NamedTuple):
    """One replacement in one file below ``hftd``; the old text stands there once."""

    path: str
    old: str
    new: str


class Bug(NamedTuple):
    """One planted bug: its group, the issue that it stands for, what it does, and how."""

    name: str
    group: str
    issue: str
    faults: str  # Those that provoke it: a hunt may be narrowed down to them.
    does: str
    edits: tuple[Edit, ...]


END_REJECTED = "orders.end(state, out, slot, OrderEvent.REJECTED, OrderState.REJECTED, Code.NONE)"

BUGS = (
    # --- G1: a time-out treated as a failure --------------------------------------------------
    Bug(
        "lost-is-not-sent", "G1", "hummingbot #493",
        "cut-order-link slow-road mute",
        "a request without an answer counts as never sent",
        (Edit("runtime/in_flight.py", "write_in_doubt(self._parse(identity), 0, rows)",
              "write_not_sent(self._parse(identity), rows)"),),
    ),
    Bug(
        "5xx-is-a-refusal", "G1", "ccxt #2599",
        "accept-late error-accepted",
        "a 5xx or -1007 ends the order, which may stand all the same",
        (Edit("venues/binance/replies.py",
              "elif reply.status >= 500 or error.code in IN_DOUBT or error is NO_ERROR:",
              "elif error is NO_ERROR:"),),
    ),
    Bug(
        "timeout-is-a-refusal", "G1", "nautilus #4958",
        "accept-late cut-order-link slow-road",
        "an order in doubt is taken out of the table as rejected",
        (Edit("engine/reports.py",
              "        order[\"state\"] = orders.next_state(before, "
              "OrderEvent.OUTCOME_UNKNOWN, 0)\n    if order[\"query_at_ns\"] == 0:",
              f"        {END_REJECTED}\n        return\n"
              "    if order[\"query_at_ns\"] == 0:"),),
    ),
    Bug(
        "not-found-is-final", "G1", "hummingbot #601",
        "accept-late cut-order-link slow-road not-found",
        "the first NOT_FOUND ends an order that the exchange may yet take",
        (Edit("engine/chase.py", "    if now < final_ns:\n",
              "    if order[\"state\"] == OrderState.UNKNOWN:\n"
              "        orders.end(state, out, slot, OrderEvent.NEVER_ACCEPTED, "
              "OrderState.REJECTED, Code.NONE)\n        return\n    if now < final_ns:\n"),),
    ),
    Bug(
        "doubt-blocks-nothing", "G1", "hummingbot #3374",
        "accept-late cut-order-link slow-road",
        "an order in doubt blocks nothing: its side is quoted as if it were not there",
        (Edit("engine/risk_account.py",
              "        in_doubt = order[\"state\"] == OrderState.UNKNOWN or "
              "order[\"final_state\"] != 0\n",
              "        in_doubt = order[\"state\"] == OrderState.NONE\n"),
         Edit("engine/quoter.py", "    if in_doubt > 0:\n", "    if in_doubt > 99:\n")),
    ),
    # --- G2: lost or doubled fills -------------------------------------------------------------
    Bug(
        "fills-applied-each-time", "G2", "hummingbot #1663",
        "duplicate-trade duplicate-report cut-order-link",
        "a report that comes twice is booked twice",
        (Edit("engine/reports.py",
              "    if known_trades.was_seen(state, index, event[\"trade_id\"], event[\"side\"]):\n"
              "        return\n", ""),),
    ),
    Bug(
        "no-back-fill", "G2", "ccxt #26945", "cut-order-link partition dead-socket",
        "own trades are asked for from far behind the last one listed",
        (Edit("engine/known_trades.py",
              "    return min(missing, after_shown) if missing > 0 else after_shown\n",
              "    return after_shown + 10_000\n"),
         # And that for the fills of an order which has ended.
         Edit("engine/chase.py", "min(order[\"trade_id_before\"] + 1, from_id)\n", "from_id\n")),
    ),
    Bug(
        "trades-forgotten-at-restart", "G2", "QuantDinger #232", "kill-9",
        "a restart does not know which trades it has booked, and books them again",
        (Edit("drivers/memory.py", ", (old.trades_seen, new.trades_seen))", ",)"),
         Edit("drivers/memory.py", "    \"own_trade_id\",\n", ""),
         Edit("drivers/memory.py", "    \"missing_trade_id\",\n", ""),
         Edit("drivers/memory.py", "    \"checked_trade_id\",\n", "")),
    ),
    Bug(
        "end-without-its-fills", "G2", "hummingbot #918",
        "fill-after-cancel fill-before-cancel partial-fill dribble",
        "a terminal report ends an order before the fills that it counts",
        (Edit("engine/reports.py",
              "    missing = order[\"venue_cum_lots\"] - order[\"cum_lots\"]\n",
              "    missing = 0\n"),),
    ),
    # --- G3: races of cancel and fill -----------------------------------------------------------
    Bug(
        "cancel-rejected-is-the-end", "G3", "hummingbot #4738",
        "fill-before-cancel fill-after-cancel",
        "a cancel that is refused ends the order, mostly one that has filled",
        (Edit("engine/reports.py",
              "    order[\"state\"] = orders.next_state(before, OrderEvent.CANCEL_REJECTED, "
              "order[\"cum_lots\"])\n",
              "    orders.end(state, out, slot, OrderEvent.CANCELED, OrderState.CANCELED, "
              "Code.NONE)\n    return\n"),),
    ),
    Bug(
        "cancel-is-the-end", "G3", "passivbot #514", "partition slow-road",
        "an order is forgotten when its cancel leaves",
        (Edit("engine/orders.py",
              "        order_fact(state, out, order, OrderEvent.CANCEL_SENT, before, code)\n",
              "        order_fact(state, out, order, OrderEvent.CANCEL_SENT, before, code)\n"
              "        end(state, out, slot, OrderEvent.CANCELED, OrderState.CANCELED, code)\n"),),
    ),
    Bug(
        "replacement-not-counted", "G3", "nautilus #4154", "slow-road tight-limits",
        "the order that is replaced does not count beside its successor",
        (Edit("engine/quoter.py",
              "    worst = position + open_lots(state, index, side) + qty_lots\n",
              "    worst = position + qty_lots\n"),
         Edit("engine/risk_account.py",
              "    worst = position + open_lots(state, wish[\"instrument\"], wish[\"side\"]) + "
              "wish[\"qty_lots\"]\n",
              "    worst = position + open_lots(state, wish[\"instrument\"], wish[\"side\"]) + "
              "wish[\"qty_lots\"]\n    worst -= replaced_lots(state, wish)\n")),
    ),
    Bug(
        "leaves-not-reduced", "G3", "freqtrade #8374", "dribble partial-fill",
        "what is left of an order is what was ordered, however much was filled",
        (Edit("engine/reports.py",
              "    order[\"leaves_lots\"] = whole - order[\"cum_lots\"]\n",
              "    order[\"leaves_lots\"] = whole - event[\"qty_lots\"]\n"),),
    ),
    # --- G4: the book ---------------------------------------------------------------------------
    Bug(
        "gap-ignored", "G4", "xchange-stream #284", "sequence-gap",
        "a depth event that does not follow the last one is applied all the same",
        (Edit("engine/book.py",
              "    if event[\"first_update_id\"] > book[\"last_update_id\"] + 1:\n"
              "        begin_resync(",
              "    if event[\"first_update_id\"] < 0:\n        begin_resync("),),
    ),
    Bug(
        "buffer-dropped", "G4", "nautilus #4181", "sequence-gap slow-road",
        "what came while the snapshot was under way is not applied after it",
        (Edit("engine/book.py",
              "        if book[\"pending_last\"][at] > book[\"last_update_id\"]:\n",
              "        if book[\"pending_last\"][at] < 0:\n"),
         Edit("engine/book.py",
              "    if event[\"first_update_id\"] > book[\"last_update_id\"] + 1:\n"
              "        begin_resync(",
              "    if event[\"first_update_id\"] < 0:\n        begin_resync(")),
    ),
    Bug(
        "crossed-book-believed", "G4", "ccxt #8106", "crossed-book locked-book",
        "a book whose bid is above its ask stays SYNCED",
        (Edit("engine/book.py", "    if is_crossed(book):\n",
              "    if is_crossed(book) and False:\n"),),
    ),
    Bug(
        "old-snapshot-taken", "G4", "hummingbot #1926", "stale-snapshot sequence-gap",
        "a snapshot that is older than the buffer is taken, and the book begins behind",
        (Edit("engine/book.py",
              "    if book[\"pending_count\"] > 0 and snapshot_id < "
              "book[\"pending_first\"][0] - 1:\n        return\n", ""),
         Edit("engine/book.py",
              "            if book[\"pending_first\"][at] > book[\"last_update_id\"] + 1:\n"
              "                return False\n", "")),
    ),
    # --- G5: streams that die in silence --------------------------------------------------------
    Bug(
        "silence-is-fresh", "G5", "Lean Tastytrade #31", "partition silent-stream",
        "a book is believed however long nothing was heard of it",
        (Edit("engine/risk_market.py",
              "age <= core[\"max_book_age_ns\"]:\n        return Code.NONE\n    has_touch",
              "age <= 1 << 62:\n        return Code.NONE\n    has_touch"),
         Edit("engine/sync.py", "    elif age > core[\"max_book_age_ns\"] and",
              "    elif age > 1 << 62 and")),
    ),
    Bug(
        "gap-in-reports-not-mended", "G5", "unicorn #275", "cut-order-link partition",
        "reports that ended and began again are taken for whole",
        (Edit("engine/step.py",
              "        if core[\"recovery_phase\"] == recovery.Phase.IDLE:\n"
              "            recovery.start(state, out)\n",
              "        if core[\"recovery_clean\"] == 1:\n"
              "            breaker.lift(state, breaker.PAUSE_USER_STREAM)\n"),),
    ),
    Bug(
        "dead-market-link-kept", "G5", "nautilus #4275", "half-open silent-stream dead-socket",
        "a market link that is open and says nothing is never opened anew",
        (Edit("engine/sync.py",
              "    if dead and core[\"now_ns\"] - book[\"stale_ns\"] > limit:\n",
              "    if age_ns > 1 << 62:\n"),),
    ),
    Bug(
        "dead-depth-believed", "G5", "alpaca-py #740", "silent-stream",
        "a stream that has died is believed while others of the same link speak",
        (Edit("engine/sync.py", "    try_touch(state, index)\n    if book", "    if book"),),
    ),
    # --- G6: positions that drift ---------------------------------------------------------------
    Bug(
        "position-not-carried", "G6", "hummingbot #3324", "kill-9",
        "a restart begins with no position",
        (Edit("drivers/memory.py", "    \"position_lots\",\n", ""),),
    ),
    Bug(
        "open-orders-not-adopted", "G6", "hummingbot #1295", "power recorder-dies",
        "an order of ours that the table does not hold is left to itself",
        (Edit("engine/step.py",
              "    if not known and event[\"found\"] == 1 and live and "
              "event[\"order_key\"] != 0:\n",
              "    if not known and event[\"found\"] == 2:\n"),),
    ),
    Bug(
        "through-zero", "G6", "nautilus #3104", "operator",
        "a fill that turns the position leaves it at zero",
        (Edit("engine/position.py",
              "        instrument[\"position_lots\"] = rest if signed > 0 else -rest\n", ""),),
    ),
    Bug(
        "warm-restart-flattens", "G6", "nautilus #4736", "operator kill-9",
        "a restart sells off the position that it remembers",
        (Edit("engine/boot.py", "if cuts and (instrument[\"flatten\"] == 1 or not told) else 0\n",
              "if cuts or not told else 1\n"),),
    ),
    Bug(
        "fills-made-up", "G6", "nautilus #4106", "fill-after-cancel cut-order-link kill-9",
        "what an ended order filled beyond our fills is booked at its price, without a trade",
        (Edit("engine/reports.py", "    apply_foreign_fill,\n    balance",
              "    apply_foreign_fill,\n    apply_to_position,\n    balance"),
         Edit("engine/reports.py", "    if missing <= 0:\n        orders.end(",
              "    if missing > 0:\n"
              "        instrument = state.instruments[order[\"instrument\"]]\n"
              "        apply_to_position("
              "instrument, order[\"side\"], order[\"price_ticks\"], missing)\n"
              "        instrument[\"filled_lots\"][order[\"side\"]] += missing\n"
              "        order[\"cum_lots\"] += missing\n"
              "        missing = 0\n"
              "    if missing <= 0:\n        orders.end(")),
    ),
    # --- G7: stops that do not stop -------------------------------------------------------------
    Bug(
        "killed-goes-on", "G7", "hummingbot #2534", "operator",
        "the gate and the quoter know PAUSED alone; a kill cancels and quotes on",
        (Edit("engine/risk.py",
              "    if trading != TradingState.RUNNING and not reducing:\n",
              "    if trading == TradingState.PAUSED and not reducing:\n"),
         Edit("engine/quoter.py",
              "    if trading != TradingState.RUNNING and not reducing:\n",
              "    if trading == TradingState.PAUSED and not reducing:\n"),
         Edit("engine/targets.py",
              "    running = trading == TradingState.RUNNING or reducing\n",
              "    running = trading != TradingState.PAUSED or reducing\n")),
    ),
    Bug(
        "kill-misses-what-is-in-flight", "G7", "hummingbot #8075", "operator slow-road",
        "a kill cancels what is acknowledged; what is on its way surfaces and stays",
        (Edit("engine/clearing.py", "    orders.cancel_all(state, out, -1, code)\n",
              "    for slot in range(ORDERS_CAPACITY):\n"
              "        if state.orders[slot][\"state\"] == OrderState.NEW:\n"
              "            orders.cancel(state, out, slot, code)\n"),
         Edit("engine/clearing.py",
              "    if core[\"kill_requested_ns\"] == 0 or", "    if core[\"now_ns\"] != 0 or")),
    ),
    Bug(
        "latch-not-written", "G7", "hummingbot #2955", "operator kill-9",
        "a stopped daemon trades again after a restart",
        (Edit("engine/breaker.py",
              "    action = add_action(state, out, ActionKind.LATCH, -1)\n"
              "    action[\"state\"] = to\n    action[\"code\"] = code\n", "    return\n"),),
    ),
    Bug(
        "stop-leaves-orders", "G7", "hummingbot #5931", "operator",
        "the process ends before its orders are gone",
        (Edit("engine/clearing.py",
              "core[\"stopping\"] > 0 and core[\"venue_clear\"] == 1 and core[\"exit_sent\"] == 0",
              "core[\"stopping\"] > 0 and core[\"exit_sent\"] == 0"),
         Edit("engine/breaker.py", "    clearing.begin(state, out, Code.STOP)\n", ""),
         # The quoter, which pulls what no longer may stand, has been told to end as well.
         Edit("engine/quoter.py",
              "        if instrument[\"dirty\"] == 0 or leaves_alone(state, index):\n",
              "        if instrument[\"dirty\"] == 0 or leaves_alone(state, index) or "
              "state.core[0][\"stopping\"] > 0:\n")),
    ),
    Bug(
        "resume-leaves-halt", "G7", "hummingbot #1508", "operator",
        "resume is enough to trade on after a halt",
        (Edit("engine/commands.py",
              "    if core[\"state\"] != TradingState.PAUSED and "
              "core[\"state\"] != TradingState.REDUCE_ONLY:\n        return Code.GATE_CLOSED\n",
              "    if breaker.is_latched(state):\n"
              "        core[\"state\"] = TradingState.PAUSED\n"),),
    ),
    # --- G8: rate limits ------------------------------------------------------------------------
    Bug(
        "429-ignored", "G8", "profit-trailer #444", "too-many-requests",
        "what the exchange says of rates is not listened to",
        (Edit("venues/binance/replies.py",
              "    if status not in LIMIT_STATUSES and error.code not in LIMIT_CODES:\n",
              "    if status != 1:\n"),),
    ),
    Bug(
        "429-heard-last", "G8", "hummingbot #1291", "too-many-requests",
        "the refusal is applied before the rate limit, and the next order leaves in between",
        (Edit("venues/binance/replies.py",
              "        write_rate_limited(reply.status, error, ts_ns, rows)\n    told",
              "        pass\n    told"),
         Edit("venues/binance/replies.py",
              "    _write_rate_statuses(reply, rows)\n    return True\n",
              "    if not good:\n        write_rate_limited(reply.status, error, ts_ns, rows)\n"
              "    _write_rate_statuses(reply, rows)\n    return True\n")),
    ),
    Bug(
        "throttle-skipped", "G8", "nautilus #4091", "tight-limits",
        "the order throttle lets everything through",
        (Edit("engine/risk_account.py", "    if ahead <= core[\"order_burst_ns\"]:\n",
              "    if ahead <= 1 << 62:\n"),),
    ),
    Bug(
        "restart-forgets-the-limit", "G8", "freqtrade #7187", "kill-9 too-many-requests",
        "a new process asks at once although the last one was told to wait",
        (Edit("drivers/memory.py", "    \"rate_limited_until_ns\",\n", ""),),
    ),
    # --- G9: precision --------------------------------------------------------------------------
    Bug(
        "sizes-rounded", "G9", "freqtrade #5481", "dribble",
        "a quantity leaves with three decimals",
        (Edit("venues/binance/encode.py",
              "action.qty_lots * lot_e8,", "round(action.qty_lots * lot_e8, -5),"),),
    ),
    Bug(
        "prices-by-float", "G9", "freqtrade #1289", "operator",
        "a price is a float on its way, and what it lost is cut off",
        (Edit("venues/binance/encode.py",
              "action.price_ticks * tick_e8,",
              "int(action.price_ticks * 1.1 * (tick_e8 / 1e8) / 1.1 * 1e8),"),),
    ),
    Bug(
        "fees-forgotten", "G9", "freqtrade #3583", "operator",
        "what the fee took of the coins bought is still counted as held",
        (Edit("engine/position.py",
              "        state.balances[instrument[\"base_asset\"]][\"traded_atoms\"] -= fee\n",
              "        state.balances[instrument[\"base_asset\"]][\"traded_atoms\"] -= 0\n"),),
    ),
    Bug(
        "cost-by-float", "G9", "gekko #2397", "dribble partial-fill",
        "the cost of a part is a rounded share of the whole",
        (Edit("engine/position.py", "    return sign * (whole + rest)\n",
              "    return sign * ((whole + rest) // 1000 * 1000)\n"),),
    ),
    # --- G10: the database and the journal ------------------------------------------------------
    Bug(
        "intent-after-the-frame", "G10", "freqtrade #7184", "operator",
        "an order leaves before the journal has it",
        (Edit("drivers/loop.py",
              "                self._journal.append(FRAME_OUT, ts_ns, frame)\n"
              "            self._perform(action, frame)\n",
              "                pass\n            self._perform(action, frame)\n"),),
    ),
    Bug(
        "rows-inserted-twice", "G10", "nautilus #3046", "operator",
        "the ledger takes a record that it has already",
        (Edit("store/bulk.py",
              "    return _upsert(dialect, table).on_conflict_do_nothing()\n",
              "    return _upsert(dialect, table)\n"),
         Edit("store/projector.py", "if record.seq > self.seq]", "if record.seq > 0]")),
    ),
    Bug(
        "facts-beyond-the-first-lost", "G10", "hummingbot #4802", "operator",
        "the ledger takes one fact of a record that holds several",
        (Edit("store/projector.py",
              "        self._facts[-1].payloads.append(record.payload)\n",
              "        self._facts[-1].payloads.append(record.payload[: words.fact_bytes])\n"),),
    ),
    Bug(
        "torn-tail-kept", "G10", "gekko #916", "power",
        "a boot writes on behind what was torn, where nobody reads",
        (Edit("journal/pen.py",
              "            view[self.pos : torn_end] = bytes(torn_end - self.pos)\n",
              "            self.pos = (torn_end + 7) & -8\n"),),
    ),
    # --- G11: what grows ------------------------------------------------------------------------
    Bug(
        "frames-kept", "G11", "ccxt #29331", "operator",
        "the codec keeps every frame that it has read",
        (Edit("venues/binance/codec.py",
              "        if link == Link.MARKET:\n            if events is not",
              "        self.__dict__.setdefault(\"read\", []).append(data[:8])\n"
              "        if link == Link.MARKET:\n            if events is not"),),
    ),
    Bug(
        "events-kept", "G11", "hummingbot #6479", "operator",
        "the loop keeps every event for later",
        (Edit("drivers/loop.py", "        ts_ns = int(event[0][\"ts_ns\"])\n",
              "        ts_ns = int(event[0][\"ts_ns\"])\n"
              "        self.__dict__.setdefault(\"told\", []).append(ts_ns)\n"),),
    ),
    Bug(
        "decisions-kept", "G11", "nautilus #4533", "operator",
        "the loop keeps a note of every decision",
        (Edit("drivers/loop.py", "        engine.handle(at, self._stamps.stamp)\n",
              "        engine.handle(at, self._stamps.stamp)\n"
              "        self.__dict__.setdefault(\"decided\", []).append(ts_ns)\n"),),
    ),
    # --- G12: clocks, ids, secrets --------------------------------------------------------------
    Bug(
        "ids-issued-again", "G12", "Lean InteractiveBrokers #242", "kill-9",
        "a restart within the hour begins with the ids of the life before",
        (Edit("runtime/identity.py", "    epoch = max(stored + 1, unix_s)\n",
              "    epoch = max(stored, unix_s // 3600 * 3600)\n"),),
    ),
    Bug(
        "ids-wrap", "G12", "hftbacktest #87", "operator",
        "ids are drawn from a small space and come again",
        (Edit("engine/orders.py",
              "core[\"epoch\"] << SEQ_BITS | core[\"next_seq\"]",
              "core[\"epoch\"] << SEQ_BITS | (1 + core[\"next_seq\"] % 29)"),),
    ),
    Bug(
        "own-clock-on-requests", "G12", "gekko #1855", "clock-skew clock-step kill-9",
        "requests bear our own clock and not the exchange's",
        (Edit("venues/binance/encode.py", "(action.ts_ns + venue_offset_ns) // NS_PER_MS",
              "action.ts_ns // NS_PER_MS"),),
    ),
    Bug(
        "logon-journaled", "G12", "binance-futures-connector #256", "operator",
        "the session's own frames go to the journal, the key among them",
        (Edit("runtime/connector_orders.py",
              "            self._take_session_reply(data, ts_ns)\n            return\n",
              "            self._take_session_reply(data, ts_ns)\n"
              "            self._on_loop_frame(Link.ORDER, data, ts_ns)\n            return\n"),),
    ),
    Bug(
        "key-in-the-header", "G12", "freqtrade #6016", "operator",
        "the run's header names the account by its key",
        (Edit("drivers/memory.py", "        \"mode\": loaded.profile.mode,\n",
              "        \"mode\": loaded.profile.mode,\n"
              "        \"account\": \"hftd-paper-key\",\n"),),
    ),
)  # fmt: skip
