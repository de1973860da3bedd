"""Secrets: what a reference names, fetched late, and a value that will not show itself.

Owns the three roads to a secret (``env:NAME``, ``file:PATH``, ``credential:NAME`` in systemd's
``$CREDENTIALS_DIRECTORY``) and the checks on each. Must not know what a secret is for. No
message ever repeats what was found.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from hftd.config.real_venue import BinanceVenue
from hftd.config.schema import Profile, SimexVenue
from hftd.errors import CredentialsError

# The simulated exchange's own account, printed in its help: a key pair, but no secret.
PAPER_API_KEY: Final = "hftd-paper-key"
PAPER_API_SECRET: Final = "hftd-paper-secret"  # noqa: S105 - documented, opens play money alone

MAX_BYTES: Final = 16 * 1024
_MASK: Final = "Secret(***)"


class Secret:
    """A text that masks itself wherever text is made of it; ``reveal`` is the one way in."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself: for the signer, never for a message."""
        return self._value

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash in a trace could be tried against guesses


@dataclass(frozen=True, slots=True)
class Credentials:
    """A venue's key and its secret."""

    api_key: Secret
    api_secret: Secret


def resolve_credentials(
    venue: SimexVenue | BinanceVenue, environ: Mapping[str, str]
) -> Credentials:
    """Fetch the key pair that a venue names, or the paper pair where it names none.

    Raises: CredentialsError, as ``resolve`` does.
    """
    if venue.api_key is None or venue.api_secret is None:
        return Credentials(Secret(PAPER_API_KEY), Secret(PAPER_API_SECRET))
    return resolve_pair(venue.api_key, venue.api_secret, environ)


def resolve_pair(api_key: str, api_secret: str, environ: Mapping[str, str]) -> Credentials:
    """Fetch a key and its secret by their references.

    A venue hands both out in ASCII; another character came by copying (a typographic quote), and
    a key stands in a header, which has no place for it.

    Raises: CredentialsError, as ``resolve`` does.
    """
    found = [resolve(reference, environ) for reference in (api_key, api_secret)]
    for secret, reference in zip(found, (api_key, api_secret), strict=True):
        if not secret.reveal().isascii():
            raise CredentialsError(f"{reference}: must be ASCII text, has another character")
    return Credentials(*found)


def secret_variables(profile: Profile) -> set[str]:
    """Return the environment variables that a profile's secrets come from (``env:NAME``)."""
    venue, alerts = profile.venue, profile.alerts
    roads = (alerts.critical, alerts.warning, alerts.info)
    references = [venue.api_key, venue.api_secret, profile.storage.password, profile.heartbeat_url]
    references += [road.webhook for road in roads if road is not None]
    return {name[4:] for name in references if name is not None and name.startswith("env:")}


def resolve(reference: str, environ: Mapping[str, str]) -> Secret:
    """Fetch what ``reference`` names; its form was checked by the schema.

    Raises: CredentialsError when it is absent, empty, too long, not one line of printable text
    (but for a PEM key, which has several), or readable by others.
    """
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        if name not in environ:
            raise CredentialsError(f"{reference}: the environment has no {name}")
        return _checked(environ[name], reference)
    if scheme == "file":
        return _checked(_read(Path(name), reference, private=True), reference)
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise CredentialsError(f"{reference}: no $CREDENTIALS_DIRECTORY; systemd sets it")
    # systemd owns the mode there; the folder itself is closed to everybody else.
    return _checked(_read(Path(folder) / name, reference, private=False), reference)


def _read(path: Path, reference: str, *, private: bool) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise CredentialsError(f"{reference}: cannot be read: {reason}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CredentialsError(f"{reference}: must be a regular file")
        if private and status.st_uid not in (0, os.geteuid()):
            raise CredentialsError(
                f"{reference}: must be owned by root or by uid {os.geteuid()},"
                f" was uid {status.st_uid}"
            )
        if private and status.st_mode & 0o177:
            raise CredentialsError(
                f"{reference}: must have mode 0400 or 0600,"
                f" was {stat.S_IMODE(status.st_mode):04o} (chmod 600 mends it)"
            )
        content = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise CredentialsError(f"{reference}: must be at most {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise CredentialsError(f"{reference}: must be UTF-8 text") from None


def _checked(value: str, reference: str) -> Secret:
    # Editors end a file with a newline; no key begins or ends with white space.
    value = value.strip()
    if not value:
        raise CredentialsError(f"{reference}: is empty")
    # A line end within it would end a header, and the client that refuses that shows it.
    lines = value.splitlines() if value.startswith("-----BEGIN") else [value]
    if not all(line.isprintable() for line in lines):
        raise CredentialsError(
            f"{reference}: must be one line of printable characters, has a line end or another "
            "control character within it"
        )
    return Secret(value)
