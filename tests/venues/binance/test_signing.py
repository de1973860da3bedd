"""Signatures against the venue's published vectors, and keys that cannot be used."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hftd.errors import CredentialsError
from hftd.venues.binance.signing import signed_params, signed_query, signer_of

API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ED25519 = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u
-----END PRIVATE KEY-----
"""
ORDER = {
    "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "0.1",
    "recvWindow": 5000, "timestamp": 1499827319559,
}  # fmt: skip
WS_ORDER = {"price": "0.10000000", "quantity": "1.00000000", "recvWindow": 5000, "side": "BUY",
            "timeInForce": "GTC", "timestamp": 1645423376532, "type": "LIMIT"}  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "signature"),
    [
        ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        ("１２３４５６", "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
    ],
)
def test_rest_queries_are_signed_as_published(symbol, signature):
    """Both REST vectors, the second with a symbol that must be percent-encoded first."""
    query = signed_query(signer_of(API_KEY, SECRET), {"symbol": symbol} | ORDER)
    assert query.endswith(f"&timestamp=1499827319559&signature={signature}")


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (
            {"price": "52000.00", "quantity": "0.01000000", "recvWindow": 100, "side": "SELL",
             "symbol": "BTCUSDT", "timeInForce": "GTC", "timestamp": 1645423376532,
             "type": "LIMIT"},
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            {"symbol": "１２３４５６"} | WS_ORDER,
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        ),
    ],
)  # fmt: skip
def test_ws_api_params_are_signed_as_published(params, signature):
    """Both WS API vectors: sorted by name, apiKey among them, nothing percent-encoded."""
    signed = signed_params(signer_of(API_KEY, SECRET), params)
    assert signed == params | {"apiKey": API_KEY, "signature": signature}


def test_ed25519_signs_as_published():
    """The one vector with a published private key."""
    payload = b"A\x01EXAMPLE\x01SPOT\x011\x0120240627-11:17:25.223"
    assert signer_of("key", ED25519).sign(payload) == (
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
    )


def test_a_base64_signature_is_percent_encoded_in_a_query():
    """Plus, slash and equals signs do not stand bare in a URL."""
    query = signed_query(signer_of("key", ED25519), {"timestamp": 1})
    assert set(query.partition("&signature=")[2]) <= set(
        "%abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    )


def rsa_pem() -> str:
    """Return an RSA private key as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("api_key", "secret"),
    [("", "x"), ("x", ""), ("x", "-----BEGIN PRIVATE KEY-----\nnonsense\n"), ("x", rsa_pem())],
    ids=["no key", "no secret", "damaged", "rsa"],
)
def test_a_key_that_cannot_sign_is_refused_without_showing_it(api_key, secret):
    """The error says what is needed and never holds the secret."""
    with pytest.raises(CredentialsError) as refusal:
        signer_of(api_key, secret)
    assert "needed" in str(refusal.value)
    assert len(secret) < 2 or secret not in str(refusal.value)


def test_a_signer_does_not_print_its_secret():
    """Neither repr nor its attributes' text give the secret away."""
    signer = signer_of(API_KEY, SECRET)
    assert SECRET not in repr(signer)
    assert SECRET not in json.dumps({k: repr(v) for k, v in vars(signer).items()})
