"""Keeps the records: `ports.Store` on SQLite or PostgreSQL through SQLAlchemy Core."""

from gate.store.errors import DatabaseRefused, SchemaMismatch, StoreError, UnreadableRow
from gate.store.store import SqlStore, open_store

__all__ = ["DatabaseRefused", "SchemaMismatch", "SqlStore", "StoreError", "UnreadableRow", "open_store"]
