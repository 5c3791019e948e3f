"""What a user writes: `make types` checks that a type checker takes it, the tests that it runs.

`documented` holds use that the documentation shows or allows. `mistakes` is never run: each of its lines
is wrong, and says by its comment which error a type checker must find there. A comment that finds no
error is an error.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
import polars as pl
import torch
from joblib import parallel_config
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import sparse
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg
from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    Comparison,
    ComparisonDisplay,
    EnsembleDisplay,
    FeaturePath,
    FeaturePathDisplay,
    KnobDisplay,
    RegularizedLinearClassifier,
    RegularizedLinearRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedNetClassifier,
    RegularizedNetRegressor,
    SearchDisplay,
    StabilitySelectionDisplay,
    StabilitySelector,
    TrainingCurveDisplay,
    ValidationPathDisplay,
    compare,
    feature_path,
    l1_max,
    last_rounds,
    load_model,
    plain,
)
from skreg.display import OverfitGapDisplay, weight_norm, zero_share

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
numbers = X @ [1.0, -1.0, 0.5, 0.0]
labels = np.where(numbers > 0, "yes", "no")


def accuracy(estimator: Any, X: Any, y: Any) -> float:
    """A metric of the user's own, for ``scoring``."""
    return float(np.mean(estimator.predict(X) == y))


def own(n_features: int, n_outputs: int, hidden: int = 4) -> torch.nn.Module:
    """A module of the user's own."""
    first, last = torch.nn.Linear(n_features, hidden), torch.nn.Linear(hidden, n_outputs)
    return torch.nn.Sequential(first, torch.nn.Dropout(0.1), last)


def parameters() -> None:
    """Every kind of value that a parameter takes."""
    RegularizedMLPClassifier()
    RegularizedMLPClassifier(8)
    RegularizedMLPClassifier(())
    RegularizedMLPClassifier([8, 4], dropout=[0.3, 0.2], l1=(0.0, 1e-4, 0.0), batch_norm=False)
    RegularizedMLPClassifier(np.array([8, 4]), dropout=np.array([0.3, 0.2]), l2=[0, 0, 1])
    RegularizedMLPClassifier(dropout=0, input_dropout=0.1, max_norm=None, activation="elu")
    RegularizedMLPClassifier(numeric_embedding=None, scoring=accuracy, refit=True)
    RegularizedMLPClassifier(mixup=0.2, cutmix=1, cutout=0.5, cutout_share=0.1, input_noise=0.1)
    RegularizedMLPClassifier(numeric_embedding="periodic", scoring="roc_auc")
    RegularizedMLPClassifier(categorical_features=["a", "b"], category_embedding="onehot")
    RegularizedMLPRegressor(categorical_features=[0, 2], scale_features="quantile")
    RegularizedMLPClassifier(categorical_features=np.array([True, False]), scale_features=None)
    RegularizedMLPClassifier(class_weight={"yes": 2, "no": 0.5}, label_smoothing=0.1)
    RegularizedMLPClassifier(class_weight="balanced", random_state=np.random.RandomState(0))
    RegularizedMLPClassifier(decision="balanced")
    RegularizedMLPClassifier(metrics=["accuracy", "train_accuracy"])
    RegularizedMLPClassifier((8,), **plain(dropout=0.3, l2=0.01))
    RegularizedMLPRegressor(metrics={"r2": "r2", "train_mine": accuracy})
    RegularizedMLPClassifier(decision={"no": 1, "yes": 0.05})
    RegularizedMLPClassifier(batch_size=16, validation_fraction=10, max_time=60, tol=1e-4)
    RegularizedMLPClassifier(solver="sgd", learning_rate="adaptive", callbacks=[], verbose=True)
    RegularizedMLPRegressor((8,), loss="pinball", quantile=0.9, clip=False, dtype="float64")
    RegularizedMLPRegressor(device="cuda:1", scale_target=False, warm_start=True, max_norm=3)
    BaggedMLPClassifier(RegularizedMLPClassifier(), 8, max_samples=0.5, stopping="member")
    BaggedMLPClassifier(decision="balanced")
    BaggedMLPRegressor(n_estimators=4, max_features=3, bootstrap=False, oob_score=False)
    RegularizedLinearClassifier(0.1, l2=0, solver="lbfgs", class_weight={0: 1, 1: 2})
    RegularizedLinearClassifier(decision={0: 1, 1: 2})
    RegularizedLinearRegressor(l1=0.1, loss="absolute_error", fit_intercept=False)
    RegularizedLinearRegressor(categorical_features=None, scale_features="standard")
    RegularizedMLPClassifier((8, 4), batch_norm=[True, False])
    RegularizedNetClassifier(
        torch.nn.Linear, module__in_features=4, module__out_features=1, l1=[0.1]
    )
    RegularizedNetRegressor(own, input_shape=(2, 2), dropout=None, loss="huber", module__hidden=3)


