"""Settings as a table of knobs, and how good each is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg import RegularizedMLPClassifier
from skreg.estimators.search.knobs import knob_table, standing
from skreg.estimators.search.tells import history_table
from skreg.estimators.search.trials import Trial

DEFAULTS = RegularizedMLPClassifier().get_params()


def test_settings_that_name_no_value_have_the_estimators():
    table = knob_table([{}, {"dropout": 0.5}, {"l1": 0.1}], DEFAULTS)
    assert table["dropout"].tolist() == [DEFAULTS["dropout"], 0.5, DEFAULTS["dropout"]]
    assert table["l1"].tolist() == [0.0, 0.0, 0.1]


def test_knobs_that_are_the_same_in_all_settings_are_left_out():
    settings = [{"dropout": 0.2, "l1": 0.1}, {"dropout": 0.2}]
    assert list(knob_table(settings, DEFAULTS)) == ["l1"]


@pytest.mark.parametrize(
    "sizes, depth, width", [((64, 32), 2, 64), (16, 1, 16), ((), 0, 0), (np.array([8, 9]), 2, 9)]
)
def test_sizes_are_depth_and_width(sizes, depth, width):
    table = knob_table([{"hidden_layer_sizes": sizes}, {"hidden_layer_sizes": (3,) * 5}], DEFAULTS)
    assert table.loc[0].tolist() == [depth, width]
    assert list(table) == ["depth", "width"]


def test_lists_with_an_entry_a_layer_are_their_largest_entry():
    settings = [{"l1": [0.0, 0.0, 1e-3]}, {"l1": np.array([0.2, 0.1])}, {"l1": 0.0}, {"l1": (1, 2)}]
    assert knob_table(settings, DEFAULTS)["l1"].tolist() == [1e-3, 0.2, 0.0, 2]


def test_norms_are_one_knob_where_both_vary():
    settings = [
        {"batch_norm": True, "layer_norm": False},
        {"batch_norm": False, "layer_norm": True},
        {"batch_norm": False, "layer_norm": False},
    ]
    table = knob_table(settings, DEFAULTS)
    assert list(table) == ["norm"]
    assert table["norm"].tolist() == ["batch_norm", "layer_norm", None]
    assert list(knob_table([{"batch_norm": False}, {}], DEFAULTS)) == ["batch_norm"]


def test_other_values_are_texts():
    table = knob_table([{"class_weight": {0: 1, 1: 2}}, {"activation": "elu"}], DEFAULTS)
    assert table["class_weight"].tolist() == ["{0: 1, 1: 2}", None]
    assert table["activation"].tolist() == ["relu", "elu"]


def made(*losses_and_states):
    """Trials with the losses that they had at the rungs, and at the end those that finished."""
    trials = []
    for number, (losses, state) in enumerate(losses_and_states):
        trial = Trial(number, {}, losses=list(losses), state=state)
        trial.epochs, trial.times = (
            [[5, 20, 100][i] for i in range(len(losses))],
            [1.0] * len(losses),
        )
        trial.rung = min(len(losses), 2)
        trials.append(trial)
    return trials


def standing_of(trials):
    results = {name: [getattr(t, name) for t in trials] for name in ("rung", "state")}
    return standing(results, history_table(trials))


def test_places_of_a_rung_are_shared_out_by_what_came_after():
    trials = made(
        ((0.5, 0.4, 0.3), "finished"),  # third at the first rung, best in the end
        ((0.3,), "lost"),  # given up though it was first: it keeps its place
        ((0.4, 0.5, 0.35), "finished"),  # second
        ((0.9,), "lost"),
        ((0.6, 0.6), "lost"),  # given up at the second rung
    )
    # First rung: 1, 2, 0, 4, 3 (setting 1 before 2 before 0 before 4 before 3). Those that went on hold the
    # places 1, 2 and 3; in the end they get them in the order 0, 2, 4.
    expected = 1 - np.array([1, 0, 2, 4, 3]) / 4
    np.testing.assert_allclose(standing_of(trials), expected)


def test_standing_is_the_rank_where_all_were_trained_to_the_end():
    losses = np.random.RandomState(0).rand(9)
    trials = made(*(((loss,), "finished") for loss in losses))
    for trial in trials:
        trial.rung = 0
    order = pd.Series(losses).rank() - 1
    np.testing.assert_allclose(standing_of(trials), 1 - order / 8)


def test_those_that_diverged_are_last_together():
    trials = made(
        ((0.5, 0.4, 0.3), "finished"), ((np.inf,), "lost"), ((np.nan,), "lost"), ((0.6,), "lost")
    )
    np.testing.assert_allclose(standing_of(trials), [1, 1 / 6, 1 / 6, 2 / 3])


def test_failed_and_uncompared_settings_have_no_standing():
    trials = made(((0.5, 0.4, 0.3), "finished"), ((0.6,), "lost"), ((), "failed"), ((0.1,), "lost"))
    trials[3].rung = 0  # time was over before the first rung
    np.testing.assert_allclose(standing_of(trials), [1, 0, np.nan, np.nan])


def test_training_that_ended_before_a_rung_keeps_its_loss():
    early = Trial(1, {}, losses=[0.5, 0.2], epochs=[5, 12], times=[1.0, 2.0], state="finished")
    early.rung = 2
    trials = made(((0.4, 0.3, 0.25), "finished"), ((0.0,), "lost"), ((0.6, 0.55), "lost"))
    trials[1] = early
    trials[2].rung = 2
    np.testing.assert_allclose(standing_of(trials), [0.5, 1, 0])
