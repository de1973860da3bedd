"""A strategy of the user's own: its file is found, read, run once, and checks its own keys.

Owns the way from ``kind: path/to/file.py:Class`` to a class, and what is told where that way
ends. Must not know what a strategy decides, nor call one. The file is Python and is run as such:
whoever may write it may do all that the daemon may.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from pydantic import ValidationError, create_model

from hftd.config.complaints import complain, nearest, shown
from hftd.config.strategy_parameters import (
    OWN_FORM,
    OWN_KIND,
    OwnParameters,
    OwnStrategy,
    Strategy,
)
from hftd.config.tree import Branch, Leaf, Origin, as_plain, find, lay_over
from hftd.errors import HftdError, ProfileError, reason_of

MAX_SOURCE_BYTES: Final = 256 * 1024

# A decision is made again by a replay: what differs from run to run may not be asked for.
BANNED: Final = {
    "time": "view.now_ns is the time",
    "random": "a decision must come out the same in a replay",
    "secrets": "a decision must come out the same in a replay",
    "uuid": "a decision must come out the same in a replay",
    "threading": "a decision is made in the engine's own thread",
    "asyncio": "a decision waits for nothing",
    "socket": "a decision asks nobody",
    "subprocess": "a decision asks nobody",
}


class Source(NamedTuple):
    """A strategy's file as it was read."""

    path: Path
    text: str

    @property
    def sha256(self) -> str:
        """The hash that tells it from any other."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class Unusable(HftdError):
    """A strategy's file or class cannot be used; the message says why, in one line."""


def sections(tree: Branch) -> Iterator[tuple[str, ...]]:
    """Yield the path of each section that holds a strategy's parameters."""
    yield ("strategy",)
    single = tree.children.get("instrument_strategy")
    if isinstance(single, Branch):
        yield from (("instrument_strategy", name) for name in single.children)


def merged(tree: Branch) -> Branch:
    """Return the tree with each instrument's parameters laid over those of all."""
    common, single = (tree.children.get(key) for key in ("strategy", "instrument_strategy"))
    if not isinstance(common, Branch) or not isinstance(single, Branch):
        return tree
    children = {
        name: lay_over(common, own) if isinstance(own, Branch) else own
        for name, own in single.children.items()
    }
    above = Branch(children, single.origin, single.key_origins)
    return Branch(tree.children | {"instrument_strategy": above}, tree.origin, tree.key_origins)


def placed(tree: Branch, folder_of: Callable[[Origin], Path]) -> Branch:
    """Return the tree with each own strategy's file absolute, by the file that names it."""
    for path in list(sections(tree)):
        node, _ = find(tree, (*path, "kind"))
        match = OWN_KIND.fullmatch(node.text) if isinstance(node, Leaf) else None
        if match is None or not isinstance(node, Leaf):
            continue
        file = (folder_of(node.origin) / Path(match["path"]).expanduser()).resolve()
        tree = _put(tree, (*path, "kind"), Leaf(f"{file}:{match['name']}", node.origin))
    return tree


def _put(tree: Branch, path: tuple[str, ...], leaf: Leaf) -> Branch:
    key, *rest = path
    child = tree.children[key]
    below = _put(child, tuple(rest), leaf) if rest and isinstance(child, Branch) else leaf
    return Branch(tree.children | {key: below}, tree.origin, tree.key_origins)


def typed(tree: Branch, given: dict[str, Any]) -> dict[str, Any]:
    """Return the profile's plain values with each own strategy's section checked by its class.

    Raises: ProfileError for a file that cannot be used and for each mistake in its keys.
    """
    for path in sections(tree):
        node, _ = find(tree, (*path, "kind"))
        if not isinstance(node, Leaf) or not OWN_KIND.fullmatch(node.text):
            continue
        try:
            source, found = load(node.text)
        except Unusable as error:
            at, key = node.origin, ".".join((*path, "kind"))
            raise ProfileError(
                str(error), path=at.source, line=at.line, column=at.column, key=key
            ) from None
        section = given
        for key in path[:-1]:
            section = section[key]
        section[path[-1]] = held(_checked(tree, path, found), source).model_dump()
    return given


def _checked(tree: Branch, path: tuple[str, ...], found: type[OwnParameters]) -> OwnParameters:
    # Complaints name keys from the root of the profile, so the models around it are made too.
    model: Any = found
    plain: Any = as_plain(find(tree, path)[0])
    for key in reversed(path):
        fields: dict[str, Any] = {key: (model, ...)}
        model, plain = create_model("Around", **fields), {key: plain}
    try:
        parameters: Any = model.model_validate(plain)
    except ValidationError as error:
        raise complain(error, tree, model) from None
    for key in path:
        parameters = getattr(parameters, key)
    assert isinstance(parameters, OwnParameters)
    return parameters


def origins(strategy: Strategy, keys: Iterable[str]) -> dict[str, str]:
    """Return where the values come from that an own strategy's file has brought."""
    if not isinstance(strategy, OwnStrategy):
        return {}
    brought = (".source_sha256", ".reasons.")
    return {key: strategy.path for key in keys if any(part in key for part in brought)}


def held(parameters: OwnParameters, source: Source) -> OwnStrategy:
    """Return checked parameters as a profile holds them."""
    reasons = getattr(type(parameters), "reasons", ())
    return OwnStrategy(**parameters.model_dump(), source_sha256=source.sha256, reasons=reasons)


