"""Metrics: what is told is what happened, under names that the ecosystem's rules allow."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from hftd.cli.hftd import run as hftd
from hftd.domain.codes import Code
from hftd.domain.facts import FACT, FactKind
from hftd.domain.order import OrderEvent, Side
from hftd.journal.cursor import published
from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, decode_json
from hftd.runtime.metrics_counted import Counted
from hftd.runtime.metrics_families import Around, Asked, families
from hftd.runtime.recorder_watching import Watching
from hftd.runtime.telemetry import BOUNDS_NS, Stage, Telemetry
from hftd.store.words import RunWords
from tests.cli import sample_results
from tests.e2e.daemon import free_port, until
from tests.runtime.test_recorder_alerts import lately, recording
from tests.store.days_work import BEGIN_NS, SECOND_NS, DaysWork, header, whole_day

AROUND = Around(90, 100, 1 << 30, 50, 2, {"critical": 1}, {"critical": 1}, {"warning": 3})
ASKED = Asked(sample_results.STATUS, sample_results.HEALTH, sample_results.RISK)
SILENT = Asked(None, None, None)


def counted(folder: Path) -> Counted:
    """Count a journal as the recorder does."""
    found, words = Counted(), None
    for record in JournalReader(folder).records():
        if record.record_type == RecordType.HEADER:
            words = RunWords(decode_json(record.payload))
        found.add(words, record)
    return found


def exposed(found: Counted, asked: Asked = ASKED) -> str:
    """Return the text that a scraper gets."""

    class Once:
        def collect(self) -> Any:
            return families(found, AROUND, asked)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return generate_latest(registry).decode()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Parse exposed text by the client library's own parser."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    """Return one sample."""
    return samples(text)[name, frozenset(labels.items())]


@pytest.fixture
def text(tmp_path: Path) -> str:
    """What is exposed after a day's work, while the engine answers."""
    day = whole_day(tmp_path / "journal")
    telemetry = Telemetry({})
    for stage in Stage:
        telemetry.record(stage, 3_000)
    words = json.dumps(telemetry.take_second()).encode()
    day.writer.append(RecordType.TELEMETRY, day.ts_ns, words)
    return exposed(counted(tmp_path / "journal"))


def test_metrics_follow_the_ecosystems_rules(text: str) -> None:
    """Names, units, types, help and suffixes, as promtool's lint asks; no sample comes twice."""
    seen: set[str] = set()
    for family in text_string_to_metric_families(text):
        name = family.name
        assert name not in seen and re.fullmatch(r"hftd_[a-z0-9_]+", name), name
        seen.add(name)
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), name
        counter_names = {sample.name for sample in family.samples if family.type == "counter"}
        assert counter_names <= {name + "_total"}, name
        if family.type != "counter":
            assert not name.endswith(("_total", "_count", "_sum", "_bucket")), name
        words = name.split("_")
        banned = {"ms", "us", "ns", "milliseconds", "minutes", "hours", "bps", "percent", "kb",
                  "mb", "counter", "gauge", "histogram"}  # fmt: skip
        assert not banned & set(words), name
        keys = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(keys) == len(set(keys)), name
    assert len(seen) > 50


def test_openmetrics_is_parsed_as_well(tmp_path: Path) -> None:
    """The stricter form, which newer Prometheus asks for, has no fault either."""
    from prometheus_client.openmetrics.exposition import generate_latest as generate

    whole_day(tmp_path / "journal")
    found = counted(tmp_path / "journal")

    class Once:
        def collect(self) -> Any:
            return families(found, AROUND, ASKED)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    parsed = list(openmetrics.text_string_to_metric_families(generate(registry).decode()))
    assert len(parsed) > 50


def test_counts_are_those_of_the_journals_facts(tmp_path: Path, text: str) -> None:
    """Orders, fills and refusals are what a naive walk through the records counts."""
    naive: Counter[tuple[Any, ...]] = Counter()
    for record in JournalReader(tmp_path / "journal").records():
        if record.record_type == RecordType.FACT:
            for fact in np.frombuffer(record.payload, FACT):
                if fact["kind"] == FactKind.ORDER:
                    naive["order", OrderEvent(int(fact["order_event"])).name.lower()] += 1
                elif fact["kind"] in (FactKind.FILL, FactKind.REFUSAL):
                    naive[int(fact["kind"]), int(fact["code"])] += 1
                    naive["lots"] += int(fact["qty_lots"]) * (fact["kind"] == FactKind.FILL)
    btc = {"instrument": "BTC-USDT"}
    for (kind, event), count in [(key, n) for key, n in naive.items() if key[0] == "order"]:
        assert value(text, "hftd_orders_total", **btc, event=event) == count, kind
    fills = value(text, "hftd_fills_total", **btc, side="BUY", liquidity="maker")
    assert fills == naive[FactKind.FILL, 0] == 12
    base = value(text, "hftd_filled_base_total", **btc, side="BUY")
    assert base == pytest.approx(naive["lots"] * 1e-5)
    assert value(text, "hftd_filled_quote_total", **btc, side="BUY") == pytest.approx(base * 60_000)
    assert value(text, "hftd_refusals_total", code="ORDER_SIZE") == 1
    assert value(text, "hftd_equity_quote", asset="USDT") == 10_000.12345678


