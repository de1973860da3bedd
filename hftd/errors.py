"""The exceptions that may end or refuse something, each with the exit code it stands for.

HftdError
├── UsageError            64  the command line asks for something that does not exist
├── JournalDamaged        65  what is on the disk cannot be trusted, or is of another version
│   └── RecordsDamaged    65  a journal record before the tail does not verify
├── InvariantBroken       70  a bug of ours: cancel all, exit, recover
├── OurProtocolError      70  we broke the venue's rules: a bug of ours as well
├── InstanceLocked        75  another process holds the instance's lock
├── CredentialsError      77  a key is missing, malformed, refused, or may do too much
├── ProfileError          78  the profile cannot be used; names file, line, column, key
└── VenueProtocolError     1  the venue sent what its protocol forbids: resync that link

What the world does (rejects, gaps, time-outs, full disks) is an event or a value, never one
of these. What the system says of a call that failed is worded here, for all who tell of it.
"""

from __future__ import annotations


class HftdError(Exception):
    """Root of all errors that hftd raises on purpose; ``exit_code`` is the process's."""

    exit_code = 1


class UsageError(HftdError):
    """The command line or a request asks for something that does not exist."""

    exit_code = 64


class JournalDamaged(HftdError):
    """What an instance keeps on the disk cannot be used; nothing is started on a guess."""

    exit_code = 65


class RecordsDamaged(JournalDamaged):
    """Records before the tail do not verify: `hftd db repair` keeps what does."""


class InvariantBroken(HftdError):
    """State contradicts itself: our bug; the driver cancels all, exits and recovers."""

    exit_code = 70


class OurProtocolError(HftdError):
    """We sent, or were about to send, what the venue's protocol forbids."""

    exit_code = 70


class InstanceLocked(HftdError):
    """Another process holds this instance's lock."""

    exit_code = 75


class CredentialsError(HftdError):
    """A credential is missing, malformed or refused by the venue."""

    exit_code = 77


class ProfileError(HftdError):
    """A profile cannot be used; the message is one line that says what, where and the mend.

    Args: path of the file (or ``--set``/environment name), 1-based line and column where
    known, dotted key, what stands there, what was expected.
    """

    exit_code = 78

    def __init__(
        self,
        expected: str,
        *,
        path: str = "",
        line: int = 0,
        column: int = 0,
        key: str = "",
        was: str | None = None,
    ) -> None:
        self.path, self.line, self.column, self.key = path, line, column, key
        self.expected, self.was = expected, was
        where = path + (f":{line}:{column}" if line else "")
        parts = [part for part in (where, key, expected) if part]
        super().__init__(": ".join(parts) + (f", was {was}" if was is not None else ""))


class VenueProtocolError(HftdError):
    """The venue sent bytes that its protocol forbids; the link resyncs."""


def reason_of(error: OSError) -> str:
    """Return what the system says went wrong, to stand in a line of ours."""
    return (error.strerror or str(error)).lower()
