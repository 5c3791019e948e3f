"""What the engine measures for ``metrics`` at the end of each epoch; the training is the same without."""

from __future__ import annotations

import math

from skreg.estimators.metrics import metrics_of
from skreg.estimators.rows import warn
from skreg.estimators.scoring import make_score
from skreg.train.job import Measure


def set_metrics(net, job, rows, valid, shown):
    """Let the history of a job tell of the metrics of its net.

    Parameters
    ----------
    net : BaseRegularizedMLP
    job : Job
    rows, valid : tuple of X, y and weight
        Training rows with encoded targets, and validation rows or None.
    shown : pair of GivenRows or None
        Both as the user passed them.
    """
    of = {"train": (rows, shown[0]), "valid": (valid, shown[1])}
    made = {}
    for metric in metrics_of(net):
        kind = metric.rows(valid is not None)
        score = make_score(net, *of[kind], scoring=metric.scorer, called=metric.called)
        measure = measure_of(metric, kind, score, of[kind][0][1])
        made[measure.name] = measure
    job.measures = tuple(made.values())


def measure_of(metric, kind, score, encoded):
    """What the engine is to take for a metric.

    Parameters
    ----------
    metric : Metric
    kind : {"train", "valid"}
    score : Score
    encoded : ndarray
        Targets of the rows that it looks at.

    Returns
    -------
    Measure
        Of no value where the metric cannot tell good predictions of these rows from bad ones; a warning says
        so.

    Raises
    ------
    Exception
        Where the metric does not suit the target at all.
    """
    column = f"{kind}_{metric.name}"
    reason = score.undefined(encoded)
    if reason is not None:
        what = "training" if kind == "train" else "validation"
        warn(
            f"{score.called} says nothing of the {what} rows, {len(encoded)} in number "
            f"({reason.rstrip('.')}), and is NaN. Train on more rows, or hold out more by "
            "validation_fraction, or leave it out.",
            UserWarning,
            once_in_searches=True,
        )
        return Measure(column, _no_value, of_training=kind == "train")
    return Measure(column, score, score.shows_nets, of_training=kind == "train")


def _no_value(raw):
    return math.nan
