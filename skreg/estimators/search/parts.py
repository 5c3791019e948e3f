"""Parts of a fitted search: what predicts out of fold, and what a file of it has to hold."""

from __future__ import annotations

import copy

import pandas as pd

from skreg.estimators.probes import predicting
from skreg.estimators.search.mixture import Mixture


def parts_of_folds(search):
    """The nets of each fold, as searches whose ensemble they are, and the rows that they were not trained on.

    Parameters
    ----------
    search : BaseSearch
        Fitted, with ``refit=False``.

    Returns
    -------
    list of (BaseSearch, ndarray of int)
        In the order of the folds, those of the search first. Rows of X, or of ``X_val`` where it was passed.
    """
    nets = {}
    for number, rows in enumerate(_outside(search)):
        nets.setdefault(rows.tobytes(), (rows, []))[1].append(number)
    return [(_with_nets(search, numbers), rows) for rows, numbers in nets.values()]


def _with_nets(search, numbers):
    part = copy.copy(search)
    part.estimators_ = [search.estimators_[number] for number in numbers]
    weights = search.estimator_weights_[numbers]
    part.estimator_weights_ = weights / weights.sum()
    part._mixture = Mixture(part.estimators_, part.estimator_weights_)
    return part


def rows_of_folds(search):
    """The rows that each split of a search predicts, in its first training."""
    return _outside(search)[: search.n_splits_]


def _outside(search):
    """Of each net, the rows that it predicts out of fold."""
    if getattr(search, "_outside", None) is None:
        raise ValueError(
            "This search does not know which rows its nets were not trained on: it was copied, pickled, or "
            "fitted with refit='all'. Fit it, with refit=False."
        )
    return search._outside


def that_says(search, found):
    """A net that predicts this, and decides as a search does, whatever rows it is asked for.

    Parameters
    ----------
    search : BaseSearch
        Fitted.
    found : ndarray
        Probabilities, or numbers in units of the target.
    """
    return predicting(search._template, found, getattr(search, "_shift", None))


def to_predict(search):
    """A copy of a search with what it takes to predict: no rows, no records of its trials.

    `made_whole` makes an estimator of it again. What is in it are parameters, nets and arrays.
    """
    kept = copy.copy(search)
    for name, value in list(vars(kept).items()):
        records = isinstance(value, pd.DataFrame) or name.startswith(("oof_d", "oof_p"))
        if records or name in ("cv_results_", "_mixture", "_outside"):
            delattr(kept, name)
    # Splits may be numbers of rows, and a scorer is a function with options.
    kept.cv = kept.n_splits_
    if not isinstance(kept.scoring, str):
        kept.scoring = "loss"
    return kept


def made_whole(search):
    """What `to_predict` made, as an estimator that predicts."""
    search._mixture = Mixture(search.estimators_, search.estimator_weights_)
    return search