def nets() -> None:
    """Fits of every kind of table, and what a fitted net tells."""
    net = RegularizedMLPClassifier((4,), max_iter=2, random_state=0)
    assert_type(net.fit(X, labels), RegularizedMLPClassifier)
    frame = pd.DataFrame(X, columns=list("abcd"))
    net.fit(frame, pd.Series(labels), sample_weight=np.ones(60))
    net.fit(X[:40], labels[:40], X_val=X[40:], y_val=labels[40:])
    net.fit(pl.DataFrame(X), pl.Series(labels), sample_weight=[1.0] * 60)
    net.fit(X, labels, groups=np.arange(60) // 4)
    net.fit(X.tolist(), labels.tolist()).partial_fit(X, labels, classes=["no", "yes"])
    net.fit(torch.from_numpy(X), labels)
    raw = frame.assign(kind=np.tile(["x", "y"], 30), d=np.where(X[:, 3] > 1, np.nan, X[:, 3]))
    assert_type(net.fit(raw, labels).input_names_, NDArray[Any])
    assert "kind=y" in net.input_names_
    net.fit(sparse.csr_matrix(X), labels).predict(sparse.csr_array(X))
    assert_type(net.predict_proba(X), NDArray[Any])
    net.predict_log_proba(X), net.decision_function(X)
    proba, entropy = net.predict_mc(X, n_samples=3, random_state=0)
    assert_type([proba, entropy], list[NDArray[Any]])
    assert_type(net.history_, pd.DataFrame)
    assert_type([net.coefs_[0], net.intercepts_[0]], list[NDArray[Any]])
    assert_type(net.n_iter_ + net.best_iter_ + net.n_layers_ + net.n_features_in_, int)
    assert_type(net.best_loss_, float)
    assert_type(net.loss_curve_, list[float])
    assert_type(net.validation_scores_, list[float] | None)
    assert_type(net.module_, torch.nn.Sequential)
    assert net.stopped_by_ in ("patience", "max_iter")
    assert net.classes_.tolist() == ["no", "yes"] and len(net.embedded_features_) == 4
    assert_type(net.summary().frame(), pd.DataFrame)
    with config_context(enable_metadata_routing=True):
        net.set_params(dropout=0.5).set_fit_request(sample_weight=True)
    assert_type(net.class_prior_, NDArray[Any])
    assert 0 <= net.score(X, labels) <= 1

    own_net = RegularizedNetClassifier(own, max_iter=2, dropout=0.2).set_params(module__hidden=3)
    assert_type(own_net.fit(X, labels), RegularizedNetClassifier)
    assert_type(own_net.module_, torch.nn.Module)
    assert_type(own_net.input_shape_, tuple[int, ...])
    own_net.predict_mc(X, 2)

    regressor = RegularizedMLPRegressor((4,), max_iter=2).fit(frame, frame["a"])
    mean, std = regressor.predict_mc(frame, 3)
    assert_type([mean, std], list[NDArray[Any]])
    regressor.fit(X, np.column_stack([numbers, numbers])).partial_fit(X, np.ones((60, 2)))
    assert regressor.target_range_.shape == (2, 2)


def others() -> None:
    """Ensembles and linear models."""
    bag = BaggedMLPClassifier(RegularizedMLPClassifier((4,), max_iter=2), 2, random_state=0)
    bag.fit(X, labels, groups=[f"patient {i // 4}" for i in range(60)])
    assert_type(bag.fit(X, labels), BaggedMLPClassifier)
    assert_type(bag.estimators_[0], RegularizedMLPClassifier)
    assert_type(bag.history_, pd.DataFrame)
    bag.predict_std(X), bag.disagreement(X), bag.estimators_samples_[0].max()
    numbers_bag = BaggedMLPRegressor(RegularizedMLPRegressor((4,), max_iter=2), 2)
    assert_type(numbers_bag.fit(X, numbers).predict(X), NDArray[Any])

    strongest = l1_max(pd.DataFrame(X), labels, class_weight="balanced")
    linear = RegularizedLinearClassifier(l1=0.1 * strongest).fit(sparse.csr_array(X), labels)
    assert_type(linear.n_weights_ - linear.n_zero_weights_, int)
    assert_type(linear.sparsity_, float)
    assert linear.coef_.shape == (1, 4) and linear.intercept_.shape == (1,)
    RegularizedLinearRegressor().fit(X, numbers, sample_weight=pd.Series(np.ones(60))).predict(X)


def batched() -> None:
    """Batched fits behind scikit-learn's own classes, and their pictures."""
    net = RegularizedMLPClassifier((4,), max_iter=2, random_state=0)
    grid = {"regularizedmlpclassifier__dropout": [0.0, 0.5]}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), net),
        grid,
        cv=2,
        scoring={"score": "accuracy", "zero_share": zero_share, "weight_norm": weight_norm},
        refit="score",
    )
    with parallel_config(backend="skreg"):
        search.fit(X, labels)
    for report in last_rounds():
        assert_type(report.jobs + report.stacks + max(report.epochs), int)
        assert_type(report.gflops / report.seconds, float)
    with (
        ThreadPoolExecutor(1) as executor,
        parallel_config(backend="skreg", max_members=2, memory="1GiB", executor=executor),
    ):
        cross_validate(net, X, labels, cv=2)
    path = ValidationPathDisplay.from_search(
        search, metrics=["score", "zero_share"], others="profile"
    )
    assert_type(path.axes_[0], Axes)
    path.plot(band=None, scale="categories")
    ValidationPathDisplay.from_cv_results(search.cv_results_, plot=False)
    curve = TrainingCurveDisplay.from_estimator(search, name="net")
    assert_type(curve.figure_, Figure)
    assert_type(curve.plot(ax=curve.ax_, scale="log").frame(), pd.DataFrame)


