"""The scorers of early stopping: what they are shown, and what a metric without a value leads to.

Scorers of scikit-learn's own classes only ask for predictions of the rows that they are given, and the
outputs of these are at hand after each epoch. Any other scorer may look at what it likes: it is given a
fitted copy of the estimator, with the weights of the epoch, and the rows as the user passed them.
"""

from __future__ import annotations

import builtins
import contextlib
import copy
import math
import numbers
import warnings

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import check_scoring
from sklearn.metrics._scorer import _BaseScorer

from skreg.estimators.fitted import set_fitted
from skreg.estimators.given_rows import KnownRows
from skreg.estimators.probes import good_and_bad, is_poor, perfect, with_outputs
from skreg.estimators.rows import takes_weights, warn
from skreg.train.validation import Undefined

# -- the estimators that a scorer is given -------------------------------------------------------------


def _copied(value):
    if isinstance(value, (np.ndarray, pd.DataFrame)) or sp.issparse(value):
        return value.copy()
    return copy.deepcopy(value)


def _own_copy(estimator):
    """A copy with arrays of its own, so that to change it changes nothing else."""
    own = copy.copy(estimator)
    values = vars(estimator).items()
    vars(own).update({k: v.copy() for k, v in values if isinstance(v, np.ndarray)})
    return own


class Fitted:
    """Makes copies of a net that are fitted with a result of its job.

    Parameters
    ----------
    net : BaseRegularizedMLP
    job : Job
    """

    def __init__(self, net, job):
        self.net = net
        self.job = job

    def __call__(self, result):
        """A fitted copy; to change it changes nothing else."""
        fitted = _own_copy(self.net)
        set_fitted(fitted, self.job, result)
        return fitted


class NetView:
    """Shows a scorer the net that there would be if training ended with this epoch."""

    def __init__(self, net):
        self.net = net

    def __call__(self, nets, called):
        """The estimator, and what it is known to put out for the validation rows."""
        (standing,) = nets()
        return Fitted(self.net, standing.job)(standing.result()), standing.outputs


class EnsembleView:
    """Shows a scorer the ensemble that there would be if training ended with this epoch.

    Parameters
    ----------
    ensemble : BaseBaggedMLP
        Knows its columns and its target.
    fitted : bool
        Whether its members have weights; without, they know the outputs of the validation rows only.
    """

    def __init__(self, ensemble, fitted):
        self.ensemble = ensemble
        self.fitted = fitted

    def __call__(self, nets, called):
        """The estimator, and what its members are known to put out for the validation rows."""
        # The engine has an order of its own.
        pairs = ((_score_of(standing.job, called), standing) for standing in nets())
        pairs = sorted(pairs, key=lambda pair: pair[0].place)
        scores, standings = zip(*pairs, strict=True)
        ensemble = _own_copy(self.ensemble)
        members = [score.net for score in scores]
        if self.fitted:
            results = [standing.result() for standing in standings]
            members = [
                Fitted(score.net, standing.job)(result)
                for score, standing, result in zip(scores, standings, results, strict=True)
            ]
            ensemble._take_history(results)
        ensemble._take_members(members, [score.place for score in scores])
        return ensemble, [standing.outputs for standing in standings]


def _score_of(job, called):
    """The score of a member that messages name so, which knows the net and its place."""
    scores = [job.score, *(measure.score for measure in job.measures)]
    return next(score for score in scores if getattr(score, "called", None) == called)


# -- scores --------------------------------------------------------------------------------------------


