"""The candidates that are compared by default: contenders, and a plain net with one knob at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier, DummyRegressor

from skreg.comparison.boosting import boosting, boosting_for
from skreg.comparison.candidates import BASELINE, Candidate

__all__ = ["default_candidates", "fit_to_table"]

DUMMY = "dummy"
BOOSTING = "gradient boosting"
# nets of the default ensemble: half of its own default, for half of the time
MEMBERS = 8
PLAIN = {
    "dropout": 0.0,
    "input_dropout": 0.0,
    "batch_norm": False,
    "l1": 0.0,
    "l2": 0.0,
    "weight_decay": 0.0,
    "early_stopping": False,
    "scale_features": "standard",
}
# settings of all knobs at once, together with batch norm and early stopping with a patience of 30
JOINT_KNOBS = ("dropout", "input_dropout", "l1", "l2", "weight_decay")
JOINT = {
    "light": (0.1, 0.0, 0.0, 0.0, 0.1),
    "medium": (0.25, 0.05, 3e-5, 1e-4, 0.3),
    "sparse": (0.25, 0.1, 1e-3, 1e-4, 0.1),
    "strong": (0.5, 0.2, 1e-4, 1e-3, 1.0),
}


def default_candidates(
    task: str,
    *,
    hidden_layer_sizes: tuple[int, ...] = (64, 64),
    max_iter: int = 100,
    random_state: int = 0,
    search_time: float | None = None,
) -> dict[str, Candidate]:
    """The candidates that `compare` takes by default.

    Contenders are what one would take as it is: linear models with a tuned penalty, the net with its
    default parameters, an ensemble of eight of them, scikit-learn's gradient boosting, and with
    `search_time` the search. The linear models have part in both questions.

    The other nets ask what a knob is worth: each of them but "all together" is the plain net with one
    knob turned on. "all together" has batch norm, early stopping and all the others
    at once, and chooses among four settings: "light", "medium", "sparse" (more L1) and "strong".
    These take the table as it is and standardise its columns.
    All nets have the same seed: in a batched fit they then see the same minibatches.

    Parameters
    ----------
    task : {"classification", "regression"}
        What the estimators are for.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of each hidden layer, the same in all nets that ask about a knob.
    max_iter : int, default=100
        Epochs of every net that asks about a knob.
    random_state : int, default=0
        Seed of every candidate.
    search_time : float or None, default=None
        Seconds of each search; None leaves the search out.

    Returns
    -------
    dict of str to Candidate
        Extend it with ``{**default_candidates(task), "my model": estimator}``.

    Raises
    ------
    ValueError
        If `task` is not known, or `search_time` is not above 0.

    See Also
    --------
    compare : What they are for.

    Examples
    --------
    >>> from skreg.comparison import default_candidates
    >>> found = default_candidates("regression")
    >>> [name for name, candidate in found.items() if candidate.role != "knob"]
    ['dummy', 'linear L2', 'linear L1', 'default net', 'default ensemble', 'gradient boosting']
    """
    if task not in ("classification", "regression"):
        raise ValueError(f"task={task!r}: allowed are 'classification' and 'regression'.")
    sizes = {"hidden_layer_sizes": hidden_layer_sizes, "max_iter": max_iter}
    plain = _net(task, random_state, **sizes, **PLAIN)
    found = {DUMMY: _dummy(task, random_state), **_linear_candidates(task)}
    found.update(_contenders(task, random_state, search_time))
    found.update(_net_candidates(plain))
    bagged = _bagged(task, random_state, plain)
    found["bagged net"] = Candidate(bagged, None, "ensemble", "knob", raw=True)
    found["dropout as ensemble"] = Candidate(
        _monte_carlo(task, plain, random_state),
        {"estimator__dropout": [0.1, 0.25, 0.5]},
        "ensemble",
        "knob",
        strength_from="+ dropout",
        raw=True,
    )
    return found


def fit_to_table(
    candidates: dict[str, Candidate], X: Any, task: str, random_state: int = 0
) -> tuple[dict[str, Candidate], list[str]]:
    """Give gradient boosting what this table needs in front of it, or leave it out.

    Parameters
    ----------
    candidates : dict of str to Candidate
    X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
    task : {"classification", "regression"}
    random_state : int, default=0

    Returns
    -------
    candidates : dict of str to Candidate
        Those of the user are as they were.
    notes : list of str
    """
    candidate = candidates.get(BOOSTING)
    if candidate is None or candidate.kind != "boosting":
        return candidates, []
    model = boosting_for(X, task, random_state)
    if model is None:
        found = {name: other for name, other in candidates.items() if name != BOOSTING}
        return found, ["Gradient boosting was left out: it takes no sparse table."]
    return {**candidates, BOOSTING: replace(candidate, estimator=model)}, []


def _dummy(task: str, random_state: int) -> Candidate:
    if task == "classification":
        dummy = DummyClassifier(strategy="prior", random_state=random_state)
    else:
        dummy = DummyRegressor()
    return Candidate(dummy, kind="dummy", raw=True)


def _linear_candidates(task: str) -> dict[str, Candidate]:
    from skreg.estimators.linear import RegularizedLinearClassifier, RegularizedLinearRegressor

    if task == "classification":
        # The scores converge long before the coefficients do: with many classes the default of 1e-8
        # takes ten times as long.
        model = RegularizedLinearClassifier(tol=1e-4, scale_features="standard")
    else:
        model = RegularizedLinearRegressor(scale_features="standard")
    ridge, lasso = clone(model).set_params(l1=0.0), clone(model).set_params(l2=0.0)
    return {
        "linear L2": Candidate(ridge, {"l2": [1e-4, 1e-3, 1e-2, 1e-1, 1.0]}, "linear", raw=True),
        "linear L1": Candidate(lasso, {"l1": [1e-3, 3e-3, 1e-2, 3e-2, 1e-1]}, "linear", raw=True),
    }


def _contenders(task: str, random_state: int, search_time: float | None) -> dict[str, Candidate]:
    """What the package offers and what people would pick instead, each with its default parameters."""
    net = _net(task, random_state)
    ensemble = _bagged(task, random_state, n_estimators=MEMBERS)
    tree = boosting(task, random_state)
    found = {
        "default net": Candidate(net, None, "net", "contender", raw=True),
        "default ensemble": Candidate(ensemble, None, "ensemble", "contender", raw=True),
        BOOSTING: Candidate(tree, None, "boosting", "contender", raw=True),
    }
    if search_time is not None:
        if not search_time > 0:
            raise ValueError(
                f"search_time={search_time!r}: allowed are None, for no search, and seconds above 0."
            )
        search = _search(task, random_state, search_time)
        found["search"] = Candidate(
            search, None, "search", "contender", raw=True, seconds=float(search_time)
        )
    return found


def _net(task: str, random_state: int, **options: Any) -> BaseEstimator:
    from skreg.estimators.mlp import RegularizedMLPClassifier, RegularizedMLPRegressor

    kind = RegularizedMLPClassifier if task == "classification" else RegularizedMLPRegressor
    return kind(random_state=random_state, **options)


def _net_candidates(plain: BaseEstimator) -> dict[str, Candidate]:
    grids: dict[str, Any] = {
        BASELINE: None,
        "+ input dropout": {"input_dropout": [0.05, 0.15, 0.3]},
        "+ dropout": {"dropout": [0.1, 0.25, 0.5]},
        "+ batch norm": {"batch_norm": [True]},
        "+ L1": {"l1": [3e-4, 1e-3, 3e-3, 1e-2]},
        "+ L2": {"l2": [1e-3, 1e-2, 3e-2, 1e-1]},
        "+ weight decay": {"weight_decay": [0.3, 3.0, 10.0]},
        "+ early stopping": {"early_stopping": [True], "patience": [5, 20]},
    }
    found = {name: Candidate(plain, grid, "net", "knob", raw=True) for name, grid in grids.items()}
    shared = {"batch_norm": [True], "early_stopping": [True], "patience": [30]}
    joint = [
        {**shared, **{name: [value] for name, value in zip(JOINT_KNOBS, setting, strict=True)}}
        for setting in JOINT.values()
    ]
    found["all together"] = Candidate(plain, joint, "net", "knob", raw=True, labels=tuple(JOINT))
    return found


def _bagged(
    task: str, random_state: int, net: BaseEstimator | None = None, **options: Any
) -> BaseEstimator:
    from skreg.estimators.bagging import BaggedMLPClassifier, BaggedMLPRegressor

    kind = BaggedMLPClassifier if task == "classification" else BaggedMLPRegressor
    return kind(net, random_state=random_state, **options)


def _search(task: str, random_state: int, seconds: float) -> BaseEstimator:
    from skreg.estimators.search import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV

    kind = RegularizedMLPClassifierCV if task == "classification" else RegularizedMLPRegressorCV
    return kind(max_time=seconds, random_state=random_state)


def _monte_carlo(task: str, plain: BaseEstimator, random_state: int) -> BaseEstimator:
    from skreg.comparison.monte_carlo import MonteCarloClassifier, MonteCarloRegressor

    kind = MonteCarloClassifier if task == "classification" else MonteCarloRegressor
    return kind(plain, random_state=random_state)
