"""The dialect of YAML: what is read, and what each refusal says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.config.strict_yaml import MAX_BYTES, parse, read_file
from hftd.config.tree import as_plain
from hftd.errors import ProfileError


def read(path: Path) -> ProfileError:
    """Read a file that has to be refused and return the refusal."""
    with pytest.raises(ProfileError) as caught:
        read_file(path, shown=path.name, trusted=False)
    assert caught.value.exit_code == 78
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("text", ["no", "012", "1e3", "0.1", "1:30", ".inf", "~", "null", "0x10"])
def test_every_scalar_is_its_own_text(text: str) -> None:
    """Nothing is turned into a number, a boolean or nothing on the way."""
    assert as_plain(parse(f"key: {text}\n", "f")) == {"key": text}


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1), "a: each key once (first at line 1), was a duplicate key"),
        ("a: {b: 1, b: 2}\n", (1, 11), "b: each key once"),
        ("a: &x 1\n", (1, 4), "no anchor; extends: builds one profile on another, was &x"),
        ("a: *x\n", (1, 4), "aliases are not read, was *x"),
        ("a: !!float 1\n", (1, 4), "no tag"),
        ("a: !python/object:os.system 1\n", (1, 4), "no tag"),
        ("b: {<<: 1}\n", (1, 5), "no merge key"),
        ("? [a]\n: 1\n", (1, 3), "a plain word as key"),
        ("a:\n\tb: 1\n", (2, 1), "spaces for indentation, was a tab"),
        ("a: [1, 2\n", (2, 1), "YAML, was"),
        ("a: 1\n---\nb: 2\n", (2, 1), "YAML, was but found another document"),
        ("- a\n", (1, 1), "a mapping of keys, was a list"),
        ("just text\n", (1, 1), "a mapping of keys, was a single value"),
        ("a: [[[[[[[[1]]]]]]]]\n", (1, 11), "at most 8 levels"),
    ],
)
def test_what_could_mean_two_things_is_refused(
    text: str, where: tuple[int, int], says: str
) -> None:
    """Each refusal names line and column and what would be right."""
    with pytest.raises(ProfileError) as caught:
        parse(text, "mine.yaml")
    assert (caught.value.line, caught.value.column) == where
    assert str(caught.value).startswith(f"mine.yaml:{where[0]}:{where[1]}: ")
    assert says in str(caught.value)


def test_a_syntax_error_does_not_repeat_the_line() -> None:
    """The line that does not parse may hold a secret."""
    with pytest.raises(ProfileError) as caught:
        parse("api_secret: hunter2: hunter3\n", "f")
    assert "hunter" not in str(caught.value)


def test_eight_levels_are_read() -> None:
    """The limit itself is allowed: a mapping, six lists and the value in them."""
    assert as_plain(parse("a: [[[[[[1]]]]]]\n", "f")) == {"a": [[[[[["1"]]]]]]}


@pytest.mark.parametrize("mode", [0o622, 0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Who can write the profile can trade; the message says how to mend it."""
    path = tmp_path / "p.yaml"
    path.write_text("a: 1\n")
    path.chmod(mode)
    error = read(path)
    assert f"writable by its owner alone (chmod go-w p.yaml), was mode {mode:04o}" in str(error)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """A profile belongs to root or to who runs the daemon."""
    path = tmp_path / "p.yaml"
    path.write_text("a: 1\n")
    path.chmod(0o644)
    os.chown(path, 12345, -1)
    assert "owned by uid 12345" in str(read(path))


def test_a_file_of_64_kib_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    """The bound counts bytes and holds before anything is parsed."""
    path = tmp_path / "p.yaml"
    path.touch(mode=0o600)
    path.write_text("a: 1\n#".ljust(MAX_BYTES, "x"))
    assert as_plain(read_file(path, shown="p", trusted=False)) == {"a": "1"}
    path.write_text("a: 1\n#".ljust(MAX_BYTES + 1, "x"))
    assert "at most 65536 bytes, was 65537 bytes" in str(read(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "was empty"),
        (b"# only a comment\n", "was empty"),
        (b"a: 1\nb: \xff\xfe\n", "p.yaml:2:4: UTF-8 text"),
        (b"a: \x00\n", "printable text"),
        (b"\x7fELF\x02\x01\x01", "printable text"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    """Binary and empty files are told apart from wrong YAML."""
    path = tmp_path / "p.yaml"
    path.touch(mode=0o600)
    path.write_bytes(content)
    assert says in str(read(path))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, a pipe and a file that is not there are refused without waiting."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "was a directory" in str(read(tmp_path))
    assert "was not a regular file" in str(read(tmp_path / "pipe"))
    assert "was no such file" in str(read(tmp_path / "none"))


@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused_with_one_line(content: bytes) -> None:
    """No input leaves the reader by another road than a tree or a ProfileError."""
    message = ""
    try:
        parse(content.decode("utf-8", "replace"), "f")
    except ProfileError as error:
        message = str(error)
    assert "\n" not in message
