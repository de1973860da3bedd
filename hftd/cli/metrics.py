"""``hftd metrics``: what goes with the metrics that the recorder serves.

Owns what is printed. The metrics themselves are ``hftd/runtime/metrics_families.py``.
"""

from __future__ import annotations

import typer

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def metrics() -> None:
    """Go with the metrics that metrics.listen of a profile serves."""


@app.command(short_help="Print a Grafana dashboard as JSON.")
def dashboard() -> None:
    """Print a Grafana dashboard as JSON: Dashboards, New, Import takes it as it is."""
    from hftd.runtime.paths import shipped

    print((shipped("data") / "dashboard.json").read_text("utf-8"), end="")
