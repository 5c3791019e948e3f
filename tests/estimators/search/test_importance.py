"""knob_importance: a knob that decides is found, and where none does, none is claimed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skreg import RegularizedMLPClassifier, RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from skreg.estimators.search.halving import Ladder
from skreg.estimators.search.importance import FEWEST, importance_table
from skreg.estimators.search.knobs import knob_table
from skreg.estimators.search.space import Table, draw

DEFAULTS = RegularizedMLPClassifier().get_params()


def settings(n, seed):
    """Settings of the package's own space, about twenty knobs."""
    rng = np.random.RandomState(seed)
    return knob_table([draw(rng, DEFAULTS, Table(500)) for _ in range(n)], DEFAULTS)


def ranks(values):
    return pd.Series(values).rank().to_numpy() / len(values)


def test_a_knob_that_decides_is_found_and_the_others_are_not():
    knobs = settings(100, 0)
    rate = np.log(knobs["learning_rate_init"].astype(float))
    target = ranks(-np.abs(rate - np.log(3e-3)) + 0.2 * np.random.RandomState(1).randn(100))
    table = importance_table(knobs, target, 3, np.random.RandomState(0))
    assert list(table) == ["knob", "importance", "std", "best"]
    assert table["knob"][0] == "learning_rate_init"
    assert table["importance"][0] > 0.3
    assert table["importance"][0] > 4 * table["std"][0]
    assert (table["importance"][1:] < 0.05).all()
    # of 18 others one or two may seem to matter a little
    assert (table["importance"][1:] < 3 * table["std"][1:] + 1e-12).mean() > 0.85
    low, high = map(float, table["best"][0].split(" to "))
    assert 1e-3 < low < 3e-3 < high < 1e-2
    assert table.attrs["n_settings"] == 100
    assert table.attrs["explained"] > 0.4


def test_a_choice_that_decides_is_found():
    knobs = settings(80, 2)
    target = ranks((knobs["activation"] == "relu") + 0.3 * np.random.RandomState(1).randn(80))
    table = importance_table(knobs, target, 3, np.random.RandomState(0))
    assert table.loc[0, ["knob", "best"]].tolist() == ["activation", "relu"]


def test_the_share_of_the_variance_is_known():
    """Of two independent knobs with three and one parts of the variance, as far as forests find it."""
    rng = np.random.RandomState(0)
    x = rng.rand(2000, 3)
    knobs = pd.DataFrame(x, columns=list("abc")).astype(object)
    target = np.sqrt(3) * (x[:, 0] > 0.5) + (x[:, 1] > 0.5)
    table = importance_table(knobs, target, 1, rng).set_index("knob")
    assert table.loc["a", "importance"] == pytest.approx(0.75, abs=0.05)
    assert table.loc["b", "importance"] == pytest.approx(0.25, abs=0.05)
    assert table.loc["c", "importance"] == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("n", [25, 60])
def test_where_no_knob_matters_none_is_claimed(n):
    """Of 80 importances of noise about 2 exceed two standard errors by chance."""
    found = [
        importance_table(
            settings(n, seed), np.random.RandomState(seed).rand(n), 1, np.random.RandomState(0)
        )
        for seed in range(4)
    ]
    table = pd.concat(found)
    beyond = table["importance"] > 2 * table["std"]
    assert beyond.mean() < 0.1
    assert (table["importance"] < 3.5 * table["std"] + 1e-12).all()
    assert np.mean([one.attrs["explained"] for one in found]) < 0.05


def test_the_error_covers_which_settings_were_drawn():
    """Importances of new settings lie about as far from each other as their errors say."""
    means, errors = [], []
    for seed in range(8):
        rng = np.random.RandomState(seed)
        x = rng.rand(60, 4)
        knobs = pd.DataFrame(x, columns=list("abcd")).astype(object)
        table = importance_table(knobs, x[:, 0] + 0.5 * rng.rand(60), 1, rng).set_index("knob")
        means.append(table.loc["a", "importance"])
        errors.append(table.loc["a", "std"])
    assert 0.5 * np.std(means) < np.mean(errors) < 3 * np.std(means)


def test_none_and_words_among_numbers():
    rng = np.random.RandomState(0)
    values = [None, "auto", 0.0, 1.0, 2.0]
    knobs = pd.DataFrame({"mixed": pd.Series([values[i % 5] for i in range(50)], dtype=object)})
    knobs["noise"] = rng.rand(50)
    target = ranks([v == "auto" for v in knobs["mixed"]] + 0.1 * rng.rand(50))
    table = importance_table(knobs, target, 2, rng)
    assert table.loc[0, ["knob", "best"]].tolist() == ["mixed", "auto"]


@pytest.fixture(scope="module")
def search():
    """Rates of which the smallest learn nothing, beside a knob that does nothing at all."""
    rng = np.random.RandomState(0)
    X = rng.randn(80, 3)
    y = (X[:, 0] + 0.3 * rng.randn(80) > 0).astype(int)
    net = RegularizedMLPClassifier((4,), numeric_embedding=None, max_iter=40, dropout=0.0)
    return RegularizedMLPClassifierCV(
        net,
        param_distributions={
            "learning_rate_init": loguniform(1e-6, 1e-1),
            "beta_1": uniform(0.899, 2e-3),
        },
        n_settings=30,
        cv=3,
        random_state=0,
    ).fit(X, y)


def test_of_a_search(search):
    assert len(set(search.cv_results_["rung"])) > 1  # some were given up, and are used nevertheless
    table = search.knob_importance(3, random_state=0)
    assert table["knob"].tolist() == ["learning_rate_init", "beta_1"]
    assert table["importance"][0] > 3 * table["std"][0]
    assert table["importance"][1] < 2.5 * table["std"][1]
    assert table.attrs["n_settings"] == 30
    pd.testing.assert_frame_equal(table, search.knob_importance(3, random_state=0))


def test_rungs_of_the_history_are_those_of_the_ladder(search):
    epochs = search.history_.groupby("rung")["epoch"]
    rungs = Ladder(40).epochs
    assert epochs.max().tolist() == [*rungs, 40]
    assert epochs.get_group(0).eq(rungs[0]).all()


def test_a_limit_of_time_adds_no_rungs(search):
    """The first setting is trained a little before the others, to know how fast the table is."""
    rng = np.random.RandomState(0)
    timed = clone(search).set_params(
        max_time=1000, n_settings=3, estimator__max_iter=200, param_distributions={"l1": [0.0, 0.1]}
    )
    history = timed.fit(rng.randn(60, 2), np.arange(60) % 2).history_
    rungs = Ladder(200).epochs
    assert history[history["rung"] == 0]["epoch"].tolist() == rungs[:1] * 3
    assert history[history["setting"] == 0]["epoch"].tolist()[:2] == rungs[:2]


def test_errors(search):
    assert f"fewer than {FEWEST} settings" in RegularizedMLPRegressorCV.knob_importance.__doc__
    with pytest.raises(NotFittedError):
        RegularizedMLPRegressorCV().knob_importance()
    with pytest.raises(ValueError, match="n_repeats"):
        search.knob_importance(0)
    with pytest.raises(ValueError, match=f"at least {FEWEST} settings .* has 19"):
        importance_table(settings(19, 0), np.arange(19.0), 1, np.random.RandomState(0))
    with pytest.raises(ValueError, match="same values"):
        importance_table(knob_table([{}] * 30, DEFAULTS), np.arange(30.0), 1, np.random)
    with pytest.raises(ValueError, match="equally good"):
        importance_table(settings(30, 0), np.ones(30), 1, np.random)