class Score:
    """A `skreg.train.job.Job.score`: calls a scorer of scikit-learn's kind.

    A class and not a closure: it travels with its job to the workers of an executor.

    Parameters
    ----------
    net : BaseRegularizedMLP
        The net of the job, which knows its target and has no weights.
    scorer : callable
    X, y : array-likes
        Validation rows and their targets in the user's terms.
    options : dict
        Of the scorer's call: weights, where it takes them.
    view : NetView or EnsembleView or None
        What makes the estimator that the scorer is given; None gives it the net with the outputs.
    place : int
        Number of a member in its ensemble.
    called : str, optional
        How messages name the scorer; by default as the ``scoring`` of the net.
    """

    def __init__(self, net, scorer, X, y, options, view=None, place=0, called=None):
        self.called = named(net.scoring) if called is None else called
        self.net = net
        self.scorer = scorer
        self.X = X
        self.y = y
        self.options = options
        self.view = view
        self.place = place
        self.calls = 0

    @property
    def shows_nets(self):
        """Whether it is called with the nets as they stand."""
        return self.view is not None

    def __call__(self, raw, nets=None):
        """Score of raw outputs (n, o).

        Raises
        ------
        Undefined
            Where the metric has no value for these outputs.
        Exception
            Where the scorer fails, or gives back something other than a number; names the scorer.
        """
        self.calls += 1
        if self.view is None:
            return self._call(with_outputs(self.net, raw), self.X, self.y, self.options)
        estimator, outputs = self.view(nets, self.called)
        X, y, options = self.X, self.y, self.options
        if not _asks_for_predictions_only(self.scorer):
            # What is done to these must not reach the next epoch.
            X, y, options = _copied(X), _copied(y), {k: _copied(v) for k, v in options.items()}
        estimator._known = KnownRows(X, self.X, outputs)
        try:
            return self._call(estimator, X, y, options)
        finally:
            vars(estimator).pop("_known", None)

    def _call(self, estimator, X, y, options):
        try:
            value = self.scorer(estimator, X, y, **options)
        except UndefinedMetricWarning as reason:  # where warnings are errors
            raise Undefined(str(reason)) from reason
        except Exception as error:
            if _is_scikit_learns(self.scorer) and not self._fails_on_any_rows():
                raise Undefined(str(error)) from error
            raise renamed(error, self._failure(error)) from error
        return self._number(value)

    def _number(self, value):
        if hasattr(value, "item"):
            with contextlib.suppress(ValueError, TypeError, RuntimeError):
                value = value.item()
        if not isinstance(value, numbers.Real):
            raise ValueError(
                f"{self.called} returned {_short(value)}, which is not a number. A scorer is "
                "called with the estimator, X and y, and returns one number; larger is better."
            )
        return float(value)

    def _failure(self, error):
        text = f"{self.called} raised {type(error).__name__} in epoch {self.calls or 1}"
        missing = _missing_classes(self.net, self.y)
        if missing:
            text += f", where the validation rows have {missing}"
        better = "Choose a metric for such targets" if _is_scikit_learns(self.scorer) else (
            "Correct the scorer"
        )  # fmt: skip
        more = ", or hold out more rows by validation_fraction" if missing else ""
        without = "set scoring='loss'" if self.called.startswith("scoring=") else "leave it out"
        return f"{text}: {str(error).rstrip('.')}. {better}{more}, or {without}."

    def _fails_on_any_rows(self):
        """Whether the scorer fails even on perfect predictions of every class, or of several numbers."""
        encoded, net = perfect(self.net)
        try:
            self.scorer(net, self.X, self.net._decode_target(encoded))
        except Exception:
            return True
        return False

    def undefined(self, encoded):
        """Why the metric cannot tell good predictions of the validation rows from bad ones; or None.

        Only where the rows give reason to ask: they lack a class, or are all alike. An error is raised
        where the scorer does not suit the target at all.
        """
        if not (_is_scikit_learns(self.scorer) and is_poor(self.net, encoded)):
            return None
        scores = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for estimator in good_and_bad(self.net, encoded):
                try:
                    scores.append(float(self.scorer(estimator, self.X, self.y, **self.options)))
                except Exception as error:
                    if self._fails_on_any_rows():
                        raise renamed(error, self._failure(error)) from error
                    return str(error)
        good, bad = scores
        if not (math.isfinite(good) and math.isfinite(bad)):
            return f"it is {good}"
        return f"it is {good:g} whatever is predicted" if good == bad else None


def without_fit(net):
    """A copy of a net without what an earlier fit has left in it."""
    own = copy.copy(net)
    for name in ("_params", "_optimiser", "_history"):
        vars(own).pop(name, None)
    return own


