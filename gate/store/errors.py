"""What the store refuses and what it cannot read, each as a sentence for whoever runs the gate."""

from __future__ import annotations


class StoreError(Exception):
    """Base of the store's errors; the message is a whole sentence."""


class DatabaseRefused(StoreError):
    """The database may not be used as it stands: its address, permissions, lock or schema; nothing was changed."""


class SchemaMismatch(DatabaseRefused):
    """The database's schema is not the one this code was written for."""


class UnreadableRow(StoreError):
    """A stored row cannot be decoded; the message names its table and id, never its contents."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} cannot be read: {why}.")
        self.where = where
