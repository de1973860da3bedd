"""``hftd report`` on a journal: what it prints, and a page that needs nothing but itself."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hftd.cli.report import read
from hftd.cli.report_html import page
from hftd.cli.report_svg import Line, chart, thinned, ticks, time_ticks
from hftd.config.load import load_profile
from hftd.domain.facts import FactKind
from hftd.domain.order import Side
from hftd.runtime.kernel_cache import cache_root
from tests.cli.command import hftd
from tests.store.days_work import BEGIN_NS, SECOND_NS, DaysWork, header

VOID = {"meta", "br", "link", "img"}


class Page(HTMLParser):
    """Reads a page: that every tag is closed, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is open, and each address."""
        if tag not in VOID:
            self.open.append(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        assert self.open.pop() == tag, tag


def bookticker(bid: str, ask: str, update_id: int) -> bytes:
    """Return a frame of the market stream, as the venue sends it."""
    return (
        f'{{"stream":"btcusdt@bookTicker","data":{{"u":{update_id},"s":"BTCUSDT","b":"{bid}",'
        f'"B":"1.00000","a":"{ask}","A":"1.00000"}}}}'
    ).encode()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A run of a minute with a market that falls by a tick a second, and two fills."""
    day = DaysWork(tmp_path / "state/journal", segment_bytes=1 << 20)
    profile = load_profile("canary", environ={}).profile.model_dump(mode="json")
    named = {"profile_name": "<b>canary</b>", "profile": profile}
    day.writer.open(header() | named, day.ts_ns)
    day.epoch = 1
    for second in range(60):
        day.ts_ns = BEGIN_NS + second * SECOND_NS
        bid = 60_000 - 10 * second
        frame = bookticker(f"{bid}.00", f"{bid + 20}.00", second + 1)
        day.writer.append_market(day.ts_ns, 0, frame)
        if second in (10, 20):
            ticks_now = bid // 10
            day.fact(
                FactKind.FILL, side=Side.BUY if second == 10 else Side.SELL, qty_lots=1000,
                price_ticks=ticks_now if second == 10 else ticks_now + 2, trade_id=second,
                mid_half_ticks=2 * ticks_now + 2, position_lots=1000 if second == 10 else 0,
            )  # fmt: skip
        day.second()
    day.refuse()
    day.end()
    return tmp_path / "state"


def test_figures_of_a_market_that_falls(journal: Path) -> None:
    """A buy loses a tick a second, a sale gains it; both earned one tick from mid."""
    run = read(journal / "journal", "last")
    mid = 5991, 5981  # Ticks of 10, at second 10 and 20.
    assert run.spread_earned(0, Side.BUY).bps == pytest.approx(1e4 / mid[0])
    assert run.spread_earned(0, Side.SELL).bps == pytest.approx(1e4 / mid[1])
    for horizon_s in (1, 5, 30):
        down = run.markout(horizon_s * SECOND_NS, 0, Side.BUY)
        up = run.markout(horizon_s * SECOND_NS, 0, Side.SELL)
        assert (down.bps, up.bps) == (
            pytest.approx(-1e4 * horizon_s / mid[0]), pytest.approx(1e4 * horizon_s / mid[1])
        )  # fmt: skip
    assert run.markout(SECOND_NS // 10, 0).bps == 0


def test_the_command_prints_it_and_writes_the_page(journal: Path) -> None:
    """On the terminal every table; on the disk one file, which a second report replaces."""
    environ = {
        "STATE_DIRECTORY": str(journal), "RUNTIME_DIRECTORY": str(journal / "run"),
        "CACHE_DIRECTORY": str(cache_root(os.environ).parent),
    }  # fmt: skip
    ended = hftd(journal, "report", "last", **environ)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    for title in ("MONEY", "FILLS", "SPREAD EARNED AND MARKOUTS", "LATENCY", "REFUSALS"):
        assert title in lines
    row = next(line.split() for line in lines if re.match(r"BTC-USDT +BUY +[+]", line))
    assert row == ["BTC-USDT", "BUY", "+1.669", "+0.000", "-1.669", "-8.346", "-50.075"]
    path = Path(lines[-1].split()[-1])
    assert [path] == list((journal / "reports").iterdir())
    unknown = hftd(journal, "report", "paper-x", **environ)
    assert unknown.code == 64 and "run must be one of" in unknown.err
    nowhere = hftd(journal, "report", "--out", "/nowhere/x.html", **environ)
    assert nowhere.code == 64 and "--out /nowhere/x.html: no such file" in nowhere.err


def test_the_page_opens_offline(journal: Path) -> None:
    """No script, no address, every tag closed, every chart well-formed, and text escaped."""
    text = page(read(journal / "journal", "last"))
    parsed = Page(text)
    assert parsed.open == [] and parsed.loads == []
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")
    assert "url(" not in text and "@import" not in text
    assert "default-src 'none'" in text and "prefers-color-scheme: dark" in text
    assert "<b>canary</b>" not in text and "&lt;b&gt;canary&lt;/b&gt;" in text
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(charts) == 5
    for svg in charts:
        ElementTree.fromstring(svg)


@pytest.mark.parametrize("span_s", [0.5, 7, 90, 4000, 90_000, 3_000_000])
def test_labels_of_an_axis_do_not_overlap(span_s: float) -> None:
    """Whatever the span: neighbours leave room, and none leaves the picture."""
    low, high = BEGIN_NS, BEGIN_NS + span_s * 1e9
    points = [(low, 1e-8), (high, 123_456_789.123)]
    drawn = chart("x", [Line("a", "c0", points)], x=(low, high), x_ticks=time_ticks(low, high))
    root = ElementTree.fromstring(drawn)
    labels = [node for node in root.iter("text") if node.get("text-anchor") == "middle"]
    assert len(labels) >= 2
    edges = [(float(n.get("x", "0")), len(n.text or "") * 6.6 / 2) for n in labels]
    for (x, half), (right, other) in pairwise(edges):
        assert x + half <= right - other
    assert edges[0][0] - edges[0][1] >= 0 and edges[-1][0] + edges[-1][1] <= 860


def test_ticks_are_round_and_inside() -> None:
    """Some four to eight of them, for any range."""
    for low, high in ((0, 1), (-3, 7), (59_931.5, 60_060), (1e-8, 3e-8), (-2e9, 5e9)):
        found = ticks(low, high)
        assert 2 <= len(found) <= 11 and low <= found[0] and found[-1] <= high * (1 + 1e-9)
    assert ticks(5, 5) == [5]


def test_a_long_series_is_thinned_and_keeps_its_extremes() -> None:
    """A day of a hundred thousand points is a few thousand, with the spike still in it."""
    points = [(float(at), float(at == 77_777)) for at in range(100_000)]
    shown = thinned(points)
    assert len(shown) <= 4 * 800 and (77_777.0, 1.0) in shown
    assert shown == sorted(shown) and (shown[0], shown[-1]) == (points[0], points[-1])
