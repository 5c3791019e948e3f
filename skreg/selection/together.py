"""Fits that are trained together, whatever the user has set for joblib."""

from __future__ import annotations

import warnings
from contextlib import contextmanager, nullcontext

from joblib import parallel_config
from joblib.parallel import get_active_backend
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import Parallel, delayed

from skreg.parallel.backend import SkregBackend

#: What a fit along a path may warn of, although it was asked for: a strength that leaves hardly a column,
#: fewer epochs than a net by itself would have.
_EXPECTED = (
    r"On the validation rows this .* is worse than a constant",
    r"l[12] .* hidden layers with .*_norm=True",
)


def run_together(function, calls):
    """Results of a function for many arguments, under the batched backend unless the user chose another.

    Parameters
    ----------
    function : callable
    calls : iterable of tuple
        Arguments of each call.

    Returns
    -------
    list
    """
    with _backend(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        return Parallel()(delayed(function)(*call) for call in calls)


@contextmanager
def _backend():
    # `parallel_config` is in force from the moment it is made, so it is made where it is entered.
    with nullcontext() if _is_chosen() else parallel_config(backend="skreg"):
        yield


def _is_chosen():
    """Whether fits run under a backend that the user chose, or join the rounds around them."""
    active, n_jobs = get_active_backend()
    if isinstance(active, SkregBackend):
        return True
    if active.nesting_level:
        return False  # what joblib gives to tasks of another backend
    return type(active).__name__ != "LokyBackend" or n_jobs not in (None, 1)