def test_time_without_a_quote_is_told_by_reason(tmp_path: Path) -> None:
    """From one change to the next, and on to the last record; a restart is in between."""
    day = DaysWork(tmp_path / "journal")
    day.begin()

    def quoting(at_s: int, code: Code) -> None:
        day.ts_ns = BEGIN_NS + at_s * SECOND_NS
        day.fact(FactKind.QUOTING, side=Side.SELL, code=code)

    for at_s, code in ((1, Code.NO_EDGE), (3, Code.NONE), (7, Code.NO_EDGE), (8, Code.NONE)):
        quoting(at_s, code)
    day.ts_ns = BEGIN_NS + 20 * SECOND_NS
    day.second()
    day.writer.append(RecordType.HEADER, day.ts_ns + 5, json.dumps(header()).encode())
    quoting(30, Code.DWELL)
    day.ts_ns = BEGIN_NS + 33 * SECOND_NS
    day.second()
    text = exposed(counted(tmp_path / "journal"))
    sell = {"instrument": "BTC-USDT", "side": "SELL"}
    assert value(text, "hftd_no_quote_seconds_total", **sell, reason="NO_EDGE") == 3
    assert value(text, "hftd_no_quote_seconds_total", **sell, reason="DWELL") == 3
    assert value(text, "hftd_quoted_seconds_total", **sell) == pytest.approx(16)


def test_a_stages_histogram_is_cumulative_and_sums(text: str) -> None:
    """Each stage's buckets rise to its count; 3 µs are in the bucket up to 5 µs."""
    for stage in (stage.name.lower() for stage in Stage):
        bounds = [*(repr(ns / 1e9) for ns in BOUNDS_NS), "+Inf"]
        name = "hftd_stage_duration_seconds"
        counts = [value(text, f"{name}_bucket", stage=stage, le=bound) for bound in bounds]
        assert counts == [0.0, 0.0, *[1.0] * (len(bounds) - 2)]
        assert value(text, f"{name}_count", stage=stage) == 1
        assert value(text, f"{name}_sum", stage=stage) == pytest.approx(3e-6)


def test_all_that_health_judges_is_told(text: str) -> None:
    """Each check has its sample, and each limit of `risk` its use."""
    for check in sample_results.HEALTH["checks"]:
        name, _, instrument = check["name"].partition(" ")
        told = value(text, "hftd_health_check", check=name, instrument=instrument)
        assert told == check["ok"]
    assert value(text, "hftd_healthy") == sample_results.HEALTH["healthy"]
    for one in sample_results.RISK["limits"]:
        labels = {"control": one["code"], "limit": one["name"]}
        if one["ratio"] is not None:
            told = value(
                text, "hftd_limit_used_ratio", **labels, instrument=one["instrument"] or ""
            )
            assert told == one["ratio"]


def test_an_engine_that_is_silent_has_no_present(tmp_path: Path) -> None:
    """Counters stay, gauges of the present are absent rather than old, and up is 0."""
    whole_day(tmp_path / "journal")
    text = exposed(counted(tmp_path / "journal"), SILENT)
    assert value(text, "hftd_up") == 0
    names = {name for name, _ in samples(text)}
    assert "hftd_state" not in names and "hftd_orders_total" in names


DASHBOARD = json.loads((Path(__file__).parents[2] / "hftd/data/dashboard.json").read_text())
# What ProcessCollector gives on Linux under our names.
PROCESSES = {
    f"hftd_{who}_process_{what}"
    for who in ("engine", "recorder")
    for what in ("resident_memory_bytes", "cpu_seconds_total")
}


def expressions() -> list[str]:
    """Return every query of the dashboard, those of its variables included."""
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    return found + [one["query"]["query"] for one in DASHBOARD["templating"]["list"][1:]]


