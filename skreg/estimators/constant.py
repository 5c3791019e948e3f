"""Whether a net that was validated is worse than a constant, which is worth a warning."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from skreg.estimators.forward import raw_outputs
from skreg.estimators.quantiles import quantiles
from skreg.estimators.rows import warn
from skreg.objective.losses import rowwise

#: A net counts as worse where its loss is higher than the constant's by this share of it, and by so
#: many standard errors of the difference. On noise the default net is worse by a tenth at 3,000 rows
#: and by half at 60, with at most 4.6 and 1.9 standard errors: never by both.
_MARGIN, _STANDARD_ERRORS = 0.25, 4.0

#: And by so much at least, in nats or in squares of the scaled target: where a constant is nearly perfect,
#: a net need not be as near.
_LEAST = 0.05

#: A loss of so many times the constant's is not for want of epochs.
_FAR = 10.0

#: Fewer rows tell no standard error, and few ones need more of them.
_FEWEST_ROWS, _MORE_ERRORS = 5, 20.0

#: Shares of classes are taken for this at least: a class that is only among the validation rows would
#: make the constant infinitely bad.
_SMALLEST_SHARE = 1e-12


def warn_if_worse_than_constant(label, jobs, results):
    """Warn where the kept weights are clearly worse on the validation rows than a constant.

    The constant is the one that is best on the training rows: their mean, median, quantile or the
    shares of their classes. Of several nets, as members that were validated by themselves, there is one
    warning where half of them or more are worse.

    Parameters
    ----------
    label : str
        How the warning names the estimator.
    jobs : list of skreg.train.job.Job
    results : list of skreg.train.job.Result
    """
    found = [_compared(job, result) for job, result in zip(jobs, results, strict=True)]
    worse = [one for one in found if one is not None]
    if worse and 2 * len(worse) >= len(found):
        _warn(label, *worse[0])


def warn_if_ensemble_is_worse_than_constant(label, job, kept, outputs, *, improving):
    """The same for members that were validated together.

    Parameters
    ----------
    label : str
    job : skreg.train.job.Job
        Of any member: has the training and the validation rows.
    kept : float
        Loss of the ensemble on the validation rows.
    outputs : callable
        Gives its raw outputs for them, (n_val, o). Only called where the loss is suspicious.
    improving : bool
        Whether the last epoch was the best.
    """
    expected = _if_worse(job, kept, outputs)
    if expected is not None:
        _warn(label, kept, expected, improving)


def _compared(job, result):
    """Loss of a net, loss of the constant and whether it was still improving; None if not worse."""
    if result.stopped_by == "diverged" or not result.best_iter:
        return None
    # What is chosen by another score may have a higher loss, as accurate classifiers that are too
    # sure of themselves do.
    if job.score is not None and job.spec.loss in ("binomial", "multinomial"):
        return None

    def outputs():
        return raw_outputs(result.params, job.spec, job.X_val)

    kept = result.history["valid_loss"][result.best_iter - 1]
    expected = _if_worse(job, kept, outputs)
    if expected is None:
        return None
    return kept, expected, job.spec.early_stopping and result.best_iter == result.n_iter


def _if_worse(job, kept, outputs):
    """Loss of the constant, where that of the net, ``kept``, is clearly higher; else None."""
    if not _can_be_told(job):
        return None
    weight = job.sample_weight_val
    constant = constant_losses(job)
    expected = float(np.average(constant, weights=weight))
    if not kept > expected + max(_MARGIN * abs(expected), _LEAST):
        return None
    return expected if _surely_positive(_losses(job, outputs()) - constant, weight) else None


def _warn(label, kept, expected, improving):
    if improving and kept < _FAR * abs(expected):
        remedy = (
            "It was still improving when training ended: raise max_iter, max_time or "
            "learning_rate_init."
        )
    else:
        remedy = (
            "Set scale_features='robust' if the features are not scaled, see that the validation rows are "
            "of the same kind as the training rows, lower learning_rate_init, or set early_stopping=True "
            "if it is off."
        )
    warn(
        f"On the validation rows this {label} is worse than a constant: its loss is {kept:.4g}, that "
        f"of the best constant of the training rows {expected:.4g}. {remedy}",
        ConvergenceWarning,
    )


def _can_be_told(job):
    return job.X_val is not None and job.X_val.shape[0] >= _FEWEST_ROWS


def constant_losses(job):
    """Loss of each validation row for the constant that is best on the training rows, (n_val,)."""
    return _losses(
        job, np.broadcast_to(_best_constant(job), (job.X_val.shape[0], job.spec.n_outputs))
    )


def _best_constant(job):
    """Raw outputs (o,) that are the best without features; about so for "huber"."""
    loss, y, weight = job.spec.loss, job.y, job.sample_weight
    if loss == "multinomial":
        share = np.bincount(y, weights=weight, minlength=job.spec.n_outputs)
        return np.log(np.maximum(share / share.sum(), _SMALLEST_SHARE))
    if loss in ("absolute_error", "huber", "pinball"):
        level = job.spec.quantile if loss == "pinball" else 0.5
        return np.array([quantiles(column, weight, [level])[0] for column in y.T])
    mean = np.average(np.asarray(y, dtype=np.float64), axis=0, weights=weight)
    if loss == "binomial":
        mean = np.clip(mean, _SMALLEST_SHARE, 1 - _SMALLEST_SHARE)
        return np.log(mean) - np.log1p(-mean)
    return np.log(np.maximum(mean, _SMALLEST_SHARE)) if loss == "poisson" else mean


def _losses(job, raw):
    """Loss of each validation row, (n_val,), of raw outputs (n_val, o)."""
    f = torch.as_tensor(np.array(raw.T, dtype=np.float64))[None]
    y = torch.as_tensor(np.ascontiguousarray(job.y_val.T))[None]
    if job.spec.loss != "multinomial":
        y = y.double()
    smoothing = torch.zeros(1, 1, dtype=torch.float64)
    options = {"smoothing": smoothing, "quantile": job.spec.quantile}
    return rowwise(job.spec.loss, f, y, **options)[0].numpy()


def _surely_positive(values, weight):
    weight = np.ones(len(values)) if weight is None else weight
    mean = np.average(values, weights=weight)
    error = np.sqrt(np.sum((weight * (values - mean)) ** 2)) / weight.sum()
    least = _STANDARD_ERRORS + _MORE_ERRORS / len(values)
    return bool(np.isfinite(mean)) and mean > least * error
