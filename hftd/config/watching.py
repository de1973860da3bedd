"""Profile keys about who is told what: alerts, heartbeat, metrics.

Owns their types, bounds and the forms of addresses. Knows neither processes nor sockets. Pure.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self

from pydantic import Field, model_validator

from hftd.config.values import Flag, ListenAddress, SecretReference, Section, misplaced

MAX_WORDS = 32


class AlertRoad(Section):
    """Where alerts of one level go: a command or a webhook."""

    command: (
        Annotated[
            tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...],
            Field(min_length=1, max_length=MAX_WORDS),
        ]
        | None
    ) = None
    """Program and arguments, run without a shell; the alert comes as JSON on its stdin."""
    webhook: SecretReference | None = None
    """URL by reference (who knows it can use it) that each alert is POSTed to as JSON."""

    @model_validator(mode="after")
    def _one_road(self) -> Self:
        if (self.command is None) == (self.webhook is None):
            raise misplaced("command", "a command or a webhook, one of them")
        return self


class Alerts(Section):
    """Who is told of what, by level; a level without a road of its own takes the one below."""

    critical: AlertRoad | None = None
    """What a person must acknowledge before trading goes on: halts, a daemon that died."""
    warning: AlertRoad | None = None
    """Pauses by a control, differences, links and books lost, trouble of ledger or log."""
    info: AlertRoad | None = None
    """Starts and stops, changes of state, commands of operators."""


class Metrics(Section):
    """Prometheus' text format over HTTP, served by the recorder."""

    listen: ListenAddress | None = None
    """HOST:PORT to serve /metrics on; default: nowhere."""
    allow_remote: Flag = False
    """Whether the address may be another than loopback; what is told is not secret, but yours."""

    @model_validator(mode="after")
    def _loopback(self) -> Self:
        if self.listen is not None and not self.allow_remote:
            host = self.listen.rpartition(":")[0].strip("[]")
            if host != "localhost" and not _is_loopback(host):
                raise misplaced("listen", "an address of loopback, or metrics.allow_remote: true")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
