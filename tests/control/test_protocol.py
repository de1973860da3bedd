"""The protocol is a function of bytes: every line is a request or a typed fault, never else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hftd.control.faults import (
    ControlError,
    DaemonFault,
    InvalidRequest,
    MalformedLine,
    NotComplete,
    TooBusy,
    fault_of,
)
from hftd.control.protocol import (
    MAX_LINE_BYTES,
    MAX_REPLY_BYTES,
    LineBuffer,
    Request,
    RequestFault,
    encode_error,
    encode_item,
    encode_request,
    encode_result,
    pages_of,
    parse_reply,
    parse_request,
    result_text,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["jsonrpc", "id", "method", "params", "extra"])
NEARLY = st.dictionaries(NAMES, JSON | st.just("2.0") | st.just("kill")).map(
    lambda message: json.dumps(message).encode()
)


@given(st.binary(max_size=400) | NEARLY)
@example(b"[" * 4000)
@example(b'{"a":' * 800)
@example(b'{"jsonrpc":"2.0","id":' + b"9" * 4000 + b',"method":"kill"}')
@example(b'{"jsonrpc":"2.0","id":1e999,"method":"kill"}')
@example(b'{"jsonrpc":"2.0","method":"\\ud800"}')
@example(b"\xef\xbb\xbf{}")
def test_a_line_is_a_request_or_a_fault(line: bytes) -> None:
    """Whatever the bytes, the parser returns a request or raises its one typed exception."""
    try:
        request = parse_request(line)
    except RequestFault as bad:
        codes = {bad.fault.code, json.loads(encode_error(bad.id, bad.fault))["error"]["code"]}
    else:
        codes = set()
        assert isinstance(request.method, str)
        assert isinstance(request.params, dict)
    assert codes in ({-32700}, {-32600}, set())


@given(
    st.integers(-(2**63) + 1, 2**63 - 1) | st.text(max_size=64) | st.none(),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=10), st.text(max_size=10) | st.integers() | st.booleans()),
)
def test_a_request_survives_the_wire(request_id: Any, method: str, params: dict[str, Any]) -> None:
    """What the client encodes is what the server parses, on one line."""
    line = encode_request(request_id, method, params)
    assert line.count(b"\n") == 1
    assert parse_request(line[:-1]) == Request(request_id, method, params)


@pytest.mark.parametrize("depth", [4, 5])
def test_depth_has_an_exact_bound(depth: int) -> None:
    """Four levels pass, five do not."""
    inner = "[" * (depth - 2) + "]" * (depth - 2)
    line = b'{"jsonrpc":"2.0","method":"x","params":{"a":%s}}' % inner.encode()
    if depth == 4:
        assert parse_request(line).params == {"a": [[]]}
    else:
        with pytest.raises(RequestFault, match="at most 4 deep") as bad:
            parse_request(line)
        assert isinstance(bad.value.fault, MalformedLine)


@pytest.mark.parametrize("text", ["[[[[[[", '\\"[[[[[', "\\\\[[[[[{", '{"a":[[[[['])
def test_brackets_in_a_text_are_no_depth(text: str) -> None:
    """A kill's reason may hold them; those after the text count again."""
    assert parse_request(encode_request(1, "kill", {"reason": text})).params == {"reason": text}
    deep = encode_request(1, "kill", {"reason": text, "x": [[[]]]})
    with pytest.raises(RequestFault, match="at most 4 deep"):
        parse_request(deep)


def test_a_faults_id_is_kept_where_it_can_be_read() -> None:
    """A caller with many requests under way learns which one was wrong."""
    with pytest.raises(RequestFault) as bad:
        parse_request(b'{"jsonrpc":"2.0","id":"a7","method":1}')
    assert bad.value.id == "a7"
    assert isinstance(bad.value.fault, InvalidRequest)