def test_the_dashboard_asks_for_metrics_that_exist(text: str) -> None:
    """Each name in each query is exposed, with the labels that the query and legend name."""
    there: dict[str, set[str]] = {name: set() for name in PROCESSES}
    for family in text_string_to_metric_families(text):
        suffixes = ("_total",) if family.type == "counter" else ("", "_bucket")
        for suffix in suffixes:
            there[family.name + suffix] = set()
        for sample in family.samples:
            there.setdefault(sample.name, set()).update(sample.labels)
    asked: set[str] = set()
    for expression in expressions():
        names = re.findall(r"\bhftd_\w+", expression)
        assert names and set(names) <= there.keys(), expression
        asked |= set(names)
        for name, selector in re.findall(r"(hftd_\w+)\{([^}]*)\}", expression):
            labels = set(re.findall(r"(\w+)\s*=~?\"", selector)) - {"instance"}
            assert labels <= there[name] or not there[name], expression
        for group in re.findall(r"(?:by|on) \(([^)]*)\)", expression):
            words = {word.strip() for word in group.split(",")} - {"instance"}
            assert words <= set().union(*(there[name] for name in names)), expression
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            names = re.findall(r"\bhftd_\w+", target["expr"])
            known = set().union(*(there[name] for name in names))
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert label in known or not known, target
    assert len(asked) > 40


def test_the_dashboard_is_one_that_grafana_loads() -> None:
    """What its importer needs: ids for once, panels on a grid of 24 that do not overlap."""
    assert DASHBOARD["schemaVersion"] >= 36 and DASHBOARD["uid"] and DASHBOARD["title"]
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & covered, panel["title"]
        cells |= covered
        if panel["type"] != "row":
            assert panel["targets"] and panel["title"] and panel["fieldConfig"]["defaults"]
            assert panel["datasource"]["uid"] == "${datasource}"
            refs = [target["refId"] for target in panel["targets"]]
            assert len(refs) == len(set(refs))
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    used = {name for text in expressions() for name in re.findall(r"\$(\w+)", text)}
    assert used - {"__rate_interval"} <= variables


def test_the_command_prints_the_dashboard(capsys: pytest.CaptureFixture[str]) -> None:
    """``hftd metrics dashboard`` is the file that travels in the wheel."""
    assert hftd(["metrics", "dashboard"]) == 0
    assert json.loads(capsys.readouterr().out) == DASHBOARD


def scraped(port: int) -> str:
    """Return what a recorder serves, once it does."""

    def look() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
                assert reply.headers["Content-Type"].startswith("text/plain; version=")
                return str(reply.read().decode())
        except urllib.error.URLError:
            return ""

    return until(look, "metrics")


def test_the_recorder_serves_them(tmp_path: Path) -> None:
    """Over HTTP, from a process whose engine does not answer: what it counted, and both sizes."""
    port = free_port()
    day = lately(tmp_path)
    day.quote()
    with recording(tmp_path, Watching(metrics_listen=f"127.0.0.1:{port}")):
        until(lambda: published(tmp_path / "journal").logged_seq == day.writer.seq, "all is read")
        text = scraped(port)
        assert value(text, "hftd_up") == 0
        assert value(text, "hftd_journal_records_read_total") == day.writer.seq - 1  # No market.
        assert value(text, "hftd_recorder_process_resident_memory_bytes") > 1 << 20
        assert names_of(text) >= PROCESSES
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)


def names_of(text: str) -> set[str]:
    """Return the names of all samples."""
    return {name for name, _ in samples(text)}


def test_a_port_that_is_taken_ends_no_recorder(tmp_path: Path) -> None:
    """It is told as a fault, for `health`; the rest of the recorder works, and it tries again."""
    day = lately(tmp_path)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        listen = f"127.0.0.1:{held.getsockname()[1]}"
        with recording(tmp_path, Watching(metrics_listen=listen)):
            found = until(lambda: published(tmp_path / "journal").faults, "a fault")
            assert found == {"metrics": f"{listen}: address already in use"}
            day.quote()
            seq = day.writer.seq
            until(lambda: published(tmp_path / "journal").seq == seq, "the ledger goes on")


def test_a_recorder_loads_little() -> None:
    """Who asks for no metrics and no webhook pays for none; profiles are its starter's affair."""
    script = (
        "import sys, hftd.runtime.recorder; "
        "heavy = ('aiohttp', 'prometheus_client', 'pydantic', 'numba'); "
        "sys.exit(any(name in sys.modules for name in heavy))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
