"""What is compared: named estimators, each with the strengths to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import ParameterGrid

__all__ = ["Candidate", "default_candidates", "resolve_candidates"]

BASELINE = "plain net"
DUMMY = "dummy"
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
GRIDS = ("full", "short", "single")
# settings of all knobs at once, together with batch norm and early stopping with a patience of 30
JOINT_KNOBS = ("dropout", "input_dropout", "l1", "l2", "weight_decay")
JOINT = {
    "light": (0.1, 0.0, 0.0, 0.0, 0.1),
    "medium": (0.25, 0.05, 3e-5, 1e-4, 0.3),
    "sparse": (0.25, 0.1, 1e-3, 1e-4, 0.1),
    "strong": (0.5, 0.2, 1e-4, 1e-3, 1.0),
}


@dataclass(frozen=True)
class Candidate:
    """One row of a comparison.

    Parameters
    ----------
    estimator : scikit-learn estimator
        Cloned before every fit.
    grid : dict, list of dict or None, default=None
        Strengths to choose from by inner cross-validation, as in GridSearchCV. None fits the
        estimator as it is.
    kind : {"dummy", "linear", "net", "ensemble", "own"}, default="own"
        How the summary treats it.
    strength_from : str or None, default=None
        Name of another candidate whose chosen strength this one takes over, if that one is compared
        as well.
    raw : bool, default=False
        Whether the estimator takes the table as it is and prepares it by itself.
    labels : tuple of str, default=()
        Names of the strengths, one for each point of `grid`; without them the values are shown.

    Attributes
    ----------
    points : tuple of dict
        The points of `grid`, or one empty dict.

    Raises
    ------
    ValueError
        If there are not as many labels as points.

    See Also
    --------
    skreg.compare : Takes a dict of names and candidates, or of names and estimators.
    default_candidates : Those that it takes without being told.

    Examples
    --------
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.comparison import Candidate
    >>> net = RegularizedMLPClassifier(batch_norm=False)
    >>> sparse = Candidate(net, {"l1": [0.001, 0.01]}, kind="net")
    >>> [sparse.label(point) for point in sparse.points]
    ['l1=0.001', 'l1=0.01']
    """

    estimator: BaseEstimator
    grid: Any = None
    kind: str = "own"
    strength_from: str | None = None
    raw: bool = False
    labels: tuple[str, ...] = ()
    points: tuple[dict[str, Any], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        points = [{}] if self.grid is None else list(ParameterGrid(self.grid))
        object.__setattr__(self, "points", tuple(points))
        if self.labels and len(self.labels) != len(points):
            raise ValueError(
                f"labels={self.labels!r} names {len(self.labels)} strengths, but the grid has "
                f"{len(points)}. Give one label for each point."
            )

    def label(self, point: dict[str, Any]) -> str:
        """Write a strength for a reader, without what is the same in all of them.

        Parameters
        ----------
        point : dict
            One of `points`.

        Returns
        -------
        str
            Such as "dropout=0.25"; empty where there is nothing to choose.
        """
        if self.labels:
            return self.labels[self.points.index(point)]
        varied = [
            name for name in point if len({repr(other.get(name)) for other in self.points}) > 1
        ]
        return ", ".join(f"{name.split('__')[-1]}={_shown(point[name])}" for name in varied)

    def shortened(self, size: str) -> Candidate:
        """Return the candidate with fewer strengths.

        Parameters
        ----------
        size : {"full", "short", "single"}
            All strengths, the two around the middle, or the middle one.

        Returns
        -------
        Candidate
        """
        n_points, middle = len(self.points), len(self.points) // 2
        keep = {"full": n_points, "short": 2, "single": 1}[size]
        if n_points <= keep:
            return self
        chosen = [middle] if keep == 1 else [max(0, middle - 1), min(n_points - 1, middle + 1)]
        return replace(
            self,
            grid=[{key: [value] for key, value in self.points[k].items()} for k in chosen],
            # the values that are left may all be equal, but are shown as before
            labels=tuple(self.label(self.points[k]) for k in chosen),
        )


def _shown(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if is_number else str(value)


def default_candidates(
    task: str,
    *,
    hidden_layer_sizes: tuple[int, ...] = (64, 64),
    max_iter: int = 100,
    random_state: int = 0,
) -> dict[str, Candidate]:
    """The candidates that `compare` takes by default.

    Every net but "all together" is the plain net with one knob turned on, so that its row shows
    what that knob is worth by itself. "all together" has batch norm, early stopping and all the others
    at once, and chooses among four settings: "light", "medium", "sparse" (more L1) and "strong".
    All take the table as it is and standardise its columns.
    All nets have the same seed: in a batched fit they then see the same minibatches.

    Parameters
    ----------
    task : {"classification", "regression"}
        What the estimators are for.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of each hidden layer, the same in all nets.
    max_iter : int, default=100
        Epochs of every net.
    random_state : int, default=0
        Seed of every candidate.

    Returns
    -------
    dict of str to Candidate
        Extend it with ``{**default_candidates(task), "my model": estimator}``.

    Raises
    ------
    ValueError
        If `task` is not known.

    See Also
    --------
    skreg.compare : Takes them, and others.
    Candidate : One of them.

    Examples
    --------
    >>> from skreg.comparison import default_candidates
    >>> list(default_candidates("regression"))[:4]
    ['dummy', 'linear L2', 'linear L1', 'plain net']
    """
    if task not in ("classification", "regression"):
        raise ValueError(f"task={task!r}: allowed are 'classification' and 'regression'.")
    plain = _net(task, hidden_layer_sizes, max_iter, random_state)
    found = {DUMMY: _dummy(task, random_state), **_linear_candidates(task)}
    found.update(_net_candidates(plain))
    bagged = _bagged(task, plain, random_state)
    found["bagged net"] = Candidate(bagged, kind="ensemble", raw=True)
    found["dropout as ensemble"] = Candidate(
        _monte_carlo(task, plain, random_state),
        {"estimator__dropout": [0.1, 0.25, 0.5]},
        kind="ensemble",
        strength_from="+ dropout",
        raw=True,
    )
    return found


def prepared_for(candidate: Candidate) -> Candidate:
    """The same for a table that is prepared by what stands in front of every candidate.

    Parameters
    ----------
    candidate : Candidate
        One of the defaults; candidates of the user's stay as they are.

    Returns
    -------
    Candidate
    """
    if candidate.kind in ("own", "dummy"):
        return candidate
    names = [n for n in candidate.estimator.get_params() if n.split("__")[-1] == "scale_features"]
    estimator = clone(candidate.estimator).set_params(**dict.fromkeys(names))
    return replace(candidate, estimator=estimator, raw=False)


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


def _net(
    task: str, hidden_layer_sizes: tuple[int, ...], max_iter: int, random_state: int
) -> BaseEstimator:
    from skreg.estimators.mlp import RegularizedMLPClassifier, RegularizedMLPRegressor

    kind = RegularizedMLPClassifier if task == "classification" else RegularizedMLPRegressor
    return kind(hidden_layer_sizes, max_iter=max_iter, random_state=random_state, **PLAIN)


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
    found = {name: Candidate(plain, grid, "net", raw=True) for name, grid in grids.items()}
    shared = {"batch_norm": [True], "early_stopping": [True], "patience": [30]}
    joint = [
        {**shared, **{name: [value] for name, value in zip(JOINT_KNOBS, setting, strict=True)}}
        for setting in JOINT.values()
    ]
    found["all together"] = Candidate(plain, joint, "net", raw=True, labels=tuple(JOINT))
    return found


def _bagged(task: str, plain: BaseEstimator, random_state: int) -> BaseEstimator:
    from skreg.estimators.bagging import BaggedMLPClassifier, BaggedMLPRegressor

    kind = BaggedMLPClassifier if task == "classification" else BaggedMLPRegressor
    return kind(plain, n_estimators=16, random_state=random_state)


def _monte_carlo(task: str, plain: BaseEstimator, random_state: int) -> BaseEstimator:
    from skreg.comparison.monte_carlo import MonteCarloClassifier, MonteCarloRegressor

    kind = MonteCarloClassifier if task == "classification" else MonteCarloRegressor
    return kind(plain, random_state=random_state)


def resolve_candidates(candidates: Any, task: str, **options: Any) -> dict[str, Candidate]:
    """Turn the parameter `candidates` into named candidates.

    Parameters
    ----------
    candidates : "default", iterable of str, or dict of str to estimator or Candidate
        Names choose among the defaults; "+ dropout" may be written "dropout", "plain net" "plain".
    task : {"classification", "regression"}
        What they are for.
    **options : keyword arguments of `default_candidates`

    Returns
    -------
    dict of str to Candidate

    Raises
    ------
    ValueError
        If a name is not known, or fewer than two candidates are given.
    TypeError
        If a value is not an estimator.
    """
    if isinstance(candidates, Mapping):
        found = {str(name): _as_candidate(name, value) for name, value in candidates.items()}
    else:
        known = default_candidates(task, **options)
        if isinstance(candidates, str):
            names = list(known) if candidates == "default" else [candidates]
        elif isinstance(candidates, Iterable):
            names = list(candidates)
        else:
            raise TypeError(
                f"candidates={candidates!r}: give 'default', a list of names, or a dict of "
                "estimators by name."
            )
        found = {}
        for name in names:
            full = _full_name(name, known)
            found[full] = known[full]
    if len(found) < 2:
        raise ValueError(
            f"candidates gives {len(found)} to compare: give two or more, for example "
            "['plain net', '+ dropout']."
        )
    return found


def _as_candidate(name: str, value: Any) -> Candidate:
    if isinstance(value, Candidate):
        return value
    if not (hasattr(value, "fit") and hasattr(value, "get_params")) or isinstance(value, type):
        raise TypeError(
            f"candidates[{name!r}] is {value!r}, which is not a scikit-learn estimator. Give an "
            "estimator object or a skreg.comparison.Candidate."
        )
    is_dummy = isinstance(value, DummyClassifier | DummyRegressor)
    return Candidate(value, kind="dummy" if is_dummy else "own")


def _full_name(name: str, known: Iterable[str]) -> str:
    wanted = _bare(name)
    for full in known:
        if wanted in (_bare(full), _bare(full).removesuffix("net")):
            return full
    raise ValueError(
        f"candidates: {name!r} is not known. Allowed are {', '.join(map(repr, known))}."
    )


def _bare(name: str) -> str:
    return "".join(letter for letter in str(name).lower() if letter.isalnum())
