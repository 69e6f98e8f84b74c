"""The modals: which can be submitted, with what, and that the whole payload is in front of whoever approves it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot import ids
from bot.blocks.history import MOST_LINES, history_modal
from bot.blocks.modals import (
    confirm_modal,
    decided_modal,
    details_modal,
    edit_modal,
    reassign_modal,
    reject_modal,
)
from bot.blocks.payload import written
from gate.domain.request import REJECT_CATEGORIES, Result, Status
from gate.usecases.views import ActionView, Chapter, ChapterLine, ExecutionView, PersonRef
from tests.fakes.views import ANA, APPROVED, BO, CHO, EDITED, LONG, NOW, REFUND, SAMPLES
from tests.unit.blocks.hostile import LARGE
from tests.unit.blocks.limits import objects, view_faults
from tests.unit.blocks.surfaces import state_of

Json = dict[str, Any]


def _pages(view: ActionView) -> list[Json]:
    """Every page of the confirm modal, reached by pressing Next as a person does."""
    state = state_of(view)
    found = [confirm_modal(view, state)]
    while True:
        onward = [o for o in objects(found[-1]) if o.get("action_id") == ids.PAGE_NEXT]
        if not onward:
            return found
        page = ids.parse_page(onward[0]["value"])
        assert page == len(found)
        found.append(confirm_modal(view, state, page))


def _boxes(pages: list[Json]) -> list[str]:
    return [
        element["text"]
        for page in pages
        for box in objects(page)
        if box.get("type") == "rich_text_preformatted"
        for element in box["elements"]
    ]


@pytest.mark.parametrize("view", [pytest.param(view, id=name) for name, view in {**SAMPLES, **LARGE}.items()])
def test_threat_3_the_pages_of_the_review_hold_every_character_of_the_payload(view: ActionView) -> None:
    pages = _pages(view)
    assert "\n".join(_boxes(pages)).replace("\n↪ ", "") == "\n".join(written(view.payload))
    for page in pages:
        assert view_faults(page) == []


@pytest.mark.parametrize("view", [pytest.param(view, id=name) for name, view in LARGE.items()])
def test_threat_3_only_the_last_page_of_the_review_can_be_submitted(view: ActionView) -> None:
    *earlier, last = _pages(view)
    assert all("submit" not in page for page in earlier)
    assert not any(block["type"] == "input" for page in earlier for block in page["blocks"])
    assert last["submit"]["text"] == "Approve"
    assert last["callback_id"] == ids.MODAL_CONFIRM


def ran(result: Result | None) -> ExecutionView:
    return ExecutionView(redeemed_at=NOW, result=result, detail=None, at=NOW)


def test_a_page_remembers_where_it_is() -> None:
    view = LARGE["256 KiB of lines"]
    pages = _pages(view)
    assert len(pages) > 2
    states = [ids.ModalState.decode(page["private_metadata"]) for page in pages]
    assert [state.page for state in states if state] == list(range(len(pages)))
    back = [o for o in objects(pages[2]) if o.get("action_id") == ids.PAGE_PREVIOUS]
    assert ids.parse_page(back[0]["value"]) == 1


@pytest.mark.parametrize("page", [-5, 9_999], ids=["before the first", "past the last"])
def test_a_page_that_is_not_there_shows_the_nearest(page: int) -> None:
    assert confirm_modal(LONG, state_of(LONG), page) in _pages(LONG)
    assert details_modal(LONG, state_of(LONG), page)["blocks"]


def test_details_can_only_be_read() -> None:
    shown = details_modal(REFUND, state_of(REFUND))
    assert "submit" not in shown
    assert not any(block["type"] == "input" for block in shown["blocks"])


def test_reject_takes_a_click_and_a_sentence_and_another_click() -> None:
    shown = reject_modal(REFUND, state_of(REFUND))
    inputs = {block["block_id"]: block for block in shown["blocks"] if block["type"] == "input"}
    assert set(inputs) == {"category", "comment"}
    offered = [option["value"] for option in inputs["category"]["element"]["options"]]
    assert offered == list(REJECT_CATEGORIES)
    assert inputs["category"]["element"]["initial_option"]["value"] == "other"
    assert inputs["comment"]["element"]["focus_on_load"] is True


def test_a_form_says_what_it_is_about_and_where_its_card_is() -> None:
    for shown in (edit_modal(REFUND, state_of(REFUND)), reject_modal(REFUND, state_of(REFUND))):
        assert ids.ModalState.decode(shown["private_metadata"]) == state_of(REFUND)
        assert "Refund $1,400.00 to order 881" in str(shown["blocks"][0])


def test_reassign_offers_each_person_once_under_their_group() -> None:
    shown = reassign_modal(
        REFUND, state_of(REFUND), [ANA, BO, CHO], {"finance": [BO, ANA], "all": [ANA, CHO]}
    )
    (select,) = (o for o in objects(shown) if o.get("type") == "multi_static_select")
    offered = {g["label"]["text"]: [o["value"] for o in g["options"]] for g in select["option_groups"]}
    assert offered == {"finance": ["bo", "ana"], "all": ["cho"]}


def test_reassign_takes_hundreds_of_people_and_none() -> None:
    many = [PersonRef(id=f"p{n}", name=f"Person {n}") for n in range(250)]
    shown = reassign_modal(REFUND, state_of(REFUND), many)
    assert view_faults(shown) == []
    assert len([o for o in objects(shown) if str(o.get("value", "")).startswith("p")]) == 250
    everybody = [PersonRef(id=f"p{n}", name=f"Пётр Иванович {n}") for n in range(2_000)]
    shown = reassign_modal(REFUND, state_of(REFUND), everybody)
    assert view_faults(shown) == []
    assert "The first 800 of 2,000 people are offered." in str(shown)
    assert "submit" not in reassign_modal(REFUND, state_of(REFUND), [])


@pytest.mark.parametrize(
    ("view", "title", "said"),
    [(APPROVED, "Already decided", "Approved by Ana Ruiz"), (EDITED, "Changed meanwhile", "version 2 now")],
    ids=["decided", "edited"],
)
def test_a_form_that_came_too_late_says_what_happened(view: ActionView, title: str, said: str) -> None:
    shown = decided_modal(view)
    assert shown["title"]["text"] == title
    assert said in str(shown["blocks"])
    assert "submit" not in shown


def test_a_payload_without_an_editable_place_has_nothing_to_submit() -> None:
    shown = edit_modal(replace(REFUND, editable_paths=()), state_of(REFUND))
    assert "submit" not in shown


def test_an_edit_form_shows_what_it_does_not_let_one_change() -> None:
    view = replace(
        REFUND,
        payload={"amount": 7, "order": {"id": "881", "lines": [1, 2]}, "note": "a"},
        editable_paths=("/amount", "/order/lines"),
    )
    shown = str(edit_modal(view, ids.ModalState(action_id=view.action_id, version=1))["blocks"])
    assert "Stays as it is" in shown
    box = next(part for part in shown.split("rich_text_preformatted")[1:])
    assert "order.id" in box
    assert '"881"' in box
    assert "note" in box
    assert "order.lines" not in box.split("'input'")[0]
    whole = replace(view, editable_paths=None)
    assert "Stays as it is" not in str(edit_modal(whole, ids.ModalState(action_id="a", version=1)))


def test_a_long_rest_of_a_payload_is_counted_in_an_edit_form() -> None:
    view = replace(
        REFUND, payload={"amount": 7} | {f"k{n}": n for n in range(40)}, editable_paths=("/amount",)
    )
    shown = str(edit_modal(view, ids.ModalState(action_id=view.action_id, version=1))["blocks"])
    assert "Stays as it is" in shown
    assert ", and 25 more, see the details:" in shown


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({}, "Would run", id="waiting"),
        pytest.param({"status": Status.REJECTED}, "Would have run", id="rejected"),
        pytest.param({"status": Status.APPROVED}, "Cleared to run", id="approved"),
        pytest.param(
            {"status": Status.APPROVED, "execution": ran(None)}, "Handed to the executor:", id="redeemed"
        ),
        pytest.param({"status": Status.APPROVED, "execution": ran(Result.SUCCEEDED)}, "Ran", id="ran"),
        pytest.param(
            {"status": Status.APPROVED, "execution": ran(Result.FAILED)}, "Tried to run", id="failed"
        ),
        pytest.param(
            {"status": Status.ALLOWED, "execution": ran(Result.UNKNOWN)}, "May have run", id="unknown"
        ),
    ],
)
def test_the_details_say_what_ran_and_what_only_would_have(changes: dict[str, Any], says: str) -> None:
    view = replace(REFUND, **changes)
    shown = str(details_modal(view, ids.ModalState(action_id=view.action_id, version=1))["blocks"])
    assert f"'{says} '" in shown


def test_a_chapter_that_is_too_long_says_how_much_more_there_is():
    lines = tuple(ChapterLine(label=f"Step {n}", text="asked ana") for n in range(MOST_LINES + 7))
    state = ids.ModalState(action_id="act_1", version=1)
    modal = history_modal((Chapter(title="Who was asked", lines=lines),), state)
    said = json.dumps(modal, ensure_ascii=False)
    assert "… and 7 more lines on the record" in said
    assert f"Step {MOST_LINES}:" not in said
