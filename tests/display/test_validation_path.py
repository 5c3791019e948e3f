from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_regression
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg.display import ValidationPathDisplay, weight_norm, zero_share

ALPHAS = [1.0, 0.01, 0.1, 10.0]


@pytest.fixture(scope="module")
def data():
    return make_regression(60, 8, n_informative=3, noise=5.0, random_state=0)


@pytest.fixture(scope="module")
def search(data):
    grid = {"lasso__alpha": ALPHAS, "lasso__fit_intercept": [True, False]}
    model = make_pipeline(StandardScaler(), Lasso())
    scoring = {"r2": "r2", "weight_norm": weight_norm, "zero_share": zero_share}
    return GridSearchCV(
        model, grid, cv=3, scoring=scoring, refit="r2", return_train_score=True
    ).fit(*data)


def test_frame_is_the_results(search):
    display = ValidationPathDisplay.from_search(search, param="alpha", plot=False)
    results = pd.DataFrame(search.cv_results_)
    best = search.best_params_["lasso__fit_intercept"]
    results = results[results["param_lasso__fit_intercept"].astype(bool) == best]
    results = results.sort_values("param_lasso__alpha")
    frame = display.frame()
    assert display.param == "lasso__alpha"
    assert display.metrics == ("r2", "weight_norm", "zero_share")
    assert frame["value"].tolist() == sorted(ALPHAS)
    assert frame["n_folds"].tolist() == [3] * 4
    for column in list(frame)[2:]:
        np.testing.assert_array_equal(frame[column], results[column])


def test_profile_takes_the_best_of_the_others(search):
    frame = ValidationPathDisplay.from_search(
        search, param="alpha", others="profile", plot=False
    ).frame()
    results = pd.DataFrame(search.cv_results_).groupby("param_lasso__alpha")["mean_test_r2"].max()
    np.testing.assert_array_equal(frame["mean_test_r2"], results.to_numpy())


def test_artists_hold_the_data(search):
    display = ValidationPathDisplay.from_search(search, param="alpha")
    frame = display.frame()
    for line, column in (
        (display.line_, "mean_test_r2"),
        (display.train_line_, "mean_train_r2"),
        (display.lines_["weight_norm"], "mean_test_weight_norm"),
        (display.lines_["zero_share"], "mean_test_zero_share"),
    ):
        np.testing.assert_array_equal(line.get_xdata(), frame["value"])
        np.testing.assert_array_equal(line.get_ydata(), frame[column])
    mean, std = frame["mean_test_r2"], frame["std_test_r2"]
    heights = display.band_.get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx((mean - std).min())
    assert heights.max() == pytest.approx((mean + std).max())
    assert display.best_point_.get_ydata()[0] == mean.max()
    assert display.best_point_.get_xdata()[0] == search.best_params_["lasso__alpha"]
    assert len(display.axes_) == 3
    assert display.ax_ is display.axes_[0]


def test_bands(search):
    frame = ValidationPathDisplay.from_search(search, param="alpha", plot=False).frame()
    display = ValidationPathDisplay.from_search(search, param="alpha", metrics="r2", band="sem")
    low = frame["mean_test_r2"] - frame["std_test_r2"] / np.sqrt(3)
    assert display.band_.get_paths()[0].vertices[:, 1].min() == pytest.approx(low.min())
    assert display.plot(band=None).band_ is None
    with pytest.raises(ValueError, match="band is 'ci'; it must be one of"):
        display.plot(band="ci")


def test_without_train_scores(data):
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3).fit(*data)
    display = ValidationPathDisplay.from_search(search)
    assert display.train_line_ is None
    assert display.ax_.get_ylabel() == "Score"
    assert display.ax_.get_xlabel() == "alpha"


def test_score_is_named_after_the_scoring(data):
    scoring = "neg_mean_squared_error"
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3, scoring=scoring).fit(*data)
    label = ValidationPathDisplay.from_search(search).ax_.get_ylabel()
    assert label == "Neg mean squared error"


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.1, 1.0, 10.0], "log"),
        ([0.0, 0.1, 1.0, 10.0], "symlog"),
        ([0.0, 0.2, 0.4], "linear"),
    ],
)
def test_knob_axis(values, scale):
    results = {"param_k": np.array(values), "mean_test_score": np.arange(float(len(values)))}
    results["std_test_score"] = np.zeros(len(values))
    display = ValidationPathDisplay.from_cv_results(results)
    assert display.ax_.get_xscale() == scale
    assert ValidationPathDisplay.from_cv_results(results, scale="linear").ax_.get_xscale() == (
        "linear"
    )


def test_values_that_are_no_numbers():
    sizes = [(10,), (300, 300), None, "auto", True]
    results = {
        "param_size": np.array([*sizes, None], dtype=object)[:5],
        "mean_test_score": np.arange(5.0),
        "std_test_score": np.ones(5),
    }
    display = ValidationPathDisplay.from_cv_results(results)
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == [str(size) for size in sizes]
    np.testing.assert_array_equal(display.line_.get_xdata(), np.arange(5))
    with pytest.raises(ValueError, match="the knob has values that are not finite numbers"):
        display.plot(scale="log")


def test_candidates_without_the_knob_are_left_out(data):
    grid = [{"alpha": [0.1, 1.0]}, {"solver": ["svd"]}]
    search = GridSearchCV(Ridge(), grid, cv=3).fit(*data)
    display = ValidationPathDisplay.from_search(search, param="alpha", others="profile", plot=False)
    assert display.frame()["value"].tolist() == [0.1, 1.0]


