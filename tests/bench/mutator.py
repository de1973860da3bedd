"""Mutants: every way in which one small slip changes a function, as a change to its syntax tree.

Owns the operators. Must not know which tests judge, nor how a mutant is run.

| operator | what changes |
| --- | --- |
| compare | ``<`` ``<=``, ``>`` ``>=``, ``==`` ``!=``, ``is`` and ``in`` and their ``not`` |
| arithmetic | ``+ -``, ``* //``, ``<< >>``, ``| &`` swapped; ``%`` to ``*``; a sign dropped |
| constant | an integer one more and one less, ``True`` and ``False`` |
| condition | the test of if, while and the conditional expression negated; ``not`` dropped |
| logic | ``and`` and ``or`` swapped |
| extreme | ``min`` and ``max`` swapped |
| statement | an assignment, a call, ``raise``, ``continue`` or ``break`` dropped |
| returned | a number becomes 0, or 1 where it was 0 or a NONE; anything else None |

Only what runs within a function is changed: no constant at the top of a module, no default, no
annotation, no text, no ``assert`` (see cover_rooms.py), nothing that a ``raise`` says. Nor is the 0
in ``.core[0]`` and ``.shape[0]``: these have one element, so that -1 is the same program and 1 ends
every test that comes by. Neither says anything of the tests, and there is one in thirty of them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef

COMPARES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}  # fmt: skip
DROPPED = (ast.Assign, ast.AugAssign, ast.Raise, ast.Continue, ast.Break)
EXTREMES = {"min": "max", "max": "min"}


class Mutant(NamedTuple):
    """One change: where, which operator, the line before and after, and how to make it."""

    function: str  # The qualified name, as a code object has it.
    function_line: int  # The code object's first line: that of the first decorator.
    lines: tuple[int, int]
    operator: str
    change: str  # "before → after", "#2" behind it where it is the second of the same.
    put: Callable[[], None]
    undo: Callable[[], None]


def mutants(tree: ast.Module) -> Iterator[Mutant]:
    """Yield every mutant of a module; between two of them the tree is as it was."""
    seen: dict[tuple[str, str], int] = {}
    for name, top in _functions(tree, ""):
        first = min([top.lineno, *(each.lineno for each in top.decorator_list)])
        for slot in _slots(top):
            before = _headline(slot.statement)
            for operator, changed in slot.variants:
                put, undo = slot.put_of(changed), slot.put_of(slot.node)
                put()
                whole = slot.node is slot.statement
                after = _headline(changed if whole else slot.statement)
                undo()
                if after == before:
                    continue
                change = f"{before} → {after}"
                seen[name, change] = count = seen.get((name, change), 0) + 1
                change += f"  #{count}" if count > 1 else ""
                lines = (slot.node.lineno, slot.node.end_lineno or slot.node.lineno)
                yield Mutant(name, first, lines, operator, change, put, undo)


class _Slot(NamedTuple):
    """A node that can be changed, where it hangs, and what can be put there."""

    holder: Any  # The parent node, or the list that the node stands in.
    key: str | int
    node: Any
    statement: ast.stmt
    variants: list[tuple[str, ast.AST]]

    def put_of(self, node: ast.AST) -> Callable[[], None]:
        """Return what hangs a node into this place."""
        if isinstance(self.key, int):
            return lambda: self.holder.__setitem__(self.key, node)
        return lambda: setattr(self.holder, str(self.key), node)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    """Yield the outermost functions; what is defined within one is a part of it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def _slots(function: Function) -> Iterator[_Slot]:
    for position, statement in enumerate(function.body):
        yield from _within(function.body, position, statement, statement, function)


def _within(
    holder: Any, key: str | int, node: ast.AST, statement: ast.stmt, function: Function
) -> Iterator[_Slot]:
    if isinstance(node, ast.Assert | ast.JoinedStr) or _is_only_place(holder, key):
        return
    if isinstance(node, ast.stmt):
        statement = node
    if isinstance(node, Function):
        function = node
    variants = list(_variants(node, function))
    if variants:
        yield _Slot(holder, key, node, statement, variants)
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "args"} and not isinstance(
            node, ast.Call
        ):
            continue
        if isinstance(node, ast.Raise):
            continue
        if isinstance(value, list):
            for position, child in enumerate(value):
                if isinstance(child, ast.AST):
                    yield from _within(value, position, child, statement, function)
        elif isinstance(value, ast.AST):
            yield from _within(node, name, value, statement, function)


