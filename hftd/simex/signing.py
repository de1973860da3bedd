"""Who asks: keys, signatures and the timing rule.

Owns the check that a request is signed by a known key at about this time. Knows no endpoint.

Signatures cover the bytes as they came: REST query and body joined without a separator, the
signature parameter cut out wherever it stands, nothing sorted again; WS-API parameters sorted
by name in their textual form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hftd.errors import UsageError
from hftd.simex import refusals
from hftd.simex.refusals import Refused

DEFAULT_RECV_WINDOW_MS = 5000
MAX_RECV_WINDOW_MS = 60_000
AHEAD_MS = 1000
_MICROSECONDS_FROM = 10**14
"""Timestamps at or above this are microseconds; as milliseconds they lie in the year 5138."""

_KEY_FORM = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SIGNATURE = re.compile(r"(^|&)signature=([^&]*)")


class Credential:
    """One API key: an HMAC secret, or an Ed25519 public key in PEM."""

    def __init__(self, key: str, secret: str, account: int) -> None:
        self.key = key
        self.account = account
        self._secret = secret.encode()
        self._public: Ed25519PublicKey | None = None
        if secret.lstrip().startswith("-----BEGIN PUBLIC KEY-----"):
            public = load_pem_public_key(self._secret)
            if not isinstance(public, Ed25519PublicKey):
                raise UsageError(f"account {key}: the public key must be Ed25519")
            self._public = public

    def __repr__(self) -> str:
        """Show the key and never the secret."""
        return f"Credential({self.key!r}, account={self.account})"

    def verifies(self, payload: bytes, signature: str) -> bool:
        """Return whether the signature (hex for HMAC, base64 for Ed25519) fits the payload."""
        if self._public is None:
            expected = hmac.new(self._secret, payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(
                expected.encode(), signature.lower().encode("utf-8", "replace")
            )
        try:
            self._public.verify(base64.b64decode(signature, validate=True), payload)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


class Keyring:
    """All credentials by key."""

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._credentials = {credential.key: credential for credential in credentials}

    def find(self, key: str | None) -> Credential:
        """Return the credential of a key, or refuse with -2014 or -2015."""
        if not key or _KEY_FORM.fullmatch(key) is None:
            raise Refused(refusals.BAD_KEY_FORMAT)
        credential = self._credentials.get(key)
        if credential is None:
            raise Refused(refusals.BAD_KEY)
        return credential


def cut_signature(query: str, body: str) -> tuple[bytes, str | None]:
    """Return the payload that a REST request signs, and the signature where there is one."""
    signature: str | None = None
    parts = []
    for part in (query, body):
        match = _SIGNATURE.search(part)
        if match is not None:
            if signature is None:
                signature = unquote(match.group(2))
            part = part[: match.start()] + part[match.end() :]
            # A signature that came first leaves the separator of what follows.
            part = part.removeprefix("&") if match.start() == 0 else part
        parts.append(part)
    # Bytes that are no UTF-8 should have been percent-encoded; what was signed then is not this.
    return "".join(parts).encode("utf-8", "surrogatepass"), signature


def sorted_payload(values: Mapping[str, str]) -> bytes:
    """Return the payload that a WS-API request signs."""
    names = sorted(name for name in values if name != "signature")
    return "&".join(f"{name}={values[name]}" for name in names).encode()


def check_timing(values: Mapping[str, str], ts_ns: int) -> None:
    """Refuse a request that is too old, or more than a second ahead of the venue's clock."""
    server_ms = Decimal(ts_ns // 1_000_000)
    window = values.get("recvWindow")
    window_ms = Decimal(DEFAULT_RECV_WINDOW_MS) if not window else _number("recvWindow", window)
    if window_ms > MAX_RECV_WINDOW_MS:
        raise Refused(refusals.too_large("recvWindow", MAX_RECV_WINDOW_MS))
    timestamp = values.get("timestamp")
    if not timestamp:
        raise Refused(refusals.mandatory("timestamp"))
    if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 20:
        raise Refused(refusals.illegal("timestamp", "^[0-9]{1,20}$"))
    sent_ms = Decimal(timestamp)
    if sent_ms >= _MICROSECONDS_FROM:
        sent_ms /= 1000
    if sent_ms >= server_ms + AHEAD_MS:
        raise Refused(refusals.BAD_TIMESTAMP_EARLY)
    if server_ms - sent_ms > window_ms:
        raise Refused(refusals.BAD_TIMESTAMP_LATE)


def check_signature(credential: Credential, payload: bytes, signature: str | None) -> None:
    """Refuse a missing signature or one that does not fit."""
    if not signature:
        raise Refused(refusals.mandatory("signature"))
    if not credential.verifies(payload, signature):
        raise Refused(refusals.BAD_SIGNATURE)


def _number(name: str, text: str) -> Decimal:
    legal = r"^[0-9]{1,5}(\.[0-9]{1,3})?$"
    try:
        if re.fullmatch(legal, text) is None:
            raise InvalidOperation
        return Decimal(text)
    except InvalidOperation:
        raise Refused(refusals.illegal(name, legal)) from None