def test_failed_candidates_leave_a_gap():
    results = {
        "param_k": np.array([1.0, 2.0, 3.0]),
        "mean_test_score": np.array([0.5, np.nan, 0.7]),
        "std_test_score": np.array([0.1, np.nan, 0.1]),
    }
    display = ValidationPathDisplay.from_cv_results(results)
    assert np.isnan(display.line_.get_ydata()).tolist() == [False, True, False]
    assert display.best_point_.get_xdata()[0] == 3.0


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, r"param is None, but the search varied 2 knobs"),
        ({"param": "beta"}, r"param is 'beta', but the search has \['lasso__alpha'"),
        ({"param": "alpha", "metrics": "auc"}, r"metrics has 'auc', but the search recorded"),
        ({"param": "alpha", "others": "mean"}, r"others is 'mean'; it must be one of"),
        ({"param": "alpha", "scale": "cubic"}, r"scale is 'cubic'; it must be one of"),
    ],
)
def test_errors(search, kwargs, message):
    with pytest.raises(ValueError, match=message):
        ValidationPathDisplay.from_search(search, **kwargs)


def test_more_errors(data):
    with pytest.raises(NotFittedError, match="GridSearchCV instance is not fitted"):
        ValidationPathDisplay.from_search(GridSearchCV(Ridge(), {"alpha": [1.0]}))
    with pytest.raises(ValueError, match="holds no 'mean_test_"):
        ValidationPathDisplay.from_cv_results({"test_score": [1.0]})
    search = GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=3).fit(*data)
    with pytest.raises(ValueError, match=r"'alpha' takes only one value .* others='profile'"):
        ValidationPathDisplay.from_search(search, param="alpha")
    results = {"param_k": [0.0, 1.0], "mean_test_score": [0.0, 1.0], "std_test_score": [0.0, 0.0]}
    with pytest.raises(ValueError, match="scale is 'log', but the knob has values of zero"):
        ValidationPathDisplay.from_cv_results(results, scale="log")
    ambiguous = {"param_a__k": [0, 1], "param_b__k": [0, 1], "mean_test_score": [0.0, 1.0]}
    with pytest.raises(ValueError, match=r"\['a__k', 'b__k'\] all end in it"):
        ValidationPathDisplay.from_cv_results(ambiguous, param="k")


def test_number_of_axes(search):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="draws 3 panels, but `ax` holds 1 axes"):
        ValidationPathDisplay.from_search(search, param="alpha", ax=ax)
    display = ValidationPathDisplay.from_search(search, param="alpha", metrics="r2", ax=ax)
    assert display.ax_ is ax


@pytest.mark.parametrize(
    "values",
    [
        [0.1, 1.0, 10.0],
        [0.0, 1e-6, 1e-4, 1e-2, 1.0],
        [0.0, 0.1, 0.2, 0.3],
        ["relu", "tanh", "a value with a very long name, longer than its place"],
        list(range(0, 100_000, 5_000)),
    ],
)
def test_texts_do_not_overlap(values, assert_texts_apart):
    n_values = len(values)
    results = {"param_" + "long__" * 20 + "a_knob_with_a_long_name": np.array(values, dtype=object)}
    for part in ("test", "train"):
        results[f"mean_{part}_score"] = np.linspace(-12345.0, -12340.0, n_values)
        results[f"std_{part}_score"] = np.ones(n_values)
    display = ValidationPathDisplay.from_cv_results(results)
    assert display.figure_.get_size_inches().tolist() == [6.0, 4.0]
    assert_texts_apart(display.figure_)


def test_many_categories_are_slanted_without_touching():
    values = np.array([f"candidate number {k}" for k in range(12)])
    results = {"param_k": values, "mean_test_score": np.arange(12.0), "std_test_score": np.ones(12)}
    display = ValidationPathDisplay.from_cv_results(results)
    display.figure_.canvas.draw()
    labels = display.ax_.get_xticklabels()
    assert {label.get_rotation() for label in labels} == {35.0}
    places = display.ax_.transData.transform([(0, 0), (1, 0)])[:, 0]
    size = labels[0].get_fontsize() * display.figure_.dpi / 72
    assert (places[1] - places[0]) * np.sin(np.radians(35)) > size


def test_weight_norm_and_zero_share(data):
    X, y = data
    model = Lasso(alpha=5.0).fit(X, y)
    assert weight_norm(model) == pytest.approx(np.linalg.norm(model.coef_))
    assert zero_share(model) == np.mean(model.coef_ == 0) > 0
    pipeline = make_pipeline(StandardScaler(), MLPRegressor((4,), max_iter=1, solver="lbfgs"))
    pipeline[-1].coefs_ = [np.array([[3.0, 0.0]]), np.array([[4.0], [0.0]])]
    assert weight_norm(pipeline, X, y) == 5.0
    assert zero_share(pipeline, X, y) == 0.5
    sparse = LogisticRegression().fit(X, y > 0).sparsify()
    assert weight_norm(sparse) == pytest.approx(np.linalg.norm(sparse.coef_.toarray()))
    with pytest.raises(TypeError, match="KNeighborsRegressor has neither `coefs_` nor `coef_`"):
        zero_share(KNeighborsRegressor().fit(X, y))


def test_missing_matplotlib(search, matplotlib_missing):
    assert len(ValidationPathDisplay.from_search(search, param="alpha", plot=False).frame()) == 4
    with pytest.raises(ImportError, match=r"ValidationPathDisplay\.plot draws with matplotlib"):
        ValidationPathDisplay.from_search(search, param="alpha")