@given(st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), max_size=10))
def test_lines_do_not_depend_on_chunks(lines: list[bytes]) -> None:
    """However the bytes are cut, the same lines come out, as a plain split says."""
    text = b"".join(line + b"\n" for line in lines)
    for size in (1, 7, len(text) + 1):
        buffer, taken = LineBuffer(), []
        for at in range(0, len(text), size):
            buffer.feed(text[at : at + size])
            while (line := buffer.take()) is not None:
                taken.append(line)
        assert taken == lines
        assert not buffer.partial
        assert not buffer.ready


def test_a_line_has_an_exact_bound() -> None:
    """4,096 bytes are a line, one more is not, ended or not."""
    buffer = LineBuffer()
    buffer.feed(b"x" * MAX_LINE_BYTES)
    assert buffer.take() is None
    assert buffer.partial
    buffer.feed(b"\n")
    assert buffer.ready
    assert buffer.take() == b"x" * MAX_LINE_BYTES
    for ending in (b"", b"\n"):
        buffer.feed(b"x" * (MAX_LINE_BYTES + 1) + ending)
        assert buffer.ready
        with pytest.raises(MalformedLine):
            buffer.take()
        assert not buffer.ready


@given(JSON)
def test_a_result_survives_the_wire(result: Any) -> None:
    """A result arrives as it was, in ASCII; what JSON cannot say is a fault."""
    try:
        text = result_text(result)
    except DaemonFault:
        assert "nan" in repr(result) or "inf" in repr(result)
        return
    line = encode_result("x", text)
    assert line.isascii()
    assert parse_reply(line).value == json.loads(json.dumps(result))


@given(st.text(alphabet='"\\a\n\x1b', min_size=1, max_size=9))
@example('"')
def test_pages_fit_a_line_at_worst(text: str) -> None:
    """Even a text of quotes and backslashes alone, doubled twice, makes pages that fit."""
    whole = result_text({"text": text * (90_000 // len(text))})
    pages = pages_of(whole)
    assert "".join(pages) == whole
    for page in pages:
        body = result_text({"page": 99, "pages": 99, "next": "999999.99", "text": page})
        assert len(encode_result(2**63 - 1, body)) <= MAX_REPLY_BYTES


def test_a_result_that_just_fits_is_one_line() -> None:
    """The bound between one line and pages leaves room for the envelope."""
    text = result_text("x" * (MAX_REPLY_BYTES - 514))
    assert pages_of(text) == [text]
    assert len(encode_result("i" * 64, text)) <= MAX_REPLY_BYTES
    assert len(pages_of(text + " ")) > 1


def test_an_item_has_a_bound() -> None:
    """An item that does not fit a line is a fault of ours, not a cut item."""
    assert encode_item(1, {"n": 1}).endswith(b"\n")
    with pytest.raises(DaemonFault, match="an item has at most"):
        encode_item(1, "x" * MAX_REPLY_BYTES)
    with pytest.raises(TooBusy):
        encode_item(1, "x" * 2_000_000)


@pytest.mark.parametrize("kind", ControlError.__subclasses__())
def test_each_fault_survives_the_wire(kind: type[ControlError]) -> None:
    """Code, message and numbers arrive as the same type, which knows its exit code."""
    fault = parse_reply(encode_error(1, kind("why", {"limit": "5"}))).fault
    assert type(fault) is kind
    assert (fault.message, fault.detail) == ("why", {"limit": "5"})
    assert 1 <= fault.exit_code <= 6


def test_codes_are_each_ones_own() -> None:
    """No two faults share a code, and an unknown code is our bug."""
    codes = [kind.code for kind in ControlError.__subclasses__()]
    assert len(set(codes)) == len(codes)
    assert type(fault_of(-1, "new", None)) is DaemonFault


def test_a_faults_long_detail_is_left_out() -> None:
    """A fault always fits its line; the words matter more than the numbers."""
    line = encode_error(1, NotComplete("left", {"orders": ["x" * 1000] * 100}))
    assert len(line) < MAX_REPLY_BYTES
    assert "data" not in json.loads(line)["error"]
