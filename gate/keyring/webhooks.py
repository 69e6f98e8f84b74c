"""The secret that callbacks are signed with, in the form Standard Webhooks gives it."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from gate.keyring.folder import KeyringError, open_folder, read_or_create

FILE = "webhook.secret"
_PREFIX = "whsec_"


def load_webhook_secret(folder: Path) -> str:
    """`whsec_` and 256 random bits in base64, made on the first start; receivers verify with the same text.

    Raises KeyringError where the file is open to others or holds something else.
    """
    secret = read_or_create(open_folder(folder) / FILE, _new_secret).decode("utf-8", "replace").strip()
    try:
        strong = len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True)) >= 24
    except ValueError:
        strong = False
    if not secret.startswith(_PREFIX) or not strong:
        raise KeyringError(
            f"The file {folder / FILE} holds no webhook secret (whsec_ and at least 24 bytes in base64)."
        )
    return secret


def _new_secret() -> bytes:
    return (_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()).encode()
