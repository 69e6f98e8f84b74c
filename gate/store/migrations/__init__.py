"""Alembic's folder: what brought databases from one schema to the next."""
