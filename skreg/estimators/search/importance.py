"""Which knobs moved the losses of a search."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold

from skreg.estimators.search.knobs import is_number

#: Settings without which nothing can be told.
FEWEST = 20

#: Folds of the settings in each repeat, trees of a forest, and settings in a leaf (a search has few settings
#: and many knobs, of which deep trees learn noise), and permutations in each fold.
_FOLDS, _TREES, _LEAF, _PERMUTATIONS = 5, 30, 3, 4

_MAX_INT = np.iinfo(np.int32).max


def importance_table(knobs, target, n_repeats, rng):
    """What the error of a forest over settings grows by where it is given wrong values of a knob.

    Parameters
    ----------
    knobs : DataFrame of shape (n_settings, n_knobs), of objects
        As `skreg.estimators.search.knobs.knob_table` makes it.
    target : ndarray of float, shape (n_settings,)
        How good each setting is, larger is better.
    n_repeats : int
    rng : numpy.random.RandomState

    Returns
    -------
    DataFrame
        knob, importance, std, best; the most important first. ``attrs`` has ``n_settings`` and
        ``explained``.

    Raises
    ------
    ValueError
        For fewer than `FEWEST` settings, or where no knob varies.
    """
    if len(target) < FEWEST:
        raise ValueError(
            f"knob_importance needs at least {FEWEST} settings that were compared with each other, and this "
            f"search has {len(target)}: of fewer, chance tells more than the knobs do. Search with a larger "
            "n_settings or max_time."
        )
    if knobs.empty:
        raise ValueError(
            "knob_importance needs knobs, and all settings of this search have the same values. Name "
            "parameters with several values in param_distributions or param_grid."
        )
    variance = np.var(target)
    if not variance:
        raise ValueError("All settings of this search are equally good: no knob moved the loss.")
    drops, errors = _drops_and_errors(knobs, target, n_repeats, rng)
    # Permuting adds twice the variance that is due to the knob: that of its value, and that of the wrong one.
    drops = drops / (2 * variance)
    table = pd.DataFrame(
        {
            "knob": list(knobs),
            "importance": drops.mean(axis=0),
            "std": _standard_error(drops),
            "best": [_best(knobs[name], target) for name in knobs],
        }
    )
    table = table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
    table.attrs.update(n_settings=len(target), explained=float(1 - errors.mean() / variance))
    return table


def _drops_and_errors(knobs, target, n_repeats, rng):
    """Of each fold of each repeat: growth of the squared error by each knob, and the error without.

    What `sklearn.inspection.permutation_importance` finds, but predicted at once: it is made of many small
    predictions, which take a forest of few rows ten times as long.
    """
    codes, features = zip(*(_coded(knobs[name]) for name in knobs), strict=True)
    codes = np.column_stack(codes)
    drops, errors = [], []
    for _ in range(n_repeats):
        seed = rng.randint(_MAX_INT)
        for train, test in KFold(_FOLDS, shuffle=True, random_state=seed).split(codes):
            forest = RandomForestRegressor(
                _TREES, min_samples_leaf=_LEAF, max_features=1 / 3, random_state=seed
            )
            forest.fit(_looked_up(codes[train], features), target[train])
            tables = _permuted(codes[test], rng)
            found = forest.predict(_looked_up(tables.reshape(-1, len(features)), features))
            squares = (found.reshape(*tables.shape[:-1]) - target[test]) ** 2
            error = squares.mean(axis=-1)
            drops.append((error[:, 1:] - error[:, :1]).mean(axis=0))
            errors.append(error[0, 0])
    return np.array(drops), np.array(errors)


def _permuted(codes, rng):
    """Some times: the codes, and for each knob a copy in which it is permuted; (times, 1 + k, n, k)."""
    k = codes.shape[1]
    tables = np.tile(codes, (_PERMUTATIONS, 1 + k, 1, 1))
    for copies in tables:
        for knob in range(k):
            copies[1 + knob, :, knob] = rng.permutation(codes[:, knob])
    return tables


def _standard_error(drops):
    """Of the mean over folds of repeats, which share settings (Nadeau and Bengio 2003)."""
    return np.sqrt(drops.var(axis=0, ddof=1) * (1 / len(drops) + 1 / (_FOLDS - 1)))


def _coded(values):
    """A knob as one column of codes, so that it is permuted as a whole, and the features of each code.

    Numbers are a feature as they are, and each other value is one of its own: "auto", or None, may stand
    among numbers.
    """
    keys = values.map(repr)
    firsts = ~keys.duplicated()
    codes = pd.Index(keys[firsts]).get_indexer(keys)
    numbers = pd.to_numeric(values[firsts].where(values[firsts].map(is_number))).astype(float)
    names = keys[firsts].where(numbers.isna())
    columns = [names.eq(name) for name in names.dropna()]
    if numbers.notna().any():
        columns.insert(0, numbers.fillna(numbers.median()))
    return codes, np.column_stack(columns).astype(float)


def _looked_up(codes, features):
    return np.hstack([own[column] for own, column in zip(features, codes.T, strict=True)])


def _best(values, target):
    """Where the knob is in the best quarter of the settings: the middle half of numbers, else a value."""
    if not values.map(is_number).all():
        # The value whose settings are best in the mean, of those that are not rare.
        of_value = (
            pd.Series(target, index=values.index).groupby(values.map(str)).agg(["mean", "size"])
        )
        often = of_value[of_value["size"] >= min(_LEAF, of_value["size"].max())]
        return str(often["mean"].idxmax())
    best = values[target >= np.quantile(target, 0.75)].astype(float)
    low, high = np.quantile(best, [0.25, 0.75], method="nearest")
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
