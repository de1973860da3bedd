"""The profile before it has types: nested text, each piece knowing where it was written.

Owns the nodes, laying one layer over another, and reading them back as plain Python. Knows
nothing of YAML, of the environment, or of which keys exist. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# Where these keys of both layers differ, the upper mapping stands alone: the parameters of
# another strategy or market mean nothing to this one.
_KINDS = ("kind", "source")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something was written: a file with line and column from 1, or a named override."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scalar, as text."""

    text: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Branch:
    """A mapping; ``key_origins`` says where each key stands."""

    children: dict[str, Node]
    origin: Origin
    key_origins: dict[str, Origin] = field(default_factory=dict)


Node = Leaf | Items | Branch
Plain = str | list["Plain"] | dict[str, "Plain"]


def lay_over(lower: Branch, upper: Branch) -> Branch:
    """Return ``lower`` with ``upper`` on top: mappings merge key by key, all else is replaced."""
    children = dict(lower.children)
    for key, above in upper.children.items():
        below = children.get(key)
        if isinstance(below, Branch) and isinstance(above, Branch) and _same_kind(below, above):
            children[key] = lay_over(below, above)
        else:
            children[key] = above
    # An override is not where a missing key should be added; the uppermost file is.
    origin = upper.origin if upper.origin.line else lower.origin
    return Branch(children, origin, lower.key_origins | upper.key_origins)


def _same_kind(lower: Branch, upper: Branch) -> bool:
    for key in _KINDS:
        above, below = upper.children.get(key), lower.children.get(key)
        if isinstance(above, Leaf) and isinstance(below, Leaf) and above.text != below.text:
            return False
    return True


def as_plain(node: Node) -> Plain:
    """Return the text alone, in dicts and lists."""
    if isinstance(node, Leaf):
        return node.text
    if isinstance(node, Items):
        return [as_plain(item) for item in node.items]
    return {key: as_plain(child) for key, child in node.children.items()}


def nested(path: Sequence[str], value: Node, origin: Origin) -> Branch:
    """Return the branch that holds ``value`` under the keys of ``path``."""
    node = value
    for key in reversed(path):
        node = Branch({key: node}, origin, {key: origin})
    assert isinstance(node, Branch), "a path has at least one key"
    return node


def find(root: Branch, path: Sequence[str | int]) -> tuple[Node, Origin]:
    """Return the deepest node on ``path`` that exists, and where its key or item stands."""
    node: Node = root
    origin = root.origin
    for step in path:
        if isinstance(node, Branch) and step in node.children:
            key = str(step)
            origin = node.key_origins.get(key, node.children[key].origin)
            node = node.children[key]
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            origin = node.origin
        else:
            break
    return node, origin


def leaves(node: Node, prefix: str = "") -> Iterator[tuple[str, Leaf]]:
    """Yield every scalar with its dotted key, in the order written."""
    if isinstance(node, Leaf):
        yield prefix, node
        return
    children: Mapping[str, Node] = (
        node.children
        if isinstance(node, Branch)
        else {str(index): item for index, item in enumerate(node.items)}
    )
    for key, child in children.items():
        yield from leaves(child, f"{prefix}.{key}" if prefix else key)
