"""Who canceled when a displayed quantity shrinks without a trade: those ahead of us, or behind?

Owns the family of answers. Each is one function: the share of a cancel that is behind an order
with ``ahead`` lots before it and ``behind`` after it. Knows no orders and no books.

    pessimistic   all of it, for as long as there is anybody behind
    optimistic    none of it
    power:N       behind^N / (ahead^N + behind^N)
    proportional  power:1, each lot as likely to be canceled as any other
    log           ln(1 + behind) / (ln(1 + ahead) + ln(1 + behind))
    log2          ln(1 + behind) / ln(1 + ahead + behind)

Sources: the pessimistic rule is hftbacktest's RiskAdverseQueueModel. The others are the
probability models after Erik Rigtorp's estimator (2013, "Estimating order queue position", and
question 3782 of quant.stackexchange.com), in the forms that hftbacktest names
PowerProbQueueFunc, LogProbQueueFunc and LogProbQueueFunc2. The optimistic rule is the other end
of the scale: with the pessimistic one it brackets them all.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from enum import Enum

from msgspec import Struct

PARTS = 1_000_000
"""Shares are millionths: the models are exact integers, the same on any machine."""

FORMS = "pessimistic, optimistic, proportional, power:N (N from 1 to 9), log or log2"

_POWER = re.compile(r"power:([1-9])")
_EXACT = Context(prec=18)


class Family(Enum):
    """The shapes of the function."""

    PESSIMISTIC = "pessimistic"
    OPTIMISTIC = "optimistic"
    POWER = "power"
    LOG = "log"
    LOG2 = "log2"


class QueueModel(Struct, frozen=True):
    """One model; ``power`` is of its family alone."""

    family: Family
    power: int = 1

    def share_behind(self, ahead_lots: int, behind_lots: int) -> int:
        """Return which part of a cancel, in millionths, falls behind the order."""
        if self.family is Family.PESSIMISTIC:
            return PARTS
        if self.family is Family.OPTIMISTIC or behind_lots == 0:
            return 0
        if ahead_lots == 0:
            return PARTS
        if self.family is Family.POWER:
            front, back = ahead_lots**self.power, behind_lots**self.power
            return PARTS * back // (front + back)
        back_log = _log(behind_lots)
        whole = _log(ahead_lots + behind_lots)
        if self.family is Family.LOG:
            whole = _EXACT.add(_log(ahead_lots), back_log)
        return int(_EXACT.multiply(PARTS, _EXACT.divide(back_log, whole)))


PESSIMISTIC = QueueModel(Family.PESSIMISTIC)
OPTIMISTIC = QueueModel(Family.OPTIMISTIC)


def parse_queue_model(text: str) -> QueueModel | None:
    """Return the model of a name in ``FORMS``; None where it is none."""
    if text == "proportional":
        return QueueModel(Family.POWER)
    power = _POWER.fullmatch(text)
    if power is not None:
        return QueueModel(Family.POWER, int(power[1]))
    named = [family for family in Family if family.value == text]
    return QueueModel(named[0]) if named and named[0] is not Family.POWER else None


def _log(lots: int) -> Decimal:
    # Decimal's logarithm is correctly rounded everywhere; libm's is not.
    return _EXACT.ln(Decimal(1 + lots))
