"""Settings: the package's own space, and the user's."""

import itertools
import warnings

import numpy as np
import pytest
from scipy.stats import uniform

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
)
from skreg.estimators.course import checked
from skreg.estimators.resolve import resolve, warn_of_knobs
from skreg.estimators.search.space import PORTFOLIO, SPACE, Table, draw, settings


def some(estimator, n, table=None, distributions=None, grid=None, seed=0):
    source = settings(estimator, distributions, grid, table or Table(), np.random.RandomState(seed))
    return list(itertools.islice(source, n))


@pytest.mark.parametrize("kind", [RegularizedMLPClassifier, RegularizedMLPRegressor])
@pytest.mark.parametrize(
    "table", [Table(), Table(categories=True), Table(sparse=True), Table(embedded=False)]
)
def test_every_setting_can_be_trained_and_warns_of_nothing(kind, table):
    for setting in some(kind(), 200, table):
        net = kind(**setting)
        parts = checked(net)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loss = "binomial" if kind is RegularizedMLPClassifier else "squared_error"
            size = {"n_rows": 500, "n_features": 2}
            embedded = (0, 1) if table.embedded and net.numeric_embedding else None
            spec = resolve(net, parts, loss=loss, n_outputs=1, embedded=embedded, **size)
            warn_of_knobs(spec)


def test_the_estimator_and_the_portfolio_come_first():
    found = some(RegularizedMLPClassifier(), 2 + len(PORTFOLIO))
    assert found[0] == {}
    for setting, one in zip(found[1:], PORTFOLIO, strict=False):
        assert setting.items() <= one.items()
        assert one.keys() - setting.keys() <= {"category_embedding"}  # there are none


def test_every_knob_is_drawn_on_and_off():
    found = some(RegularizedMLPClassifier(), 400, Table(categories=True))[1 + len(PORTFOLIO) :]
    for name in ("dropout", "input_dropout", "weight_decay", "label_smoothing", "mixup", "cutmix"):
        off = np.mean([setting[name] == 0 for setting in found])
        assert 0.05 < off < 0.95, name
    for name in ("activation", "numeric_embedding", "scale_features", "category_embedding"):
        assert len({setting[name] for setting in found}) > 1, name
    norms = {(setting["batch_norm"], setting["layer_norm"]) for setting in found}
    assert norms == {(True, False), (False, True), (False, False)}
    rates = np.log10([setting["learning_rate_init"] for setting in found])
    assert np.ptp(rates) > 1


@pytest.mark.parametrize("name", SPACE)
def test_what_is_drawn_is_varied(name):
    """A knob with one value would only put it in the place of what the user set."""
    rng = np.random.RandomState(0)
    assert len({repr(SPACE[name].rvs(random_state=rng)) for _ in range(100)}) > 1


def test_what_is_not_varied_is_what_the_user_set():
    own = {"batch_size": 24, "solver": "sgd", "epsilon": 1e-6, "max_iter": 7, "patience": 3}
    estimator = RegularizedMLPClassifier(**own)
    for setting in some(estimator, 60, Table(categories=True)):
        params = estimator.get_params() | setting
        assert {name: params[name] for name in own} == own


def test_the_same_seed_draws_the_same_settings():
    one, other = (some(RegularizedMLPRegressor(), 30, seed=3) for _ in range(2))
    assert one == other
    assert one != some(RegularizedMLPRegressor(), 30, seed=4)


def test_what_the_table_is_like_moves_no_other_draw():
    names = RegularizedMLPClassifier().get_params()
    plain = draw(np.random.RandomState(5), names, Table())
    other = draw(np.random.RandomState(5), names, Table(sparse=True, categories=True))
    shared = set(plain) & set(other)
    assert {name: plain[name] for name in shared} == {name: other[name] for name in shared}
    assert "scale_features" not in other and "category_embedding" not in plain


def test_a_regressor_has_no_knobs_of_classes():
    assert all("label_smoothing" not in setting for setting in some(RegularizedMLPRegressor(), 50))


def test_a_grid_is_gone_through_whole():
    grid = {"dropout": [0.0, 0.5], "l2": [0.0, 0.1, 1.0]}
    found = some(RegularizedMLPClassifier(), 100, grid=grid)
    assert len(found) == 6
    assert {(s["dropout"], s["l2"]) for s in found} == set(itertools.product(*grid.values()))


def test_lists_are_drawn_without_repetition():
    found = some(
        RegularizedMLPClassifier(), 100, distributions={"dropout": [0.0, 0.2, 0.5], "l2": [0, 1]}
    )
    assert found[0] == {}
    assert len(found) == 7
    assert len({tuple(sorted(s.items())) for s in found}) == 7