def make_score(net, valid, given, *, ensemble=None, scoring=None, called=None):
    """The score of a job whose net has ``scoring`` other than "loss", or of one of its metrics.

    Parameters
    ----------
    net : BaseRegularizedMLP
    valid : tuple of X, y and weight
        Validation rows, or others, as the engine gets them, y as the net encodes it.
    given : GivenRows
        The same rows as the user passed them.
    ensemble : BaseBaggedMLP, optional
        What the net is a member of, where its members are judged together.
    scoring : str or callable, optional
        By default the ``scoring`` of the net.
    called : str, optional
        How messages name it.

    Returns
    -------
    Score
    """
    X, y, weight = valid
    scorer = check_scoring(net, net.scoring if scoring is None else scoring)
    options = {}
    if weight is not None and takes_weights(scorer):
        options["sample_weight"] = weight
    simple = _asks_for_predictions_only(scorer)
    own, view = without_fit(net), None
    if ensemble is not None and (not simple or ensemble._averages_predictions):
        view = EnsembleView(ensemble, fitted=not simple)
    elif not simple:
        view = NetView(own)
    # A scorer of predictions hands its rows on to the estimator, which has the outputs: one will do.
    shown = X[:1] if simple else given.take()
    return Score(own, scorer, shown, net._decode_target(y), options, view, called=called)


def set_score(job, score, encoded):
    """Let a score judge the epochs of a job, unless it is undefined for the rows: then the loss does.

    Parameters
    ----------
    job : Job
    score : Score
    encoded : ndarray
        Targets of the validation rows.

    Returns
    -------
    str or None
        Why it is undefined.
    """
    reason = score.undefined(encoded)
    if reason is None:
        job.score, job.shows_nets = score, score.shows_nets
    return reason


def _asks_for_predictions_only(scorer):
    """Whether all that a scorer does to the estimator is to ask for predictions of the rows given."""
    return isinstance(scorer, _BaseScorer) and type(scorer).__module__.startswith("sklearn.")


def _is_scikit_learns(scorer):
    """Whether the metric is one of scikit-learn's."""
    function = getattr(scorer, "_score_func", None)
    module = getattr(function, "__module__", None) or ""
    return _asks_for_predictions_only(scorer) and module.startswith("sklearn.")


# -- what is said --------------------------------------------------------------------------------------


def named(scoring):
    """How messages name a scorer."""
    name = repr(scoring) if isinstance(scoring, str) else getattr(scoring, "__name__", None)
    return f"scoring={name or _short(scoring)}"


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def renamed(error, text):
    """An error of the same type with this text.

    Where the type is not one of Python's own, it is the same error with the text as a note: somebody may
    wait for it, as Optuna does for what prunes a trial.
    """
    kind = type(error)
    if getattr(builtins, kind.__name__, None) is kind:
        with contextlib.suppress(TypeError):
            return kind(text)
    error.add_note(text)
    return error


def _missing_classes(net, y):
    """The classes that validation rows lack, in words; empty where they lack none."""
    if not hasattr(net, "classes_") or net._multilabel:
        return ""
    missing = np.setdiff1d(net.classes_, y).tolist()
    if not missing:
        return ""
    shown = ", ".join(repr(label) for label in missing[:5]) + (", ..." if missing[5:] else "")
    return f"no row of the class{'es' if missing[1:] else ''} {shown}"


def warn_undefined(score, reason, passed):
    """Warn that the loss is watched in place of a metric that is undefined for the validation rows.

    Parameters
    ----------
    score : Score
    reason : str
    passed : bool
        Whether the user passed the rows; else they are held out.
    """
    n_rows, missing = len(score.y), _missing_classes(score.net, score.y)
    rows = f"the {n_rows} validation rows" if n_rows > 1 else "a single validation row"
    rows += f", which have {missing}" if missing and n_rows > 1 else ""
    warn(
        f"{score.called} is undefined for {rows} ({reason.rstrip('.')}): early stopping "
        f"watches the validation loss instead. {_more_rows(passed)}, or set scoring='loss'.",
        UserWarning,
    )


def _more_rows(passed):
    if passed:
        return "Pass more rows in X_val and y_val"
    return "Hold out more rows by validation_fraction, pass X_val and y_val"


def warn_of_gaps(net, history, reason, passed):
    """Warn where a scorer had no value in some epochs, or in all."""
    if reason is None:
        return
    validated = np.isfinite(history["valid_loss"])
    undefined = int(np.count_nonzero(validated & np.isnan(history["valid_score"])))
    total = int(np.count_nonzero(validated))
    if undefined == total:
        text = "Early stopping watched the validation loss instead."
    else:
        text = "Early stopping counted these epochs as no improvement."
    warn(
        f"{named(net.scoring)} was undefined in {undefined} of {total} epochs (the last time: "
        f"{reason.rstrip('.')}). {text} {_more_rows(passed)}, use another scorer, or set "
        "scoring='loss'.",
        UserWarning,
    )