def rebuilt(strategy: OwnStrategy, text: str | None) -> OwnParameters:
    """Return the parameters of a run by the very source that it traded with.

    ``text`` is that source as the journal keeps it; without it the file has to be the same.
    Raises: ProfileError where it is another, or is gone.
    """
    try:
        source = Source(Path(strategy.path), read(Path(strategy.path)))
    except Unusable:
        if text is None:
            raise
        source = Source(Path(strategy.path), "")
    if source.sha256 != strategy.source_sha256:
        if text is None:
            raise _another(strategy, source, "the run traded with")
        source = _aside(strategy, text)
    return class_in(source, strategy.class_name)(**strategy.given())


def source_of(strategy: OwnStrategy) -> str:
    """Return the text that a profile was loaded with, for the journal.

    Raises: ProfileError where the file has changed since.
    """
    source = Source(Path(strategy.path), read(Path(strategy.path)))
    if source.sha256 != strategy.source_sha256:
        raise _another(strategy, source, "the profile was loaded with")
    return source.text


def _another(strategy: OwnStrategy, source: Source, whose: str) -> ProfileError:
    return ProfileError(
        f"the source of sha256 {strategy.source_sha256[:12]}…, which {whose}",
        path=strategy.path,
        key="strategy.kind",
        was=f"{source.sha256[:12]}…",
    )


def load(kind: str) -> tuple[Source, type[OwnParameters]]:
    """Return a kind's source and class. Raises: Unusable, with a line that says why."""
    match = OWN_KIND.fullmatch(kind)
    if match is None:
        raise Unusable(f"{OWN_FORM}, was {shown(kind)}")
    source = Source(Path(match["path"]), read(Path(match["path"])))
    return source, class_in(source, match["name"])


def read(path: Path) -> str:
    """Return a strategy's source. Raises: Unusable."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unusable(f"a file that can be read: {path}: {reason_of(error)}") from None
    if len(data) > MAX_SOURCE_BYTES:
        raise Unusable(f"{path} of at most {MAX_SOURCE_BYTES} bytes, was {len(data)}")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Unusable(f"{path} as Python in UTF-8") from None


def classes_in(source: Source) -> dict[str, type[OwnParameters]]:
    """Return the strategies that a source defines, by name. Raises: Unusable."""
    module = _module(source)
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, OwnParameters)
        and value.__module__ == module.__name__
    }


def class_in(source: Source, name: str) -> type[OwnParameters]:
    """Return one strategy of a source. Raises: Unusable."""
    there = classes_in(source)
    if name in there and inspect.isabstract(there[name]):
        lacks = ", ".join(sorted(there[name].__abstractmethods__))
        raise Unusable(f"a class with a method {lacks}: {source.path}:{name}")
    if name in there and not there[name].__pydantic_complete__:
        raise Unusable(f"a class whose annotations are known: {source.path}:{name}")
    if name in there:
        return there[name]
    near = nearest(name, there)
    meant = f"did you mean {near}?" if near else f"it has {', '.join(there) or 'none'}"
    raise Unusable(f"a class of {source.path} that is a Strategy; {meant}")


def _module(source: Source) -> ModuleType:
    # One module a source, wherever it stands: a second load of the same text is the same class,
    # and a kernel out of the cache finds the module by the name that it was compiled under.
    name = f"hftd_own_{source.sha256[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(source.path)
    sys.modules[name] = module  # Before it runs: annotations are looked up there.
    error = _run(source, module)
    if error is not None:
        del sys.modules[name]
        raise Unusable(f"a file that runs: {_place(error, source.path)}")
    return module


def _run(source: Source, module: ModuleType) -> BaseException | None:
    """Run a source as a module's body and return what it raised: it is the user's own code."""
    try:
        tree = ast.parse(source.text, str(source.path))
        _refuse_banned(tree, source.path)
        # This file's own future imports would otherwise be the user's.
        code = compile(tree, str(source.path), "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102 - what it is for
    except Unusable:
        del sys.modules[module.__name__]
        raise
    except SystemExit as error:
        return error
    except Exception as error:  # noqa: BLE001 - refused with its line
        return error
    return None


def _refuse_banned(tree: ast.Module, path: Path) -> None:
    for node in ast.walk(tree):
        names: Sequence[str] = ()
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            root = name.partition(".")[0]
            if root in BANNED:
                line = getattr(node, "lineno", 0)
                raise Unusable(f"a strategy without {root} ({path}:{line}): {BANNED[root]}")


def _place(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f"{path}:{error.lineno or 0}: {error.msg}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    text = " ".join(str(error).split())
    return f"{path}:{lines[-1] if lines else 0}: {type(error).__name__}: {shown(text)}"


def _aside(strategy: OwnStrategy, text: str) -> Source:
    """Put a source of the past into a file of its own: a kernel is compiled from its file."""
    path = _SCRATCH.path() / f"{strategy.source_sha256[:16]}.py"
    path.write_text(text)
    return Source(path, text)


class _Scratch:
    """A private folder of this process, made when first needed and removed with it."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def path(self) -> Path:
        """Return the folder."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="hftd-strategy-")
        return Path(self._folder.name)


_SCRATCH: Final = _Scratch()
