"""What test_tidy.py reads the code with: modules, their imports, and simple facts of their ast.

Owns how a file is turned into facts. Must not know a rule; those are in test_tidy.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONG = "# long:"


@dataclass(frozen=True)
class Module:
    """One Python file of the repository."""

    path: Path

    @cached_property
    def text(self) -> str:
        """The file's text."""
        return self.path.read_text("utf-8")

    @cached_property
    def lines(self) -> list[str]:
        """The file's lines."""
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return ast.parse(self.text, str(self.path))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @property
    def place(self) -> str:
        """The path below the repository, for a rule and for a message."""
        return str(self.path.relative_to(ROOT))

    @property
    def name(self) -> str:
        """The dotted name, ``hftd.engine.book``."""
        name = self.place.removesuffix(".py").replace("/", ".")
        return name.removesuffix(".__init__")

    def at(self, node: ast.AST, text: str) -> str:
        """Return ``path:line: text``."""
        return f"{self.place}:{getattr(node, 'lineno', 1)}: {text}"

    def imports(self) -> Iterator[tuple[ast.AST, str]]:
        """Yield every dotted name that is imported, at the top or within, for types or not.

        ``from a import b`` gives ``a.b``: whether b is a module is for the reader to decide.
        """
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)

    def says_long(self, first: int, last: int) -> bool:
        """Say whether a ``# long: reason`` stands in these lines (from 1, both inclusive)."""
        return any(
            len(line.split(LONG, 1)[1].strip()) > 10
            for line in self.lines[max(first - 1, 0) : last]
            if LONG in line
        )


def modules(*folders: str) -> list[Module]:
    """Return all Python files below these folders or files of the repository, sorted."""
    found = []
    for folder in folders:
        path = ROOT / folder
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [Module(path) for path in found if "__pycache__" not in path.parts]


def ours(name: str, known: dict[str, Module]) -> str | None:
    """Return the module of ours that an imported dotted name stands for, or None."""
    if name != "hftd" and not name.startswith("hftd."):
        return None
    while name not in known and "." in name:
        name = name.rpartition(".")[0]
    return name


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` of an expression of names and attributes, or the empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function, however deep."""
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def set_iterations(module: Module) -> Iterator[ast.AST]:
    """Yield every place that takes the elements of a set in the set's own order.

    A set is a display, a comprehension, a call of set or frozenset, or a name or attribute
    that this file gives or annotates as one. ``sorted``, ``min``, ``len`` and ``in`` are fine.
    """
    names = _set_names(module)
    ordered_calls = {"list", "tuple", "iter", "next", "enumerate", "zip", "map", "filter"}
    for node in module.nodes:
        taken: list[ast.expr] = []
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            taken = [node.iter]
        elif isinstance(node, ast.Starred):
            taken = [node.value]
        elif isinstance(node, ast.Call):
            called, method = dotted(node.func), getattr(node.func, "attr", "")
            if called in ordered_calls or method == "join":
                taken = list(node.args)
            elif method == "pop" and not node.args and isinstance(node.func, ast.Attribute):
                taken = [node.func.value]
        for expression in taken:
            if _is_set(expression, names):
                yield expression


def _set_names(module: Module) -> set[str]:
    names: set[str] = set()
    for node in module.nodes:
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            annotated = ast.unparse(node.annotation).split("[")[0]
            if annotated in {"set", "frozenset", "AbstractSet", "MutableSet"}:
                names.add(dotted(node.target) if isinstance(node, ast.AnnAssign) else node.arg)
        elif isinstance(node, ast.Assign) and _is_set(node.value, set()):
            names.update(dotted(target) for target in node.targets)
    return names - {""}


def _is_set(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        return dotted(node.func) in {"set", "frozenset"}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub):
        return _is_set(node.left, names) or _is_set(node.right, names)
    return dotted(node) in names