def searching() -> None:
    """A search, what it tells and its pictures."""
    net = RegularizedMLPClassifier((4,), max_iter=2)
    search = RegularizedMLPClassifierCV(net, n_settings=20, cv=2, random_state=0).fit(X, labels)
    importance = search.knob_importance(2, random_state=np.random.RandomState(0))
    assert_type(importance, pd.DataFrame)
    course = SearchDisplay.from_estimator(search, x="epoch")
    assert_type(course.plot(scale="log").frame(), pd.DataFrame)
    knobs = KnobDisplay.from_estimator(search, knobs=["dropout"], ax=course.ax_)
    assert_type(knobs.plot(y="loss").axes_, list[Axes])
    assert_type(EnsembleDisplay.from_estimator(search, plot=False), EnsembleDisplay)


def selecting() -> None:
    """Which columns matter, and the pictures of it."""
    lasso = RegularizedLinearRegressor(l2=0.0)
    path = feature_path(X, numbers, estimator=lasso, n_strengths=4, cv=2, random_state=0)
    assert_type(path, FeaturePath)
    assert_type(path.frame(), pd.DataFrame)
    assert_type(path.one_se_strength + path.best_strength, float)
    assert_type(path.features_at("best"), list[str])
    path.support_at("best", threshold=0.6), path.frequency
    path.support_at(0.1), path.estimator_at("one_se").fit(X, numbers)
    assert_type(FeaturePathDisplay.from_path(path, n_features=3).axes_, list[Axes])
    selector = StabilitySelector(lasso, strengths=[0.3, 0.2], n_pairs=3, pfer=None)
    assert_type(selector.fit(X, numbers, sample_weight=np.ones(60)), StabilitySelector)
    assert_type(selector.expected_false_selections_, float)
    picture = StabilitySelectionDisplay.from_estimator(selector)
    assert_type(picture.plot(n_features=2).frame(), pd.DataFrame)


def a_model_of_a_file(model_file: str, table: str) -> None:
    """What `skreg fit` has written, and new rows."""
    model = load_model(model_file)
    predicted: pd.DataFrame = model.predict(model.read(table, missing=["-"]).X)
    print(predicted, model.target, [column.name for column in model.columns])


def comparing(folder: Path) -> None:
    """The comparison, its result and its pictures."""
    table = pd.DataFrame(X, columns=list("abcd")).assign(kind=np.tile(["x", "y"], 30))
    own = {
        **skreg.comparison.default_candidates("classification", max_iter=2),
        "mine": RegularizedLinearClassifier(),
    }
    wanted = {name: own[name] for name in ("dummy", "plain net", "mine")}
    done = []
    result = compare(
        table,
        pd.Series(labels, name="kind of row"),
        candidates=wanted,
        cv=2,
        inner_cv=2,
        groups=np.arange(60),
        sample_weight=np.ones(60),
        scoring="balanced_accuracy",
        max_iter="auto",
        preprocess="standard",
        diagnose=False,
        progress=lambda at, total, what: done.append((at, total, what)),
    )
    assert_type(result, Comparison)
    assert_type(result.frame(), pd.DataFrame)
    assert_type(result.best_, str)
    assert_type(result.between("mine", "plain net")["p_value"], float)
    assert_type(result.to_html(folder / "page.html"), Path)
    assert_type(result.contenders(), pd.DataFrame)
    assert_type(result.recommendation_.headline, str)
    assert_type(result.snippet("mine"), str)
    result.estimator("mine").fit(X, labels)
    assert_type(result.plot(), ComparisonDisplay)
    ComparisonDisplay.from_comparison(result, level=0.1, show_folds=False).plot(ax=None)
    OverfitGapDisplay.from_comparison(result).plot(show_gaps=False)
    compare(X, labels, candidates=["dummy", "linear L2"], cv=2, quick=True, diagnose=False)