def _is_bit(value: ast.expr) -> bool:
    """Tell whether a constant's own two changes make all that could be given back instead."""
    return isinstance(value, ast.Constant) and value.value in (0, 1)


def _is_only_place(holder: Any, key: str | int) -> bool:
    """Tell whether this is the index of what has one element: the daemon's record, a shape."""
    return (
        key == "slice"
        and isinstance(holder, ast.Subscript)
        and isinstance(holder.value, ast.Attribute)
        and holder.value.attr in {"core", "shape"}
    )


def _variants(node: ast.AST, function: Function) -> Iterator[tuple[str, ast.AST]]:
    """Yield (operator, what stands there instead) for one node."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=right) if type(op) in COMPARES:
            yield "compare", _at(node, ast.Compare(left, [COMPARES[type(op)]()], right))
        case ast.Compare(left=left, ops=ops, comparators=right):
            for at, op in enumerate(ops):
                swapped = [*ops[:at], COMPARES[type(op)](), *ops[at + 1 :]]
                yield "compare", _at(node, ast.Compare(left, swapped, right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            yield "arithmetic", _at(node, ast.BinOp(left, ARITHMETIC[type(op)](), right))
        case ast.AugAssign(target=target, op=op, value=value):
            if type(op) in ARITHMETIC:
                changed = ast.AugAssign(target, ARITHMETIC[type(op)](), value)
                yield "arithmetic", _at(node, changed)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield "arithmetic", operand
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "condition", operand
        case ast.Constant(value=bool() as value):
            yield "constant", _at(node, ast.Constant(not value))
        case ast.Constant(value=int() as value):
            yield "constant", _at(node, ast.Constant(value + 1))
            yield "constant", _at(node, ast.Constant(value - 1))
        case ast.BoolOp(op=op, values=values):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "logic", _at(node, ast.BoolOp(other, values))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=words) if name in EXTREMES:
            other_name = _at(node, ast.Name(EXTREMES[name], ast.Load()))
            yield "extreme", _at(node, ast.Call(other_name, args, words))
        case ast.Return(value=ast.expr() as value) if not _is_bit(value):
            yield "returned", _at(node, ast.Return(_other_value(value, function)))
    match node:
        case ast.If() | ast.While() | ast.IfExp() if not _swaps_whole(node.test):
            negated = type(node)(**dict(ast.iter_fields(node)))
            negated.test = _at(node.test, ast.UnaryOp(ast.Not(), node.test))
            yield "condition", _at(node, negated)
    if isinstance(node, DROPPED) or (
        isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant | ast.Yield)
    ):
        yield "statement", _at(node, ast.Pass())


def _swaps_whole(test: ast.expr) -> bool:
    """Tell whether another operator negates this condition already."""
    if isinstance(test, ast.UnaryOp):
        return isinstance(test.op, ast.Not)
    whole = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
    return isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], whole)


def _other_value(value: ast.expr, function: Function) -> ast.expr:
    """Return what a function gives back instead: another number where one is due, else None."""
    declared = ast.unparse(function.returns) if function.returns else ""
    if declared not in {"int", "bool", "float"}:
        return ast.copy_location(ast.Constant(None), value)
    text = ast.unparse(value)
    nothing = text in {"0", "False"} or text.endswith(("NONE", "NOTHING"))
    number = 1 if nothing else 0
    return ast.copy_location(ast.Constant(bool(number) if declared == "bool" else number), value)


def _at(place: ast.AST, node: Any) -> Any:
    """Give a new node the place of the one that it stands for."""
    ast.copy_location(node, place)
    return node


def _headline(statement: ast.AST) -> str:
    """Return a statement as one line: of a compound one its first."""
    return ast.unparse(ast.fix_missing_locations(statement)).split("\n", 1)[0]
