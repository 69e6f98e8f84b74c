"""What a card says of groups: how old a list from elsewhere is, and whose place is still to be filled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from bot.blocks.asking import needed
from bot.blocks.progress import needs
from gate.domain.people import Group
from gate.domain.request import ActionRecord, Status
from gate.domain.transitions import Change
from gate.domain.voting import approve
from gate.usecases.ports import LikeIt
from gate.usecases.viewing import action_view
from gate.usecases.views import ActionView
from tests.fakes.records import NOW, directory, pending, plan, verdict


def seen(record: ActionRecord, read_at: datetime | None) -> ActionView:
    group = Group(name="finance", members=("ana",), usergroup="S0FIN", read_at=read_at)
    base = directory()
    people = replace(base, groups={**base.groups, "finance": group}, as_of=NOW)
    return action_view(record, directory=people, slack_ids={}, like_it=LikeIt(), redeemed=None, now=NOW)


@pytest.mark.parametrize(
    ("read_at", "says"),
    [
        (NOW, "1 person of finance (members as of 2 Nov 09:00 UTC)"),
        (None, "1 person of finance (members not read yet)"),
    ],
)
def test_a_group_kept_by_slack_is_named_with_its_age(read_at: datetime | None, says: str) -> None:
    assert needed(seen(pending(), read_at)) == says


def test_slots_carry_it_as_well_and_other_groups_do_not() -> None:
    slotted = pending(verdict_=verdict(plan_=plan(groups=(), distinct_groups=("finance", "security"))))
    told = needed(seen(slotted, None))
    assert told.endswith("one each of finance (members not read yet), security")


def test_a_decided_request_no_longer_says_it() -> None:
    assert seen(replace(pending(), status=Status.EXPIRED), NOW).lists_read == {}


def test_a_card_says_where_one_more_of_a_filled_place_would_do():
    """INV-08: Bo is in both groups and fills one place; whoever comes next may be of either."""
    people = directory()
    record = pending(verdict_=verdict(plan_=plan(groups=(), distinct_groups=("finance", "security"))))
    voted = approve(record, person="bo", version=1, comment=None, directory=people, now=NOW)
    assert isinstance(voted, Change)
    view = action_view(voted.record, directory=people, slack_ids={}, like_it=LikeIt(), redeemed=None, now=NOW)
    assert [(s.group, s.filled_by is not None, s.movable) for s in view.slots] == [
        ("finance", True, True),
        ("security", False, False),
    ]
    said = "".join(element["text"] for line in needs(view) for element in line if "text" in element)
    assert "finance: ✓ Bo · security: open · somebody of finance would do as well" in said
