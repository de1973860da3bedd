"""Signatures of requests: HMAC-SHA256 and Ed25519 keys, over REST queries and WS API params.

Owns how a payload is formed and signed. Must not know where keys come from, nor the time.
A secret never stands in a repr, a message or an exception.

- REST: ``name=value&…`` with percent-encoded values, in the order sent.
- WS API: parameters sorted by name, apiKey among them, values as they are.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hftd.errors import CredentialsError


class Signer(Protocol):
    """A key that signs; ``api_key`` is its public name at the venue.

    ``may_log_on`` says whether Binance opens a session for keys of this kind.
    """

    api_key: str
    may_log_on: bool

    def sign(self, payload: bytes) -> str:
        """Return the signature as the venue wants it written, not percent-encoded."""
        ...


class HmacSigner:
    """Signs by HMAC-SHA256, written in hex."""

    may_log_on = False

    def __init__(self, api_key: str, secret: str) -> None:
        self.api_key = api_key
        self._prepared = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def sign(self, payload: bytes) -> str:
        """Return the hex digest."""
        keyed = self._prepared.copy()
        keyed.update(payload)
        return keyed.hexdigest()


class Ed25519Signer:
    """Signs by Ed25519, written in base64."""

    may_log_on = True

    def __init__(self, api_key: str, private_key: Ed25519PrivateKey) -> None:
        self.api_key = api_key
        self._private_key = private_key

    def sign(self, payload: bytes) -> str:
        """Return the signature in base64."""
        return base64.b64encode(self._private_key.sign(payload)).decode()


def signer_of(api_key: str, secret: str) -> Signer:
    """Return the signer for a key: Ed25519 where the secret is PEM, HMAC otherwise.

    Raises: CredentialsError where either is empty, or the PEM is no Ed25519 private key.
    """
    if not api_key or not secret:
        raise CredentialsError("an api key and a secret are needed, was empty")
    if not secret.lstrip().startswith("-----BEGIN"):
        return HmacSigner(api_key, secret)
    try:
        private_key = load_pem_private_key(secret.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CredentialsError("a PKCS#8 private key without password is needed") from None
    if not isinstance(private_key, Ed25519PrivateKey):
        raise CredentialsError("an Ed25519 private key is needed, was another kind")
    return Ed25519Signer(api_key, private_key)


def signed_query(signer: Signer, params: Mapping[str, str | int]) -> str:
    """Return the query string of a signed REST request, signature last."""
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in params.items())
    return f"{query}&signature={quote(signer.sign(query.encode()), safe='')}"


def signed_params(signer: Signer, params: Mapping[str, str | int]) -> dict[str, str | int]:
    """Return WS API parameters with apiKey and signature added."""
    named = dict(params) | {"apiKey": signer.api_key}
    payload = "&".join(f"{name}={named[name]}" for name in sorted(named))
    return named | {"signature": signer.sign(payload.encode())}
