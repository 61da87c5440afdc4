"""What is left of a long curve: its first points, its last one, its extremes, and few enough of the rest."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logitlab.log.thinning import WHOLE, Note, Thinning


def thinned(values, tags=("loss",)):
    thinning = Thinning()
    kept = []
    for step, value in enumerate(values):
        kept += thinning.add(Note(0.0, step, dict.fromkeys(tags, value)))
    return kept + thinning.rest()


def test_up_to_the_stated_number_every_point_is_kept():
    assert [note.step for note in thinned(np.zeros(WHOLE))] == list(range(WHOLE))


@pytest.mark.parametrize(("steps", "most"), [(10_000, 4_400), (200_000, 9_000)])
def test_a_smooth_curve_keeps_the_stated_number_of_points(steps, most):
    kept = thinned(np.exp(-np.arange(steps) / steps))
    assert WHOLE < len(kept) < most
    assert (kept[0].step, kept[-1].step) == (0, steps - 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(WHOLE + 1, 20_000))
def test_a_wild_curve_keeps_its_extremes_its_last_point_and_its_order(seed, steps):
    values = np.random.default_rng(seed).standard_normal(steps)
    kept = thinned(values)
    shown = {note.step: note.values["loss"] for note in kept}
    assert max(shown.values()) == values.max() and min(shown.values()) == values.min()
    assert kept[-1].step == steps - 1
    assert [note.step for note in kept] == sorted(shown)
    assert len(kept) <= WHOLE + 1_500 * math.ceil(math.log2(steps / WHOLE)) + 1


def test_values_of_one_step_become_one_point():
    thinning = Thinning()
    for step in range(WHOLE, WHOLE + 4):
        thinning.add(Note(0.0, step, {"loss": 1.0}))
        thinning.add(Note(0.0, step, {"bias": 2.0}))
    kept = thinning.rest()
    assert kept[-1] == Note(0.0, WHOLE + 3, {"loss": 1.0, "bias": 2.0})
    assert len({note.step for note in kept}) == len(kept)


def test_a_curve_that_is_no_number_is_no_reason_to_stop():
    assert thinned([math.nan] * (WHOLE + 100))[-1].step == WHOLE + 99
