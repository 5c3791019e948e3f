"""The settings of a search as a table: a row a setting, a column a knob, and how good each setting is."""

from __future__ import annotations

from numbers import Real

import numpy as np
import pandas as pd
from scipy.stats import rankdata

#: Parameters that are one knob with several places, since at most one of them is true.
_NORMS = ("batch_norm", "layer_norm")


def knob_table(settings, defaults):
    """What each setting has each knob at.

    Parameters
    ----------
    settings : list of dict
        Parameters that are set to other values than the estimator's.
    defaults : dict
        The estimator's own values.

    Returns
    -------
    DataFrame of shape (n_settings, n_knobs), of objects
        The knobs that are not the same in all settings, by name. A parameter is a knob, but for these:
        ``hidden_layer_sizes`` is the two knobs ``depth`` and ``width`` (that of the widest layer), and
        ``batch_norm`` and ``layer_norm`` are one, ``norm``. A list with an entry a layer is its largest
        entry. What is no number, text, truth value or None is a text.
    """
    names = sorted({name for setting in settings for name in setting})
    columns = {}
    for name in names:
        values = [setting.get(name, defaults.get(name)) for setting in settings]
        if name == "hidden_layer_sizes":
            sizes = [np.atleast_1d(np.asarray(value, dtype=int)) for value in values]
            columns["depth"] = [len(size) for size in sizes]
            columns["width"] = [int(size.max(initial=0)) for size in sizes]
        else:
            columns[name] = [_plain(value) for value in values]
    if set(_NORMS) <= set(columns):
        pairs = zip(*(columns.pop(name) for name in _NORMS), strict=True)
        columns["norm"] = [_norm(pair) for pair in pairs]
    kept = {name: values for name, values in columns.items() if len(set(map(repr, values))) > 1}
    return pd.DataFrame(
        {name: pd.Series(values, dtype=object) for name, values in kept.items()},
        index=range(len(settings)),
    )


def _plain(value):
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str | Real):
        return value
    if isinstance(value, list | tuple | np.ndarray) and len(value):
        entries = np.asarray(value, dtype=object).ravel()
        if all(is_number(entry) for entry in entries):
            return _plain(max(entries))
    return repr(value)


def _norm(pair):
    for name, on in zip(_NORMS, pair, strict=True):
        if on:
            return name
    return None


def is_number(value):
    """Whether a value of a knob is a number; a truth value is none."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def standing(results, history):
    """How good each setting is among all, those that were given up on the way included.

    Losses of different rungs cannot be compared, so they are not. All settings that came to the first
    rung hold places by their losses there. Those that went on hand out the places which they held among
    themselves, by their losses at the next rung; and so on to the end of training. So each setting is
    compared with all others at the last rung to which both came, and one that was given up late stands
    higher only if it was among the better ones where it was compared with the others.

    Parameters
    ----------
    results : dict of arrays
        As ``cv_results_``.
    history : DataFrame
        As ``history_``.

    Returns
    -------
    ndarray of float, shape (n_settings,)
        1 for the best, 0 for the worst, even steps between them; the mean where losses are equal, which
        those that diverged are. NaN for settings that failed or that were never compared because time was
        over.
    """
    rung, state = np.asarray(results["rung"]), np.asarray(results["state"])
    last = int(rung.max(initial=0))
    losses = _losses_at_rungs(history, len(rung), last + 1)
    ended = (rung == last) & ((state == "finished") | np.isinf(losses[:, last]))
    compared = [*(rung > level for level in range(last)), ended]
    places = np.full(len(rung), np.nan)
    n = np.count_nonzero(compared[0])
    places[compared[0]] = np.arange(n)
    for level, here in enumerate(compared):
        places[here] = _handed_out(np.sort(places[here]), losses[here, level])
    return 1 - places / max(n - 1, 1)


def _losses_at_rungs(history, n_settings, n_levels):
    """Loss of each setting at each rung and at the end: where training ended before, the last one."""
    losses = np.full((n_settings, n_levels), np.nan)
    for number, own in history.groupby("setting")["loss"]:
        own = own.fillna(np.inf).to_numpy()
        losses[number] = own[np.minimum(np.arange(n_levels), len(own) - 1)]
    return losses


def _handed_out(places, losses):
    """Places by the order of the losses; equal losses get the mean of theirs."""
    order = rankdata(losses, method="ordinal").astype(int) - 1
    groups = pd.Series(places[order]).groupby(rankdata(losses, method="dense"))
    return groups.transform("mean").to_numpy()
