"""The table of commands is complete, and its validation names what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.control.commands import COMMANDS, MAX_TEXT_CHARS, Kind, Role, Server, command_on, validate
from hftd.control.faults import InvalidParams, UnknownMethod

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=300) | st.lists(st.none())


def test_the_table_holds_the_commands_of_the_design() -> None:
    """Every command that the daemon promises is in the table, each acting one for operators."""
    assert set(COMMANDS) == {
        *("ps", "status", "health", "wait", "explain", "book", "orders", "order", "fills"),
        *("positions", "pnl", "latency", "risk", "pause", "resume", "stop", "cancel"),
        *("cancel-all", "flatten", "kill", "reset", "ack", "reconcile", "logs", "version"),
        *("selfcheck", "alert-test", "reload", "set", "history"),
    }
    acting = {name for name, one in COMMANDS.items() if one.role >= Role.OPERATOR}
    assert acting == {
        *("pause", "resume", "stop", "cancel", "cancel-all", "flatten", "kill", "reset"),
        *("ack", "reconcile", "alert-test", "reload", "set"),
    }
    assert COMMANDS["reset"].role is Role.ADMIN


def test_every_default_is_valid() -> None:
    """What is filled in would also pass where a caller says it."""
    for command in COMMANDS.values():
        given_params = {p.name: p.default if p.default is not None else "x" for p in command.params}
        given_params |= {p.name: p.choices[0] for p in command.params if p.choices}
        assert validate(command, given_params) == given_params


@given(st.sampled_from(sorted(COMMANDS)), st.dictionaries(st.text(max_size=5), VALUES))
def test_any_parameters_are_valid_or_refused(name: str, params: dict[str, Any]) -> None:
    """Validation returns complete parameters of the right type, or InvalidParams."""
    command = COMMANDS[name]
    params |= {param.name: params.get("x") for param in command.params}
    try:
        complete = validate(command, params)
    except InvalidParams:
        return
    assert set(complete) == {param.name for param in command.params}
    kinds = {Kind.TEXT: str, Kind.COUNT: int, Kind.FLAG: bool}
    for param in command.params:
        value = complete[param.name]
        assert value is None or type(value) is kinds[param.kind]


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("reset", {}, "reset needs reason"),
        ("reset", {"reason": None}, "reset needs reason"),
        ("reset", {"raeson": "x"}, "did you mean reason"),
        ("reset", {"zzz": "x"}, "takes reason"),
        ("status", {"x": 1}, "status has no parameter 'x'"),
        ("book", {"depth": 0}, "between 1 and 100, was 0"),
        ("book", {"depth": 101}, "between 1 and 100, was 101"),
        ("book", {"depth": 10**4000}, "a number of 13288 bits"),
        ("book", {"depth": "5"}, "must be a whole number, was '5'"),
        ("book", {"depth": True}, "must be a whole number, was True"),
        ("logs", {"follow": 1}, "must be true or false, was 1"),
        ("reset", {"reason": ""}, "1 to 200 printable characters"),
        ("reset", {"reason": "x" * 201}, "1 to 200 printable characters"),
        ("reset", {"reason": "a\nb"}, "printable"),
        ("logs", {"level": "loud"}, "one of debug, info"),
        ("logs", {"level": "warn"}, "did you mean warning"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, params: dict[str, Any], says: str) -> None:
    """A refusal says which parameter, what it was, and what would be right."""
    with pytest.raises(InvalidParams) as refused:
        validate(COMMANDS[name], params)
    assert says in refused.value.message


def test_bounds_themselves_pass() -> None:
    """The first and the last value allowed are allowed."""
    assert validate(COMMANDS["book"], {"depth": 1})["depth"] == 1
    assert validate(COMMANDS["book"], {"depth": 100})["depth"] == 100
    assert validate(COMMANDS["reset"], {"reason": "x" * 200})["reason"] == "x" * 200
    assert validate(COMMANDS["logs"], {"lines": 0})["lines"] == 0


@given(VALUES | st.text(st.characters(), max_size=400))
def test_a_kill_is_refused_for_no_reason(reason: Any) -> None:
    """Whatever stands there, it is kept in 200 printable characters that any encoder takes."""
    for name in ("kill", "stop", "pause"):
        kept = validate(COMMANDS[name], {"reason": reason})["reason"]
        assert kept is None or (kept.isprintable() and 0 < len(kept) <= MAX_TEXT_CHARS)
        assert validate(COMMANDS[name], {"reason": kept})["reason"] == kept
        json.dumps(kept, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("it hangs [[[[[", "it hangs [[[[["),
        ("one\ntwo\x1b[31m", "one\\ntwo\\x1b[31m"),
        ("caf\udce9", "caf\\udce9"),
        (" ", None),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 171 + "... (cut, had 201 characters)"),
        (7, "7"),
    ],
)
def test_a_reason_that_does_not_fit_says_that_it_was_cut(reason: Any, kept: str | None) -> None:
    """What was there is still to be read, and where it ends is marked."""
    assert validate(COMMANDS["kill"], {"reason": reason})["reason"] == kept


def test_a_command_is_served_by_one_socket() -> None:
    """Asked of the wrong server, a command names the right one."""
    assert command_on(Server.ENGINE, "kill").name == "kill"
    with pytest.raises(UnknownMethod, match=r"fills is served by recorder\.sock"):
        command_on(Server.ENGINE, "fills")
    with pytest.raises(UnknownMethod, match="wait is served by the caller's side"):
        command_on(Server.ENGINE, "wait")
    with pytest.raises(UnknownMethod, match=r"was 'klil', did you mean kill\?"):
        command_on(Server.ENGINE, "klil")
    with pytest.raises(UnknownMethod) as unknown:
        command_on(Server.ENGINE, "x" * 4000)
    assert len(unknown.value.message) < 100
