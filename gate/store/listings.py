"""Keeps lists of people as other systems gave them last, so that a restart without those systems still knows."""

from __future__ import annotations

from sqlalchemy import select

from gate.store.bound import Bound
from gate.store.codec import Document
from gate.store.tables import listings
from gate.usecases.ports import Listed, Listing

LISTED: Document[Listed] = Document(Listed)


class SqlListings:
    """Implements `ports.Listings`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def put(self, listing: Listing) -> None:
        """Store it, over the one known before."""
        await self._bound.put_over(
            listings,
            {
                "source": listing.source,
                "read_at": listing.read_at,
                "listed": LISTED.dumps(listing.listed),
            },
        )

    async def all(self) -> tuple[Listing, ...]:
        """In the order of their names."""
        rows = await self._bound.rows(select(listings).order_by(listings.c.source))
        return tuple(
            Listing(
                source=row.source,
                read_at=row.read_at,
                listed=LISTED.loads(row.listed, f"The list {row.source}"),
            )
            for row in rows
        )
