"""One path through the results of a search: the rows of ``cv_results_`` along one knob."""

from __future__ import annotations

from numbers import Real

import numpy as np
import pandas as pd

from ._base import check_choice
from ._style import is_wide
from .descriptions import DESCRIPTIONS


def check_metrics(cv_results, metrics):
    """The metrics to draw, all of them present.

    Parameters
    ----------
    cv_results : dict of str to array
        As `cv_results_` of a search.

    metrics : str, sequence of str or None
        ``None`` takes the first metric that judges the net, and all that describe it.

    Returns
    -------
    metrics : tuple of str

    Raises
    ------
    ValueError
        If one of them was not recorded.
    """
    prefix = "mean_test_"
    present = [key.removeprefix(prefix) for key in cv_results if key.startswith(prefix)]
    if not present:
        raise ValueError(
            "cv_results holds no 'mean_test_...'. Pass the `cv_results_` of a fitted search."
        )
    if metrics is None:
        judging = [name for name in present if name not in DESCRIPTIONS]
        describing = [name for name in DESCRIPTIONS if name in present]
        return tuple(judging[:1] + describing)
    metrics = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    for metric in metrics:
        if metric not in present:
            raise ValueError(f"metrics has {metric!r}, but the search recorded {present}.")
    return metrics


def check_param(cv_results, param):
    """The full name of the knob.

    Parameters
    ----------
    cv_results : dict of str to array
        As `cv_results_` of a search.

    param : str or None
        The full name, its last part, or ``None`` for the only knob that was varied.

    Returns
    -------
    param : str

    Raises
    ------
    ValueError
        If `param` fits no knob, or more than one.
    """
    prefix = "param_"
    params = [key.removeprefix(prefix) for key in cv_results if key.startswith(prefix)]
    if param is None:
        varied = [p for p in params if len({_key(v) for v in cv_results[prefix + p]}) > 1]
        if len(varied) == 1:
            return varied[0]
        raise ValueError(
            f"param is None, but the search varied {len(varied)} knobs {varied}. Name the one to "
            "draw."
        )
    if param in params:
        return param
    endings = [name for name in params if name.rpartition("__")[2] == param]
    if len(endings) == 1:
        return endings[0]
    raise ValueError(
        f"param is {param!r}, but the search has {params}. Use one of these names"
        + (f"; {endings} all end in it." if endings else ".")
    )


def read_path(cv_results, param, metrics, others):
    """One row of results for each value of the knob.

    Parameters
    ----------
    cv_results : dict of str to array
        As `cv_results_` of a search.

    param : str
        The full name of the knob.

    metrics : tuple of str
        The metrics to keep; the first one says which candidate is best.

    others : {"best", "profile"}
        Hold the other knobs at the best candidate's values, or take the best candidate at each
        value of the knob.

    Returns
    -------
    path : DataFrame
        The columns ``value``, ``n_folds`` and the mean and spread of each metric; numbers in
        ascending order, other values in the order of the search.

    Raises
    ------
    ValueError
        If the path has only one value.
    """
    results = pd.DataFrame({"value": pd.Series(list(cv_results[f"param_{param}"]), dtype=object)})
    results["n_folds"] = sum(_is_fold(key, metrics[0]) for key in cv_results)
    for metric in metrics:
        for part in ("test", "train"):
            for kind in ("mean", "std"):
                key = f"{kind}_{part}_{metric}"
                if key in cv_results:
                    results[key] = np.asarray(cv_results[key], dtype=float)
    # With a list of grids some candidates do not have the knob; these are not on the path.
    results = results[~np.ma.getmaskarray(cv_results[f"param_{param}"])]
    score = results[f"mean_test_{metrics[0]}"].fillna(-np.inf)
    if others == "best":
        results = results.loc[_same_others(cv_results, param, score.idxmax())]
    keys = [_key(value) for value in results["value"]]
    path = results.loc[score[results.index].groupby(keys, sort=False).idxmax()]
    if len(path) < 2:
        remedy = (
            "Pass others='profile' for the best candidate at each value."
            if others == "best"
            else "Search more values of it."
        )
        raise ValueError(f"{param!r} takes only one value on this path. {remedy}")
    if _are_numbers(path["value"]):
        path = path.assign(value=path["value"].astype(float)).sort_values("value")
    return path.reset_index(drop=True)


def _is_fold(key, metric):
    return key.startswith("split") and key.endswith(f"_test_{metric}")


def _same_others(cv_results, param, best):
    """Which candidates have the other knobs where candidate `best` has them."""
    keep = ~np.ma.getmaskarray(cv_results[f"param_{param}"])
    for key, values in cv_results.items():
        if key.startswith("param_") and key != f"param_{param}":
            keys = np.array([_key(value) for value in values])
            keep &= keys == keys[best]
    return np.flatnonzero(keep)


def is_number(value):
    """Whether a value of a knob is a number; a truth value is none."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _are_numbers(values):
    return all(is_number(value) and np.isfinite(value) for value in values)


def _key(value):
    """A text that is the same for equal values of a knob and differs for others."""
    return repr(float(value)) if is_number(value) else repr(value)


def value_label(value):
    """A value of a knob as the figure shows it."""
    return f"{float(value):.6g}" if is_number(value) else str(value)


def check_scale(scale, values):
    """The scale of the knob's axis.

    Parameters
    ----------
    scale : {"auto", "linear", "log", "symlog", "categories"}
        What the user asked for.

    values : Series
        The values of the knob.

    Returns
    -------
    scale : {"linear", "log", "symlog", "categories"}

    Raises
    ------
    ValueError
        If `scale` is not known or cannot show the values.
    """
    scales = ("auto", "linear", "log", "symlog", "categories")
    check_choice("scale", scale, scales)
    if not _are_numbers(values):
        if scale not in ("auto", "categories"):
            raise ValueError(
                f"scale is {scale!r}, but the knob has values that are not finite numbers. Use "
                "scale='categories'."
            )
        return "categories"
    values = values.to_numpy(dtype=float)
    if scale == "log" and values.min() <= 0:
        raise ValueError(
            "scale is 'log', but the knob has values of zero or less. Use scale='symlog'."
        )
    if scale != "auto":
        return scale
    if not is_wide(values):
        return "linear"
    return "log" if values.min() > 0 else "symlog"
