"""The three standard streams of a command, made fit to be written to, whatever they were given as.

Owns what a closed or full stdout means for a command: nothing but that its words are lost. Knows no
command. Of the standard library alone, because hftctl has to start fast.
"""

from __future__ import annotations

import os
import sys


def secure() -> None:
    """Open those of the three that are closed on the null device; shall come before all else.

    What is opened next takes the lowest number that is free: without this a lock or a socket would
    be descriptor 1, and whatever is printed into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            assert opened == number, "the lowest that is free"
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def is_lost() -> bool:
    """Tell whether stdout takes nothing: a full disk, a closed pipe. Else it has a line more."""
    try:
        print(flush=True)  # noqa: T201 - what a command says goes there
    except OSError:
        return True
    return False


def give_up() -> None:
    """Let what is still unsaid stay unsaid: Python would complain of it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
