"""What all tables share: where they are gathered, how their constraints are named, how a row names its action."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, MetaData

from gate.store.columns import KEY

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def of_action() -> Column[str]:
    """The column by which a row of an action names it, as a part of its key."""
    return Column("action_id", KEY, ForeignKey("actions.id"), primary_key=True)