def test_distributions_go_on_without_end():
    space = [{"dropout": uniform(0, 0.5)}, {"l2": [0.1], "dropout": uniform(0.5, 0.4)}]
    found = some(RegularizedMLPClassifier(), 60, distributions=space)[1:]
    assert len({s["dropout"] for s in found}) == 59
    assert all((s["dropout"] >= 0.5) == ("l2" in s) for s in found)


@pytest.mark.parametrize("called", ["param_grid", "param_distributions"])
def test_names_that_no_setting_has(called):
    """What they name would have no effect, or settings could not be compared."""
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    for name, message in (
        ("drop", r"names \['drop'\], which are no parameters .* Do you mean 'dropout'\?"),
        ("estimator__dropout", "Do you mean 'dropout'"),
        ("random_state", r"names \['random_state'\], of which a search has one value"),
        ("decision", r"names \['decision'\], of which"),
        ("categorical_features", "of which a search has one value for all settings"),
        ("callbacks", "of which a search has one value for all settings"),
        ("validation_fraction", "of which a search has one value for all settings"),
        ("refit", "of which a search has one value for all settings"),
    ):
        for space in ({name: [1, 2]}, [{"dropout": [0.1]}, {name: [1, 2]}]):
            with pytest.raises(ValueError, match=message):
                RegularizedMLPClassifierCV(**{called: space}).fit(X, y)
    with pytest.raises(ValueError, match=rf"{called}=\[\] has no settings"):
        RegularizedMLPClassifierCV(**{called: []}).fit(X, y)
    for name in ("loss", "scale_target"):
        with pytest.raises(ValueError, match=rf"names \['{name}'\], of which"):
            RegularizedMLPRegressorCV(**{called: {name: [1]}}).fit(X, y)


@pytest.mark.parametrize(
    ("called", "value", "allowed"),
    [
        ("param_grid", 0.3, "list of values, or"),
        ("param_grid", "relu", "list of values, or"),
        ("param_grid", [], "list of values, or"),
        ("param_grid", uniform(0, 1), "list of values, or"),
        (
            "param_distributions",
            0.3,
            r"list of values or a distribution such as scipy.stats.uniform",
        ),
        ("param_distributions", "relu", "list of values or a distribution"),
        ("param_distributions", [], "list of values or a distribution"),
    ],
)
def test_values_that_are_no_lists_are_refused_whether_or_not_they_are_drawn(called, value, allowed):
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    with pytest.raises(
        TypeError, match=rf"{called}\['activation'\]=.* is no {allowed}.*into a list"
    ):
        RegularizedMLPClassifierCV(**{called: {"activation": value}}, n_settings=1).fit(X, y)


@pytest.mark.parametrize("n_values", [10, 40])
def test_lists_of_any_size_are_drawn_from(n_values):
    """Of 12 knobs with 40 values each there are more points than an int of 64 bits counts."""
    names = [
        "dropout", "input_dropout", "weight_decay", "l1", "l2", "label_smoothing", "mixup", "cutmix",
        "input_noise", "learning_rate_init", "embedding_scale", "ema_decay",
    ]  # fmt: skip
    space = {name: list(np.linspace(0.001, 0.3, n_values)) for name in names}
    found = some(RegularizedMLPClassifier(), 300, distributions=space)[1:]
    assert len({tuple(sorted(s.items())) for s in found}) == 299
    assert len({s["l1"] for s in found}) == n_values
    assert found == some(RegularizedMLPClassifier(), 300, distributions=space)[1:]


def test_many_points_are_drawn_once_each_and_as_often_from_large_parts():
    space = [
        {"l1": list(range(300)), "l2": list(range(300))},
        {"max_norm": list(range(1, 10001))},
    ]
    found = some(RegularizedMLPClassifier(), 2001, distributions=space)[1:]
    assert len({tuple(sorted(s.items())) for s in found}) == 2000
    assert np.mean(["max_norm" in s for s in found]) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    "own",
    [{"l2": [0.0, 0.0, 1e-3]}, {"batch_norm": [True, False]}, {"dropout": np.array([0.1, 0.4])}],
)
def test_lists_of_the_estimator_are_no_hindrance_to_other_depths(own):
    estimator = RegularizedMLPClassifier(**own)
    for setting in some(estimator, 40):
        checked(RegularizedMLPClassifier(**{**estimator.get_params(), **setting}))


def test_a_scale_of_embeddings_is_drawn_where_there_are_embeddings():
    names = (set(s) for s in some(RegularizedMLPClassifier(numeric_embedding=None), 9)[1:])
    assert not any("embedding_scale" in name for name in names)
    assert any("embedding_scale" in s for s in some(RegularizedMLPClassifier(), 9)[1:])
