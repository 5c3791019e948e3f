"""What is compared: an estimator with the strengths to choose from, and what it is compared for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterGrid

__all__ = ["BASELINE", "Candidate", "prepared_for"]

BASELINE = "plain net"
GRIDS = ("full", "short", "single")
ROLES = ("knob", "contender", "both")


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
    kind : {"dummy", "linear", "net", "boosting", "ensemble", "search", "own"}, default="own"
        How the summary treats it, and how simple the recommendation takes it to be.
    role : {"knob", "contender", "both"}, default="both"
        What it is compared for. A knob is asked whether it pays against the baseline, a contender
        whether it is what one should take. Each question is corrected for the candidates that it is
        about, so the two do not cost each other certainty.
    strength_from : str or None, default=None
        Name of another candidate whose chosen strength this one takes over, if that one is compared
        as well.
    raw : bool, default=False
        Whether the estimator takes the table as it is and prepares it by itself.
    labels : tuple of str, default=()
        Names of the strengths, one for each point of `grid`; without them the values are shown.
    seconds : float or None, default=None
        Seconds that a fit takes by its own setting, such as ``max_time`` of a search. Such a
        candidate is trained by itself, after all others. None measures the seconds.

    Attributes
    ----------
    points : tuple of dict
        The points of `grid`, or one empty dict.

    Raises
    ------
    ValueError
        If `role` is not known, or `labels` are not as many as the strengths.

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
    role: str = "both"
    strength_from: str | None = None
    raw: bool = False
    labels: tuple[str, ...] = ()
    seconds: float | None = None
    points: tuple[dict[str, Any], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        points = [{}] if self.grid is None else list(ParameterGrid(self.grid))
        object.__setattr__(self, "points", tuple(points))
        if self.role not in ROLES:
            raise ValueError(f"role={self.role!r}: allowed are {', '.join(map(repr, ROLES))}.")
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
    if candidate.kind in ("own", "dummy", "boosting"):
        return candidate
    if candidate.role == "contender":  # with its own defaults, scales among them
        return replace(candidate, raw=False)
    names = [n for n in candidate.estimator.get_params() if n.split("__")[-1] == "scale_features"]
    estimator = clone(candidate.estimator).set_params(**dict.fromkeys(names))
    return replace(candidate, estimator=estimator, raw=False)
