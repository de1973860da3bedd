"""The rare states that a campaign must have visited: what is never reached is not tested.

Owns their names and what each means; `drivers.watch.Watch.sometimes` counts a visit. Those of
the world's own parts (disk, process, operator) the world counts where it does them; the others
are counted by ``checkers_rare``.
"""

from __future__ import annotations

# Seen from outside the daemon: in what the exchange did and in what was journaled.
SEEN = {
    # Creates.
    "create lost on its way": "a create left and the exchange never had the order",
    "create accepted, answer lost": "an order stood at the exchange while ours was UNKNOWN",
    "create refused by the exchange": "the exchange refused a create for a reason not expected",
    "post-only missed": "the exchange refused a post-only order that would have taken",
    "order became UNKNOWN": "the outcome of a create was in doubt",
    "UNKNOWN resolved to live": "an UNKNOWN order was found open",
    "UNKNOWN resolved to ended": "an UNKNOWN order was found filled, canceled or expired",
    "UNKNOWN resolved to never accepted": "the NOT_FOUND rule came to its end",
    "two orders UNKNOWN at once": "more than one order was in doubt",
    "side blocked by doubt": "a side was not quoted since an UNKNOWN order blocks it",
    "order unknown to us adopted": "an order of our tag that the table did not hold was adopted",
    # Fills.
    "order filled in part": "an order had several fills",
    "fill before its ack": "a fill was applied to an order that nothing had acknowledged",
    "fill arrived after its cancel's ack": "a terminal report counted a fill that came later",
    "fill while its cancel was in flight": "an order filled while PENDING_CANCEL",
    "fill while it was being replaced": "an order filled while PENDING_REPLACE",
    "fill of an UNKNOWN order": "an order in doubt was filled",
    "fill told twice": "a report of a trade came that had been applied already",
    "fill missed by the stream": "a fill was applied from a list of trades and not from a report",
    "fill while the daemon was down": "the exchange traded for us between two boots",
    "fill of a foreign order": "the account traded by an order that is not ours",
    "late report halted": "a report on an order that was over halted trading",
    "position went through zero": "one fill turned a long position short or back",
    "fee in the base asset": "a commission was taken in base",
    # Cancels and replacements.
    "cancel rejected": "a cancel was refused, mostly since it raced a fill",
    "cancel without an answer": "an order was asked for since its cancel brought no answer",
    "replace stopped half way": "the cancel leg failed and the new order was never tried",
    "replace's create failed": "the cancel leg was done and the new order refused",
    "order canceled unasked": "the exchange ended an order that we had not canceled",
    "cancel of an order in flight": "a cancel left before the create was acknowledged",
    # States.
    "paused and resumed by itself": "a pause was lifted and trading went on",
    "paused for lost reports": "the user stream was down while trading",
    "paused for the order link": "the order link was down while trading",
    "paused for the clock": "the clock was off while trading",
    "paused for a rate limit": "the exchange said 429 while trading",
    "paused for a late loop": "the process had stood still while trading",
    "paused for references that disagree": "mid, last trade and median were apart",
    "halted": "a control stopped trading, latched",
    "halted for a loss": "the day's loss or the drawdown halted",
    "halted for the turnover": "the day's turnover halted",
    "halted for one-sided fills": "orders filled on one side over and over halted",
    "halted for UNKNOWN orders": "too many orders in doubt, or one for too long, halted",
    "halted for rejects": "a storm of rejects halted",
    "halted for a difference": "reconciliation found a difference that stayed",
    "halted for a ban": "a 418 or 403 halted",
    "halted for the journal": "the journal could not be written",
    "halted for orders found": "a start found orders of ours, and the profile refuses those",
    "halted after a crash": "a person was to look first, as the profile says",
    "killed": "the operator's kill was applied",
    "kill while an order was in flight": "a create had no answer when the kill came",
    "kill while an order was UNKNOWN": "an order was in doubt when the kill came",
    "kill while recovering": "the kill came before the reconciliation had ended",
    "kill while the order link was down": "the kill came when no cancel could leave",
    "kill while halted": "the kill came after a control had stopped trading",
    "reset led on": "reset left HALTED or KILLED after a clean reconciliation",
    "reset refused by a difference": "a reset was asked for and the books differed",
    "flatten traded": "a reduce-only order of flatten was filled",
    "stopped clean": "the daemon ended by stop with nothing open",
    # Recovery.
    "booted with open orders at the exchange": "orders of ours stood open when a boot began",
    "start kept an order": "a start went on with an order of ours that it found open",
    "booted with a latch": "a boot began HALTED or KILLED",
    "booted after a crash with orders in flight": "the journal held creates without an answer",
    "recovery began again": "an answer of a reconciliation was late or differed",
    "link lost while recovering": "a reconciliation went back to wait for its links",
    "recovery found missed fills": "a reconciliation applied fills that no report had told",
    "day rolled over": "a new trading day began",
    # Book.
    "sequence gap": "a depth event did not follow the one before it",
    "resynced": "a book came back from a snapshot",
    "book stale by age": "a book was not believed for its silence",
    "market halted by the exchange": "the symbol took no orders",
    # Limits. Position, balance and doubt stop a quote before the gate would refuse it.
    "position full": "a side was not quoted for the position limit",
    "funds short": "a side was not quoted for the balance",
    "position reduced after a loss": "what a loss halted with was sold off or bought back",
    "open orders limit refused": "the gate refused for the number of open orders",
    "exposure refused": "the gate refused for the gross exposure",
    "turnover refused": "the gate refused for the day's turnover",
    "order rate refused": "the gate refused for the order throttle",
    "collar refused": "the gate refused for the price collar",
    "self-trade deferred or refused": "a wish would have crossed an own order",
}

# What the world does to the daemon; it counts them where it does them.
DONE = {
    "crash between intent and send": "the process died after an intent was journaled",
    "crash between send and ack": "the process died with a create on the wire",
    "crash while recovering": "the process died before its reconciliation had ended",
    "crash while killed": "the process died with the kill latched",
    "crash twice in a row": "the process died again before it traded",
    "power lost": "the whole machine lost power",
    "torn tail cut": "the power went in the middle of a record, which the next boot cut",
    "journal lost its newest records": "the power loss took records that were not synced",
    "latch synced before power was lost": "a kill outlived a power loss",
    "fsync failed": "the disk reported an error on fsync",
    "disk full": "an append found no room",
    "daemon frozen and resumed": "the process stood still for seconds and went on",
    "supervisor restarted": "the daemon came back by itself",
    "exchange restarted": "the exchange broke all connections and came back",
    "order link cut": "the order socket was broken",
    "market link cut": "the market socket was broken",
    "frame cut in half": "a frame could not be read",
    "links partitioned": "frames went one way alone",
    "operator canceled at the exchange": "an order of ours was canceled by hand",
    "operator traded at the exchange": "the account traded by hand",
    "command while recovering": "an operator's command came before the daemon traded",
}

RARE_STATES = {**SEEN, **DONE}
