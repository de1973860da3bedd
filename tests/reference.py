"""README's references, made from the code: ``python -m tests.reference`` writes them anew.

A test compares them, so that a key or a command that changes without README fails.
"""

from __future__ import annotations

from pathlib import Path

from hftd.cli.hftd import COMMANDS as HFTD
from hftd.config.key_reference import markdown
from hftd.control.commands import COMMANDS as HFTCTL
from hftd.control.commands import Kind, Param

README = Path(__file__).parent.parent / "README.md"
_VALUES = {Kind.TEXT: "TEXT", Kind.COUNT: "N"}


def hftd_table() -> str:
    """Return the table of hftd's commands."""
    rows = [f"| `{name}` | {entry.summary} |" for name, entry in HFTD.items()]
    return "\n".join(["| `hftd` | does |", "| --- | --- |", *rows]) + "\n"


def hftctl_table() -> str:
    """Return the table of hftctl's commands with their parameters."""
    rows = []
    for name, command in HFTCTL.items():
        words = " ".join([name, *(_shown(param) for param in command.params)])
        rows.append(f"| `{words}` | {command.role.name.lower()} | {command.summary} |")
    return "\n".join(["| `hftctl` | for | does |", "| --- | --- | --- |", *rows]) + "\n"


def _shown(param: Param) -> str:
    if param.positional:
        return param.name.upper()
    shown = param.option
    if param.kind in _VALUES:
        shown += f" {_VALUES[param.kind]}"
    return shown if param.required else f"[{shown}]"


TABLES = {"keys": markdown, "hftd": hftd_table, "hftctl": hftctl_table}


def written(text: str) -> str:
    """Return README with each table between its marks as the code has it now."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        assert found and closed, f"README has no place for {name}"
        text = before + begin + table() + end + after
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