def comparing_with_a_search() -> None:
    """All candidates, and a search beside them."""
    result = compare(X, labels, search_time=20, progress=False, verbose=1, table_name="clinic.csv")
    assert_type(result, Comparison)


def mistakes() -> None:
    """What a type checker refuses."""
    RegularizedMLPClassifier(dropout="a lot")  # type: ignore[arg-type]
    RegularizedMLPClassifier(dropout=["a lot"])  # type: ignore[list-item]
    RegularizedMLPClassifier(hidden_layer_sizes=8.5)  # type: ignore[arg-type]
    RegularizedMLPClassifier((8,), 0.5)  # type: ignore[call-arg, arg-type]
    RegularizedMLPClassifier(droput=0.5)  # type: ignore[call-arg]
    RegularizedMLPClassifier(activation="rleu")  # type: ignore[arg-type]
    RegularizedMLPClassifier(numeric_embedding=True)  # type: ignore[arg-type]
    RegularizedMLPClassifier(decision="best")  # type: ignore[arg-type]
    RegularizedMLPClassifier(scale_features="minmax")  # type: ignore[arg-type]
    RegularizedMLPClassifier(categorical_features=3)  # type: ignore[arg-type]
    RegularizedMLPClassifier(category_embedding=None)  # type: ignore[arg-type]
    RegularizedMLPClassifier(scoring=3)  # type: ignore[arg-type]
    RegularizedMLPClassifier(loss="huber")  # type: ignore[call-arg]
    RegularizedMLPClassifier(batch_size=None)  # type: ignore[arg-type]
    RegularizedMLPRegressor(loss="hubert")  # type: ignore[arg-type]
    RegularizedMLPRegressor(max_norm="none")  # type: ignore[arg-type]
    RegularizedMLPRegressor(class_weight="balanced")  # type: ignore[call-arg]
    BaggedMLPRegressor(decision="balanced")  # type: ignore[call-arg]
    BaggedMLPClassifier(8)  # type: ignore[arg-type]
    BaggedMLPRegressor(stopping="never")  # type: ignore[arg-type]
    RegularizedNetClassifier()  # type: ignore[call-arg]
    RegularizedNetRegressor(own, loss="hubert")  # type: ignore[arg-type]
    RegularizedLinearClassifier(l1=[0.1, 0.2])  # type: ignore[arg-type]
    RegularizedLinearRegressor(loss="huber")  # type: ignore[arg-type]

    net = RegularizedMLPClassifier()
    net.fit("table.csv", labels)  # type: ignore[arg-type]
    net.fit(3, labels)  # type: ignore[arg-type]
    net.fit(X)  # type: ignore[call-arg]
    net.fit(X, labels, validation_data=(X, labels))  # type: ignore[call-arg]
    net.predict(X, labels)  # type: ignore[call-arg]
    net.predict_mc(X, n_samples="many")  # type: ignore[arg-type]
    net.history_.no_such_method()  # type: ignore[operator]
    net.loss_curve_.mean()  # type: ignore[attr-defined]
    net.n_iter_.max()  # type: ignore[attr-defined]
    feature_path(X, numbers, strengths="all")  # type: ignore[arg-type]
    StabilitySelector(bound="tight")  # type: ignore[arg-type]
    l1_max("table.csv", labels)  # type: ignore[arg-type]
    l1_max(X, labels, task="ranking")  # type: ignore[arg-type]

    compare(X, labels, task="ranking")  # type: ignore[arg-type]
    compare(X, labels, candidates=3)  # type: ignore[arg-type]
    compare("table.csv", labels)  # type: ignore[arg-type]
    compare(X, labels, max_iter="all")  # type: ignore[arg-type]
    result = compare(X, labels)
    result.between("dropout")  # type: ignore[call-arg]
    result.best_.mean()  # type: ignore[attr-defined]
    ComparisonDisplay.from_comparison(X)  # type: ignore[arg-type]
    TrainingCurveDisplay.from_estimator(net, scale="log")  # type: ignore[call-arg]
    ValidationPathDisplay.from_search(net, others="worst")  # type: ignore[arg-type]
    SearchDisplay.from_estimator(X)  # type: ignore[arg-type]
    last_rounds(3)  # type: ignore[call-arg]
    load_model()  # type: ignore[call-arg]
    load_model("model.skops", trusted=[])  # type: ignore[call-arg]
    skreg.RegularizedMlpClassifier()  # type: ignore[attr-defined]
