"""Signatures: the published vectors, what is signed, and the timing rule."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from hftd.simex.refusals import Refused
from hftd.simex.signing import (
    Credential,
    Keyring,
    check_signature,
    check_timing,
    cut_signature,
    sorted_payload,
)

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
REST = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
STAMP = "timestamp=1499827319559"
FULL_WIDTH = "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        (
            f"symbol=LTCBTC&{REST}&{STAMP}",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        ),
        (
            f"symbol={FULL_WIDTH}&{REST}&{STAMP}",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ],
)
def test_published_rest_vectors(query: str, signature: str) -> None:
    """The signatures of the exchange's REST examples verify, in either case of hex."""
    credential = Credential(KEY, SECRET, 1)
    payload, found = cut_signature(f"{query}&signature={signature}", "")
    assert found == signature
    check_signature(credential, payload, signature.upper())
    with pytest.raises(Refused):
        check_signature(credential, payload + b"0", signature)


@pytest.mark.parametrize(
    ("values", "signature"),
    [
        (
            {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01000000",
                "price": "52000.00",
                "recvWindow": "100",
                "timestamp": "1645423376532",
            },
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            {
                "symbol": "１２３４５６",
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "1.00000000",
                "price": "0.10000000",
                "recvWindow": "5000",
                "timestamp": "1645423376532",
            },
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        ),
    ],
)
def test_published_ws_api_vectors(values: dict[str, str], signature: str) -> None:
    """The signatures of the exchange's WS-API examples verify over sorted raw UTF-8."""
    payload = sorted_payload({**values, "apiKey": KEY, "signature": signature})
    check_signature(Credential(KEY, SECRET, 1), payload, signature)


def test_published_ed25519_vector() -> None:
    """The one Ed25519 signature that is published with its private key verifies."""
    pem = (
        b"-----BEGIN PRIVATE KEY-----\n"
        b"MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n"
        b"-----END PRIVATE KEY-----\n"
    )
    public = load_pem_private_key(pem, None).public_key()
    text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    payload = b"\x01".join([b"A", b"EXAMPLE", b"SPOT", b"1", b"20240627-11:17:25.223"])
    signature = (
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
    )
    credential = Credential("ed", text, 1)
    check_signature(credential, payload, signature)
    for wrong in (signature.replace("4", "5", 1), "not base64", signature.lower()):
        with pytest.raises(Refused):
            check_signature(credential, payload, wrong)


@pytest.mark.parametrize(
    ("query", "body", "payload"),
    [
        ("a=1&signature=x&b=2", "", b"a=1&b=2"),
        ("signature=x&a=1", "", b"a=1"),
        ("a=1", "b=2&signature=x", b"a=1b=2"),
        ("a=1&signature=x", "b=2", b"a=1b=2"),
        ("", "b=2&signature=x", b"b=2"),
        ("a=1&nosignature=y&signature=x", "", b"a=1&nosignature=y"),
    ],
)
def test_the_signature_is_cut_wherever_it_stands(query: str, body: str, payload: bytes) -> None:
    """Query and body are joined without a separator, less the signature, in their own order."""
    assert cut_signature(query, body) == (payload, "x")


def test_a_base64_signature_arrives_percent_encoded() -> None:
    """A signature is decoded before it is looked at; plus signs stay plus signs."""
    assert cut_signature("signature=a%2Bb%3D%3D", "")[1] == "a+b=="


@pytest.mark.parametrize(
    ("timestamp", "window", "code"),
    [
        (1_000_000, None, 0),
        (1_000_999, None, 0),
        (1_001_000, None, -1021),
        (995_000, None, 0),
        (994_999, None, -1021),
        (999_900, "100", 0),
        (999_899, "100", -1021),
        (999_899, "100.5", -1021),
        (940_000, "60000", 0),
        (1_000_000, "60001", -1102),
        (1_000_000, "-1", -1100),
        ("", None, -1102),
        ("now", None, -1100),
    ],
)
def test_timing_rule(timestamp: object, window: str | None, code: int) -> None:
    """A request may be as old as its window and less than a second ahead."""
    server_ns = 1_000_000 * 1_000_000
    values = {"timestamp": str(timestamp)}
    if window is not None:
        values["recvWindow"] = window
    assert _timing_code(values, server_ns) == code


def _timing_code(values: dict[str, str], server_ns: int) -> int:
    try:
        check_timing(values, server_ns)
    except Refused as refused:
        return refused.refusal.code
    return 0


def test_microseconds_are_recognised() -> None:
    """A timestamp in microseconds means the same time."""
    server_ns = 1_800_000_000_000_000_000
    check_timing({"timestamp": "1800000000000123"}, server_ns)
    with pytest.raises(Refused):
        check_timing({"timestamp": "1800000001000000"}, server_ns)


@pytest.mark.parametrize(("key", "code"), [(None, -2014), ("no spaces", -2014), ("gone", -2015)])
def test_unknown_keys(key: str | None, code: int) -> None:
    """A malformed key and an unknown one have answers of their own, with status 401."""
    with pytest.raises(Refused) as caught:
        Keyring([Credential(KEY, SECRET, 1)]).find(key)
    assert (caught.value.refusal.code, caught.value.refusal.status) == (code, 401)


def test_secrets_do_not_show() -> None:
    """The text of a credential bears its key alone."""
    assert SECRET not in repr(Credential(KEY, SECRET, 1))
