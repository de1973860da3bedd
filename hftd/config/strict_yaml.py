"""Read YAML so that it can mean only one thing.

Owns the dialect: every scalar is text (so ``no`` is not False, ``012`` not 10, ``1e3`` not a
number), each key stands once, and anchors, aliases, tags, merge keys and second documents are
refused, as are more than 64 KiB or 8 levels. Also owns the check of the file itself: regular,
owned by root or by us, writable by nobody else. Knows no key of a profile.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, NoReturn

import yaml

from hftd.config.tree import Branch, Items, Leaf, Node, Origin
from hftd.errors import ProfileError

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 8


def read_file(path: Path, *, shown: str, trusted: bool) -> Branch:
    """Read a file of strict YAML.

    Args: ``shown`` names the file in messages; ``trusted`` spares the owner check where the
    file ships beside our own code and whoever can change it can change that as well.

    Raises: ProfileError with line and column.
    """
    return parse(_decode(_read_bytes(path, shown, trusted), shown), shown)


def parse(text: str, shown: str) -> Branch:
    """Parse strict YAML whose top level is a mapping; ``shown`` names it in messages."""
    try:
        loader = _StrictLoader(text, shown)
        root = loader.get_single_node()
        if root is None:
            raise ProfileError("a mapping of keys", path=shown, was="empty")
        tree = _convert(root, shown)
    except yaml.MarkedYAMLError as error:
        _refuse_syntax(error, shown)
    except yaml.reader.ReaderError as error:
        expected = f"printable text (character {error.position + 1} is not)"
        raise ProfileError(expected, path=shown, was="a control character") from None
    if not isinstance(tree, Branch):
        raise _error("a mapping of keys", tree.origin, was=_kind(tree))
    return tree


def _read_bytes(path: Path, shown: str, trusted: bool) -> bytes:
    try:
        # O_NONBLOCK: opening a named pipe must not wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise ProfileError("a file that can be read", path=shown, was=reason) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise ProfileError("a YAML file", path=shown, was=kind)
        if not trusted:
            _check_owner(status, shown)
        if status.st_size > MAX_BYTES:
            expected = f"at most {MAX_BYTES} bytes"
            raise ProfileError(expected, path=shown, was=f"{status.st_size} bytes")
        return os.read(descriptor, MAX_BYTES)
    finally:
        os.close(descriptor)


def _check_owner(status: os.stat_result, shown: str) -> None:
    if status.st_uid not in (0, os.geteuid()):
        expected = f"owned by root or by uid {os.geteuid()}, who runs hftd"
        raise ProfileError(expected, path=shown, was=f"owned by uid {status.st_uid}")
    if status.st_mode & 0o022:
        mode = f"mode {stat.S_IMODE(status.st_mode):04o}"
        expected = f"writable by its owner alone (chmod go-w {shown})"
        raise ProfileError(expected, path=shown, was=mode)


def _decode(content: bytes, shown: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise ProfileError(
            "UTF-8 text", path=shown, line=line, column=column, was="a byte that is not"
        ) from None


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, stopped at the node: nothing is resolved, nothing constructed."""

    def __init__(self, text: str, shown: str) -> None:
        super().__init__(text)
        self._shown = shown
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        origin = _origin(event.start_mark, self._shown)
        if isinstance(event, yaml.AliasEvent):
            raise _error("the value itself; aliases are not read", origin, was=f"*{event.anchor}")
        if getattr(event, "anchor", None) is not None:
            expected = "no anchor; extends: builds one profile on another"
            raise _error(expected, origin, was=f"&{event.anchor}")
        if getattr(event, "tag", None) is not None:
            raise _error("no tag; the schema knows the types", origin, was=event.tag)
        if self._depth == MAX_DEPTH:
            raise _error(f"at most {MAX_DEPTH} levels", origin)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _convert(node: yaml.Node, shown: str) -> Node:
    origin = _origin(node.start_mark, shown)
    if isinstance(node, yaml.ScalarNode):
        return Leaf(node.value, origin)
    if isinstance(node, yaml.SequenceNode):
        return Items(tuple(_convert(item, shown) for item in node.value), origin)
    assert isinstance(node, yaml.MappingNode)
    children: dict[str, Node] = {}
    key_origins: dict[str, Origin] = {}
    for key_node, value_node in node.value:
        at = _origin(key_node.start_mark, shown)
        if not isinstance(key_node, yaml.ScalarNode):
            raise _error("a plain word as key", at, was="a list or mapping")
        key = key_node.value
        if key == "<<" and key_node.style is None:
            raise _error("no merge key; extends: builds one profile on another", at, was="<<")
        if key in children:
            expected = f"each key once (first at line {key_origins[key].line})"
            raise _error(expected, at, key=key, was="a duplicate key")
        children[key] = _convert(value_node, shown)
        key_origins[key] = at
    return Branch(children, origin, key_origins)


def _refuse_syntax(error: yaml.MarkedYAMLError, shown: str) -> NoReturn:
    # Only the problem's own words: PyYAML's snippet would repeat the line, secrets and all.
    mark = error.problem_mark or error.context_mark
    origin = _origin(mark, shown) if mark is not None else Origin(shown)
    problem = " ".join((error.problem or "unreadable").split())
    if "'\\t'" in problem:
        raise _error("spaces for indentation", origin, was="a tab") from None
    raise _error("YAML", origin, was=problem) from None


def _origin(mark: yaml.Mark, shown: str) -> Origin:
    return Origin(shown, mark.line + 1, mark.column + 1)


def _kind(node: Node) -> str:
    return "a list" if isinstance(node, Items) else "a single value"


def _error(expected: str, at: Origin, *, key: str = "", was: str | None = None) -> ProfileError:
    return ProfileError(expected, path=at.source, line=at.line, column=at.column, key=key, was=was)
