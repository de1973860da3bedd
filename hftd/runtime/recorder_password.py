"""How the ledger's password reaches the recorder; a module of its own, since who starts a
recorder must not import SQL with it.
"""

from __future__ import annotations

PASSWORD_VARIABLE = "HFTD_STORAGE_PASSWORD"  # noqa: S105 the variable's name, not a password
