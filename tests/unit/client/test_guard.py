"""A guarded function's arguments are its payload, and it runs with what was approved or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.client.errors import ActionFailed, ConstraintsUnhandled, PayloadUnfit
from gate.client.grants import Grant, seal
from gate.client.guard import Guarded
from gate.client.permits import Permit
from gate.client.released import Released
from tests.unit.client.documents import document


def refund(order: str, amount: float, note: str = "none") -> None: ...


def anything(topic: str, **more: Any) -> None: ...


def with_session(session: object, order: str, permit: Permit) -> None: ...


def guarded(function: Callable[..., Any] = refund, **options: Any) -> Guarded:
    return Guarded(function, **{"summary": "Refund {amount} to {order}", **options})


def released(payload: dict[str, Any], constraints: dict[str, Any] | None = None) -> Released:
    return Released(document=document(payload=payload, constraints=constraints), _token="t")


def permit(payload: dict[str, Any], constraints: dict[str, Any] | None = None) -> Permit:
    sealed = seal(payload)
    grant = Grant(
        id="grt_1",
        action="act_1",
        version=1,
        payload_sha256=sealed.sha256,
        policy_digest="sha256:0",
        rule="r",
        constraints={},
        issued_at=0,
        expires_at=1,
    )
    return Permit(grant, sealed, constraints or {})


def test_arguments_and_defaults_become_the_payload_however_they_are_given():
    made = guarded()
    expected = {"order": "881", "amount": 14.5, "note": "none"}
    for args, kwargs in (
        (("881", 14.5), {}),
        (("881",), {"amount": 14.5}),
        ((), {"amount": 14.5, "order": "881"}),
    ):
        asking = made.asking(args, kwargs)
        assert asking.payload == expected
        assert asking.summary == "Refund 14.5 to 881"


def test_more_keyword_arguments_are_part_of_the_payload():
    made = guarded(anything, summary="About {topic}")
    asking = made.asking(("x",), {"b": 1, "a": [2]})
    assert asking.payload == {"topic": "x", "a": [2], "b": 1}
    assert made.arguments(asking, permit({"topic": "y", "c": None})) == {"topic": "y", "c": None}


def test_what_is_kept_is_not_proposed_and_comes_back_as_it_was():
    session = object()
    made = guarded(with_session, summary="Order {order}", keep=["session"], permit="permit")
    asking = made.asking((session, "881"), {})
    assert asking.payload == {"order": "881"}
    given_ = permit({"order": "882"}, {"max_runtime_sec": 60})
    ready = made.arguments(asking, given_)
    assert ready == {"session": session, "order": "882", "permit": given_}
    assert ready["session"] is session


def test_it_runs_with_the_approved_payload_and_never_with_its_own():
    """INV-21."""
    made = guarded()
    asking = made.asking(("881", 1400), {})
    assert made.arguments(asking, permit({"order": "881", "amount": 900, "note": "less"}))["amount"] == 900


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({"order": "881", "amount": 9}, "note"),
        ({"order": "881", "amount": 9, "note": "", "force": True}, "force"),
        ({}, "amount"),
    ],
    ids=["a default would stand in for what was taken out", "unknown to the function", "nothing left"],
)
def test_an_approved_payload_that_does_not_fit_runs_nothing(payload: dict[str, Any], says: str):
    with pytest.raises(PayloadUnfit, match=says):
        guarded().check(released(payload))


def test_an_edit_cannot_reach_what_was_kept():
    made = guarded(with_session, summary="s", keep=["session"], permit="permit")
    for name in ("session", "permit"):
        with pytest.raises(PayloadUnfit, match=name):
            made.check(released({"order": "881", name: "mine"}))


def test_constraints_that_nobody_would_read_run_nothing():
    fine = {"order": "881", "amount": 9, "note": ""}
    with pytest.raises(ConstraintsUnhandled, match="max_runtime_sec"):
        guarded().check(released(fine, {"max_runtime_sec": 60}))
    guarded().check(released(fine))
    taking = guarded(with_session, summary="s", keep=["session"], permit="permit")
    taking.check(released({"order": "881"}, {"max_runtime_sec": 60}))


@pytest.mark.parametrize(
    "function",
    [lambda *orders: None, lambda order, /: None],
    ids=["any number of arguments", "without a name"],
)
def test_a_function_whose_arguments_have_no_names_cannot_be_guarded(function: Callable[..., Any]):
    with pytest.raises(TypeError, match="no name"):
        guarded(function)


def test_a_name_in_the_guard_that_the_function_does_not_have_is_a_mistake():
    with pytest.raises(TypeError, match="sesion"):
        guarded(with_session, keep=["sesion"])


def test_arguments_that_are_no_json_are_refused_by_name_and_not_by_value():
    with pytest.raises(TypeError, match="arguments are no payload") as caught:
        guarded().asking(("881",), {"amount": 1, "note": object()})
    assert "0x" not in str(caught.value)


def test_the_summary_is_cut_and_cleaned():
    asking = guarded(summary="{order}\x00\n{note}").asking(("881", 1, "x" * 500), {})
    assert len(asking.summary) == 300
    assert asking.summary.startswith("881 xxx")
    assert asking.summary.endswith("…")
    assert guarded(summary=lambda payload: f"{payload['amount']}!").asking(("881", 1), {}).summary == "1!"


def test_claims_can_depend_on_the_payload():
    made = guarded(claims=lambda payload: {"amount_usd": payload["amount"]})
    assert made.asking(("881", 14), {}).claims == {"amount_usd": 14}
    assert guarded(claims={"tool": "stripe.refund"}).asking(("881", 14), {}).claims == {
        "tool": "stripe.refund"
    }


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "succeeded"),
        (ActionFailed("card closed"), "failed"),
        (ZeroDivisionError("key=sekret"), "unknown"),
        (KeyboardInterrupt(), "unknown"),
        (SystemExit(0), "unknown"),
        (GeneratorExit(), "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_way_it_ends_is_the_outcome(error: BaseException | None, result: str):
    """INV-22: whatever breaks it off leaves `unknown`, and its text does not leave."""
    ended = permit({}).ended(error)
    assert ended.result == result
    assert "sekret" not in (ended.detail or "")


def test_a_permit_can_say_more():
    noted = permit({})
    noted.note("re_3Nf")
    assert (noted.ended(None).result, noted.ended(None).detail) == ("succeeded", "re_3Nf")
    noted.fail("card closed")
    assert (noted.ended(None).result, noted.ended(None).detail) == ("failed", "card closed")


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcé😀", max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
_PAYLOADS = st.dictionaries(st.sampled_from(["a", "b", "c", "ü"]), _JSON, max_size=4)


@given(_PAYLOADS, st.data())
def test_what_is_executed_has_exactly_the_digest_that_was_redeemed(
    payload: dict[str, Any], data: st.DataObject
):
    """INV-21: whatever happens to the original, or to a copy handed out before, after it was sealed."""
    seen: dict[str, Any] = {}
    made = Guarded(lambda **arguments: seen.update(arguments), summary="s")
    asking = made.asking((), data.draw(_PAYLOADS))
    given_ = permit(payload)
    for reached in (payload, given_.payload):
        reached.clear()
        reached["a"] = "something else"
    ready = made.arguments(asking, given_)
    seen.update(ready)
    assert seal(seen).sha256 == given_.payload_sha256 == given_.grant.payload_sha256
