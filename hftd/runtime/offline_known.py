"""What the offline kill has to know of an instance: its tag, its symbols, its keys' references.

Read from the words that open the last run in the journal, since they hold the profile as it was
resolved then, overrides included; from the profile of today where the journal cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from hftd.errors import HftdError, JournalDamaged
from hftd.journal import segment
from hftd.journal.record import (
    BODY,
    HEAD_BYTES,
    MAGIC,
    MARK,
    SEGMENT_HEAD_BYTES,
    RecordType,
    Stream,
    decode_json,
    decode_segment_head,
)
from hftd.runtime import identity
from hftd.runtime.paths import InstancePaths
from hftd.venues.binance.endpoints import Endpoints, endpoints_of

# The head of a HEADER record: magic, crc, length, type 1, any version; see journal/record.py.
_HEADER = re.compile(
    re.escape(MAGIC) + rb".{8}" + int(RecordType.HEADER).to_bytes(2, "little"), re.DOTALL
)


class Known(NamedTuple):
    """What is needed to cancel; ``profile`` holds the plain words that a header keeps."""

    tag: str
    symbols: tuple[str, ...]
    profile: dict[str, Any]
    source: str

    @property
    def recv_window_ms(self) -> int:
        """How long an order may be under way before the venue refuses it."""
        return int(self.profile["venue"]["recv_window_ms"])

    @property
    def api_key(self) -> str | None:
        """The reference to the key, None where the paper account is used."""
        reference = self.profile["venue"].get("api_key")
        return None if reference is None else str(reference)

    @property
    def endpoints(self) -> Endpoints | None:
        """Where the venue is that others run, None where the exchange is a process of ours."""
        venue = self.profile["venue"]
        if venue["kind"] != "binance":
            return None
        return endpoints_of(str(self.profile["mode"]), venue, str(venue.get("tls_ca") or ""))

    def credentials(self, environ: Mapping[str, str]) -> tuple[str, str]:
        """Return key and secret. Raises: CredentialsError where they cannot be had."""
        from hftd.config.secrets import PAPER_API_KEY, PAPER_API_SECRET, resolve_pair

        if self.api_key is None:
            return PAPER_API_KEY, PAPER_API_SECRET
        api_secret = str(self.profile["venue"]["api_secret"])
        pair = resolve_pair(self.api_key, api_secret, environ)
        return pair.api_key.reveal(), pair.api_secret.reveal()


def recall(paths: InstancePaths, profile: str, environ: Mapping[str, str]) -> Known:
    """Return what the journal's last run says, else the profile by name.

    Raises: HftdError or OSError where neither can be read.
    """
    try:
        words = last_header(paths)
        symbols = tuple(str(each["symbol"]) for each in words["instruments"])
        known = Known(str(words["tag"]), symbols, words["profile"], f"run {words['run']}")
        assert known.recv_window_ms > 0
        return known
    except (HftdError, OSError, KeyError, TypeError, ValueError):
        pass  # Nothing that is damaged may keep orders on the market.
    from hftd.config.load import load_profile
    from hftd.venues.binance.exchange_info import symbol_of

    loaded = load_profile(profile, environ=environ)
    symbols = tuple(symbol_of(name) for name in loaded.profile.instruments)
    words = loaded.profile.model_dump(mode="json")
    return Known(identity.tag(paths.name), symbols, words, f"profile {loaded.name}")


def last_header(paths: InstancePaths) -> dict[str, Any]:
    """Return the words that open the journal's last run.

    Looked for backward and by its bytes, in the segments that say no other one has it: to go
    through weeks of a run takes minutes, and damage elsewhere is no reason to know nothing. So
    the chain is not checked; what is taken must be JSON that names a run.

    Raises: JournalDamaged where there is none, OSError where the folder cannot be read.
    """
    run_seq = 0
    for number in reversed(segment.numbers(paths.journal_dir, Stream.ORDERS)):
        path = segment.segment_path(paths.journal_dir, Stream.ORDERS, number)
        if not path.stat().st_size:
            continue
        view = segment.map_file(path, writable=False)
        head = decode_segment_head(view[:SEGMENT_HEAD_BYTES])
        if head is not None and head.first_seq > run_seq > 0:
            continue
        run_seq = head.run_seq if head is not None else 0
        for found in reversed([match.start() for match in _HEADER.finditer(view)]):
            length = BODY.unpack_from(view, found + MARK.size)[0]
            try:
                words = decode_json(view[found + HEAD_BYTES : found + HEAD_BYTES + length])
            except ValueError:
                continue  # The bytes stood within another record.
            if "run" in words and "tag" in words:
                return words
    raise JournalDamaged(f"{paths.journal_dir}: no run is in it")
