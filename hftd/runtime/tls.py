"""TLS towards a venue, and the words for why a connection to it cannot be made.

Owns which certificates are believed: the system's, or those of ``venue.tls_ca`` alone. A
certificate is always verified, its host name too; there is no switch for that.
"""

from __future__ import annotations

import os
import socket
import ssl

from hftd.errors import ProfileError
from hftd.venues.binance.endpoints import Endpoints


def client_context(served: Endpoints) -> ssl.SSLContext | None:
    """Return what verifies a venue's certificate, None where it is served in plain text.

    Reading the system's certificates takes 20 ms, which a start on loopback need not wait for.
    Raises: ProfileError where ``tls_ca`` is not there or holds no certificate.
    """
    if not served.is_secure:
        return None
    tls_ca = served.tls_ca
    try:
        context = ssl.create_default_context(cafile=tls_ca or None)
    except OSError as error:
        no_pem = isinstance(error, ssl.SSLError)
        why = "no certificate in it" if no_pem else (error.strerror or "unreadable").lower()
        raise ProfileError(
            f"a file of certificates in PEM is needed ({tls_ca})", key="venue.tls_ca", was=why
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connection_fault(error: BaseException) -> str:
    """Return in a few words why a connection failed; never a query, never a secret."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(inner, ssl.SSLCertVerificationError):
        told = inner.verify_message.rstrip(".")
        hint = " (venue.tls_ca names others to trust)" if "local issuer" in told else ""
        hint = hint or (" (venue.tls_ca names it)" if "self-signed" in told else "")
        return f"its certificate is refused: {told[:1].lower()}{told[1:]}{hint}"
    if isinstance(inner, ssl.SSLError):
        return f"no TLS could be agreed on ({(inner.reason or 'unknown').lower()})"
    if isinstance(inner, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(inner, TimeoutError):
        return "no answer in time"
    if isinstance(inner, OSError) and inner.errno:
        return os.strerror(inner.errno).lower()
    return type(error).__name__
