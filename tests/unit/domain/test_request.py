"""A record never changes; what follows it is another one."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from gate.domain.request import Status
from tests.contract.records import action


def test_a_changed_record_is_another_one_with_everything_else_as_it_was() -> None:
    before = action(status=Status.ALLOWED, tool="stripe.refund")
    after = before.changed(revision=7, grants_revoked=True)
    assert after == replace(before, revision=7, grants_revoked=True)
    assert (before.revision, before.grants_revoked) == (1, False)
    assert after.versions is before.versions
    with pytest.raises(FrozenInstanceError):
        after.revision = 8  # type: ignore[misc]


def test_what_is_no_field_of_a_record_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="an action has no grant_revoked"):
        action().changed(grant_revoked=True)
