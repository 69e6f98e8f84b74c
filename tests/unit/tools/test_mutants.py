"""The mutants that `make soak` tries still change the code, once each; a drifted one would prove nothing."""

from __future__ import annotations

import pytest

from tests.soak.test_mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.breaks)
def test_a_mutant_still_finds_what_it_breaks(mutant: Mutant):
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    for path in mutant.tests.split():
        assert (ROOT / path).exists(), f"{path} is no more"


def test_every_mutant_has_a_name_of_its_own():
    assert len({mutant.breaks for mutant in MUTANTS}) == len(MUTANTS)
