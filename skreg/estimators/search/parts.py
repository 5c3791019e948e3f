"""Parts of a fitted search: what predicts out of fold, and what a file of it has to hold."""

from __future__ import annotations

import copy

import pandas as pd

from skreg.estimators.probes import predicting
from skreg.estimators.search.mixture import Mixture


def of_fold(search, number):
    """A search whose ensemble are the nets of one fold, which were not trained on the rows of that fold.

    Parameters
    ----------
    search : BaseSearch
        Fitted, with ``refit=False``.
    number : int
        Of the fold, from 0.
    """
    part = copy.copy(search)
    part.estimators_ = search.estimators_[number :: search.n_splits_]
    weights = search.estimator_weights_[number :: search.n_splits_]
    part.estimator_weights_ = weights / weights.sum()
    part._mixture = Mixture(part.estimators_, part.estimator_weights_)
    return part


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
        if records or name in ("cv_results_", "_mixture"):
            delattr(kept, name)
    # Splits are numbers of rows, and a scorer is a function with options.
    kept.cv = kept.n_splits_
    if not isinstance(kept.scoring, str):
        kept.scoring = "loss"
    return kept


def made_whole(search):
    """What `to_predict` made, as an estimator that predicts."""
    search._mixture = Mixture(search.estimators_, search.estimator_weights_)
    return search
