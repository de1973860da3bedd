"""Secrets: the roads to them, the checks on each, and that none shows itself."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest

from hftd.config.load import load_profile
from hftd.config.schema import SimexVenue
from hftd.config.secrets import (
    MAX_BYTES,
    PAPER_API_KEY,
    Secret,
    resolve,
    resolve_credentials,
    resolve_pair,
    secret_variables,
)
from hftd.errors import CredentialsError

CANARY = "s3cr3t-c4n4ry"


def test_a_secret_masks_itself_wherever_text_is_made() -> None:
    """repr, str, format, % and f-strings show the mask alone."""
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>30}",
        f"{[secret]}",
    ]
    assert all(CANARY not in text for text in shown)
    assert secret.reveal() == CANARY


def test_a_secret_is_neither_pickled_nor_hashed_nor_put_into_json() -> None:
    """The quiet ways out of the process are closed."""
    secret = Secret(CANARY)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert secret == Secret(CANARY)
    assert secret != Secret("another")


def test_each_reference_is_fetched(tmp_path: Path) -> None:
    """env, file and credential lead to the same secret, a closing newline left out."""
    path = tmp_path / "key"
    path.write_text(f"{CANARY}\n")
    path.chmod(0o400)
    environ = {"KEY": CANARY, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    for reference in ("env:KEY", f"file:{path}", "credential:key"):
        assert resolve(reference, environ).reveal() == CANARY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o660])
def test_a_secret_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Only 0400 and 0600 will do, and the message says so."""
    path = tmp_path / "key"
    path.write_text(CANARY)
    path.chmod(mode)
    with pytest.raises(CredentialsError, match="must have mode 0400 or 0600") as caught:
        resolve(f"file:{path}", {})
    assert caught.value.exit_code == 77
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:NONE", "the environment has no NONE"),
        ("env:EMPTY", "is empty"),
        ("file:/nowhere/key", "no such file"),
        ("file:/", "must be a regular file"),
        ("credential:key", "systemd sets it"),
    ],
)
def test_a_secret_that_is_not_there_is_named_by_its_reference(reference: str, says: str) -> None:
    """What is missing, empty or no file is told with exit code 77."""
    with pytest.raises(CredentialsError, match=says) as caught:
        resolve(reference, {"EMPTY": " \n"})
    assert str(caught.value).startswith(reference)


def test_the_simulated_exchange_has_a_pair_of_its_own() -> None:
    """A venue that names no key trades with the documented paper pair."""
    assert resolve_credentials(SimexVenue(kind="simex"), {}).api_key.reveal() == PAPER_API_KEY
    venue = SimexVenue(kind="simex", api_key="env:K", api_secret="env:S")
    assert resolve_credentials(venue, {"K": "k", "S": CANARY}).api_secret.reveal() == CANARY


@pytest.mark.parametrize("content", [b"x" * (MAX_BYTES + 1), b"\xff\xfe"])
def test_a_secret_file_that_can_be_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file too long or no text was named by mistake, and is not repeated."""
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(CredentialsError, match=r"at most 16384 bytes|UTF-8 text"):
        resolve(f"file:{path}", {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_secret_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """A key belongs to root or to who runs the daemon."""
    path = tmp_path / "key"
    path.write_text(CANARY)
    path.chmod(0o600)
    os.chown(path, 12345, -1)
    with pytest.raises(CredentialsError, match="was uid 12345"):
        resolve(f"file:{path}", {})


def test_every_variable_that_a_profile_names_is_known() -> None:
    """Keys, password, webhooks and heartbeat by `env:`; files and other text are no variables."""
    sets = [
        "venue.api_key=env:A",
        "venue.api_secret=env:B",
        "storage.password=env:C",
        "heartbeat_url=env:D",
        "alerts.critical.webhook=env:E",
        "alerts.warning.webhook=file:/F",
        "alerts.info.webhook=env:G",
        "description=env:PATH",
    ]
    profile = load_profile("binance-testnet", sets=sets, environ={}).profile
    assert secret_variables(profile) == set("ABCDEG")


@pytest.mark.parametrize("broken", ["KEY\nC4N4RY", "KEY\rC4N4RY", "\ufeffC4N4RY", "C4N4RY\udce9"])
def test_a_secret_with_a_control_character_is_refused_unseen(broken: str) -> None:
    """It would end a header, or was copied with what stood around it; exit 77, and not shown."""
    with pytest.raises(CredentialsError, match="env:K: must be one line of printable") as caught:
        resolve("env:K", {"K": broken})
    assert caught.value.exit_code == 77
    assert "C4N4RY" not in str(caught.value)


def test_a_key_has_ascii_alone_and_a_pem_key_its_lines() -> None:
    """A typographic quote is refused in key and secret, a password may have it."""
    pem = "-----BEGIN PRIVATE KEY-----\r\nMC4CAQ\n-----END PRIVATE KEY-----\n"
    environ = {"K": "key", "Q": "C4N4RY\u2019", "P": pem}
    assert resolve("env:Q", environ).reveal() == environ["Q"]
    assert resolve_pair("env:K", "env:P", environ).api_secret.reveal() == pem.strip()
    for pair in (("env:Q", "env:K"), ("env:K", "env:Q")):
        with pytest.raises(CredentialsError, match="env:Q: must be ASCII text") as caught:
            resolve_pair(*pair, environ)
        assert "C4N4RY" not in str(caught.value)
