"""Texts that the two searches share, so that each stands once."""

from __future__ import annotations

from skreg.estimators.forward import LARGE
from skreg.estimators.search.budget import SETTINGS
from skreg.estimators.search.folds import FEW_ROWS, FOLDS, MORE_FOLDS
from skreg.estimators.search.greedy import POOL, ROUNDS, START
from skreg.estimators.search.halving import RUNGS

COURSE = """
    Settings are drawn and trained on all folds side by side, as few stacks of nets. After {rungs} of
    ``max_iter`` those that are behind by the validation loss, pooled over the folds, are given up
    (successive halving [1]_), and when the others have ended new ones are drawn, as long as there is time. Of
    those that come to the end an ensemble is made by greedy selection on their out-of-fold predictions [2]_.
    Its members are the nets of the folds, so nothing is trained twice.
"""

PARAMETERS = """
    Parameters
    ----------
    estimator : {net} or None, default=None
        Has the parameters that no setting changes, and is the first setting; None is one with its default
        parameters. Its ``early_stopping``, ``patience`` and ``max_iter`` hold for each net, and its
        ``scoring`` watches the epochs. ``validation_fraction``, ``refit``, ``random_state``, ``max_time``,
        ``verbose`` and ``warm_start`` have no effect.
    param_distributions : dict or list of dict, default=None
        Parameters of the net and distributions or lists that settings are drawn from, as in scikit-learn's
        RandomizedSearchCV. None draws from the package's own space of all regularizers, sizes, learning
        rates and input stages, which the user guide describes.
    param_grid : dict or list of dict, default=None
        Try all points of a grid instead, as GridSearchCV does, until ``max_time`` is over.
    n_settings : int or None, default=None
        Settings to try; the estimator's own counts. With None it is {settings}, or all points of
        ``param_grid``, or with ``max_time`` as many as there is time for.
        With an int ``random_state`` and without ``max_time`` the result is the same
        whatever the speed of the machine.
    max_time : float or None, default=None
        Seconds after which `fit` is to return, with the best so far. Where a training takes so long that few
        settings could be tried, ``max_iter`` is lowered, which the settings then name. At least the first
        setting is trained for an epoch.
    cv : int, splitter, iterable or None, default=None
        As everywhere in scikit-learn; the test rows of splits may not overlap. None is {folds} folds, and
        {more_folds} where there are fewer than {few_rows:,} rows. A number of folds is shuffled, and
        stratified by class.
    scoring : "loss", str or callable, default="loss"
        What the best setting and the ensemble are chosen by, on the pooled out-of-fold predictions: the
        loss (of the estimator, negative, so that larger is better), the name of a scorer, or a callable
        ``scoring(estimator, X, y)``. What is given up on the way is decided by the loss.
    halving : bool, default=True
        Give up settings that are behind; False trains all of them to the end, as GridSearchCV does.
    ensemble : bool, default=True
        Choose an ensemble of settings; False keeps the best setting alone.
    n_repeats : int or "auto", default="auto"
        How often the chosen settings are trained on folds: the first time in the search, and then on other
        folds (where ``cv`` is a number or None) and from other seeds. The nets of all times predict together.
        With ``max_time`` as often as there is time for. "auto" is 3 for fewer than 1,000 rows, else 1. With
        ``refit="all"`` it is 1.
    refit : False or "all", default=False
        "all" trains each chosen setting again on all rows, for the number of steps that was best for its
        folds together, and predicts by one net a setting in place of one a fold: several times faster.
{parameters}    random_state : int, RandomState or None, default=None
        Seed of folds, settings and nets.
    verbose : int, default=0
        1 prints a line at each rung.
"""

ATTRIBUTES = """
    Attributes
    ----------
    best_params_ : dict
        Of the best setting; parameters that it does not name are those of ``estimator``.
    best_index_ : int
        Its number, which is its place in ``cv_results_``.
    best_score_ : float
        Score of its pooled out-of-fold predictions.
    oof_score_ : float
        The same of the ensemble. It was chosen by these predictions, so this is somewhat too good; for
        an honest figure use `cross_validate`.
    cv_results_ : dict of arrays
        In the layout of GridSearchCV, an entry a setting. ``rank_test_score`` goes by
        ``pooled_test_score``, that of the predictions of all folds together; scores are NaN for settings
        that were given up, which ``state`` says ("finished", "lost" or "failed"). ``rung``, ``n_epochs``
        and ``loss`` tell how far they came.
    history_ : DataFrame
        One row a setting and rung: setting, rung, epoch, seconds (since the search began), loss.
    ensemble_ : DataFrame
        One row a setting that was chosen: setting, weight, score, params.
    estimators_ : list of {net}
        The nets that predict, those of the folds of each chosen setting.
    estimator_weights_ : ndarray of shape (n_estimators,)
        Weights of their predictions; their sum is 1.
    module_ : torch.nn.Module
        The whole ensemble, for export: it computes {module}.
    {outside}
        What nets predict for rows that they were not trained on: of ``ensemble_``, of shape (n, ...), in the
        order of the rows (of ``X_val`` where it was passed). NaN for rows that no split predicts.
    n_splits_, n_repeats_ : int
        Splits, and how often the chosen settings were trained on them.
{attributes}    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has column names.
"""

REFERENCES = """
    References
    ----------
    .. [1] Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
       AISTATS 2016.
    .. [2] Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble Selection from Libraries of Models", ICML
       2004.
"""

NOTES = """
    Notes
    -----
    The greedy selection begins with the {start} best settings and has {rounds} rounds, among the {pool}
    best, on the predictions of all folds together. It prefers a setting that is in already where it is nearly
    as good: with few rows the predictions would else be fitted, and not the table.

    Predictions are computed in float64, as if of each row by itself. Where rows times parameters of all
    nets exceed {large:.0e}, and all nets were trained in float32, the whole call is computed in float32, in
    half the time: what is predicted differs by about 1e-6 of its range from that.
"""


def describe(head, tail, *, parameters="", attributes="", **words):
    """A numpydoc docstring out of shared and own parts."""
    words |= {
        "parameters": parameters.lstrip("\n"),
        "attributes": attributes.lstrip("\n"),
        "settings": SETTINGS,
        "folds": FOLDS,
        "more_folds": MORE_FOLDS,
        "few_rows": FEW_ROWS,
        "pool": POOL,
        "rounds": ROUNDS,
        "large": LARGE,
        "start": START,
        "rungs": ", ".join(f"{100 * part:.0f}" for part, _ in RUNGS) + " %",
    }
    shared = (COURSE + PARAMETERS + ATTRIBUTES + NOTES).format(**words)
    return head.rstrip() + "\n" + shared + REFERENCES + tail
