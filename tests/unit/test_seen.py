"""What an agent is known to have done is asked once; what it is not known to have done is asked each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from gate.store.bound import Bound
from gate.store.history import Seen


class Answers:
    """A transaction's look-ups, answered in turn."""

    def __init__(self, *answers: bool, alone: bool) -> None:
        self._answers = list(answers)
        self.alone = alone

    async def ask(self, *_: object, **__: object) -> Sequence[Any]:
        return [1] if self._answers.pop(0) else []

    @property
    def left(self) -> int:
        return len(self._answers)


@pytest.mark.parametrize(("alone", "left"), [(False, 1), (True, 0)])
async def test_only_what_is_committed_is_remembered(alone: bool, left: int):
    """A transaction of its own may read what it then rolls back, so it is asked again after it."""
    seen, bound = Seen(), Answers(False, True, True, alone=alone)
    told = [await seen.before(cast(Bound, bound), "agt_1", "pay") for _ in range(3)]
    assert told == [False, True, True]
    assert bound.left == left


async def test_another_topic_is_another_question_and_the_oldest_is_forgotten():
    seen, bound = Seen(most=1), Answers(True, True, True, alone=False)
    for topic in ("pay", "read", "pay"):
        assert await seen.before(cast(Bound, bound), "agt_1", topic)
    assert bound.left == 0
