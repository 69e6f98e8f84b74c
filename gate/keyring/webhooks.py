"""The secrets that callbacks are signed with, in the form Standard Webhooks gives it."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from gate.keyring.folder import KeyringError, open_folder, read_or_create, read_secret

FILES = "webhook*.secret"
FIRST = "webhook.secret"
_PREFIX = "whsec_"


def load_webhook_secrets(folder: Path) -> tuple[str, ...]:
    """`whsec_` and 256 random bits in base64 each, the newest last; the first start makes one.

    Deliveries are signed with every one of them, so receivers may verify with whichever they know. Raises KeyringError
    where a file is open to others or holds something else.
    """
    open_folder(folder)
    if not any(folder.glob(FILES)):
        read_or_create(folder / FIRST, new_secret)
    return tuple(_checked(path) for path in sorted(folder.glob(FILES), key=_age))


def new_secret() -> bytes:
    """The file of a new secret."""
    return (_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()).encode()


def _age(path: Path) -> tuple[bool, str]:
    return path.name != FIRST, path.name


def _checked(path: Path) -> str:
    secret = read_secret(path).decode("utf-8", "replace").strip()
    try:
        strong = len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True)) >= 24
    except ValueError:
        strong = False
    if not secret.startswith(_PREFIX) or not strong:
        raise KeyringError(
            f"The file {path} holds no webhook secret (whsec_ and at least 24 bytes in base64)."
        )
    return secret
