"""Members of one ensemble that stop together, at the epoch at which the ensemble is best.

What an ensemble predicts is the mean of its members' predictions: of probabilities, of rates, of
values. As raw outputs that mean goes through the same loss and the same scorer as one member does.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import log_softmax

from skreg.objective import losses
from skreg.train.validation import ask

#: Up to so many raw outputs are combined by numpy, more by torch.
_FEW = 1 << 12


def combine(outputs, loss, axis=0):
    """Raw outputs whose prediction is the mean of the predictions of raw outputs.

    Parameters
    ----------
    outputs : iterable of ndarray, shape (o, n)
        Of each member.
    loss : str
        Name of the loss, which says what raw outputs mean.
    axis : int, default=0
        The axis of the o outputs.

    Returns
    -------
    ndarray of float64, shape (o, n)
        For a log loss logarithms, so that no probability is lost to rounding.
    """
    # torch computes logarithms and exponentials several numbers at a time, numpy one by one.
    terms = {
        "multinomial": lambda f: torch.log_softmax(f, dim=axis),
        # Logarithms of the probabilities of 1 and of 0.
        "binomial": lambda f: torch.nn.functional.logsigmoid(torch.stack([f, -f])),
    }
    logarithms = loss in (*terms, "poisson")
    add, term = torch.logaddexp if logarithms else torch.add, terms.get(loss, lambda f: f)
    total, k = None, 0
    for f in outputs:
        one = term(torch.from_numpy(np.asarray(f, dtype=np.float64)))
        total, k = one if total is None else add(total, one), k + 1
    if loss == "binomial":
        total = total[0] - total[1]
    elif logarithms:
        total = total - math.log(k)
    else:
        total = total / k
    return total.numpy()


def combine_stacked(outputs, loss):
    """What `combine` gives, of outputs in one array, shape (k, n, o); shape (n, o)."""
    if outputs.size > _FEW or loss not in ("binomial", "multinomial", "poisson"):
        return combine(outputs, loss, axis=1)
    # Of few numbers numpy is faster, which does not call upon threads.
    if loss == "binomial":
        one, zero = (np.logaddexp.reduce(-np.logaddexp(0.0, f)) for f in (-outputs, outputs))
        return one - zero
    if loss == "multinomial":
        outputs = log_softmax(outputs, axis=2)
    return np.logaddexp.reduce(outputs) - math.log(len(outputs))


class Cohort:
    """Members that are judged by the mean of their predictions, on validation rows they share.

    Parameters
    ----------
    members : list of Member
        They become members of this cohort and share the first one's monitor. Rows may differ in
        their columns, targets and weights may not.

    Attributes
    ----------
    loss, score : float
        Of the ensemble at the last epoch; the score is NaN where the loss is watched, and where the
        metric is undefined.
    undefined : str or None
        Why the metric had no value in the last epoch that it had none.
    raw : ndarray or None
        Raw validation outputs (o, n) whose prediction is that of the ensemble at the last epoch; None
        where no member was left to count.
    verdict : tuple of bool
        Whether that epoch was the best one so far, and whether patience has run out.
    """

    def __init__(self, members):
        self.members = members
        self.monitor = members[0].monitor
        self.loss = self.score = math.nan
        self.verdict, self.undefined, self.raw = (False, False), None, None
        for member in members:
            member.cohort, member.monitor = self, self.monitor
            member.history["ensemble_loss"] = []
        job = members[0].job
        self.spec, self._job = job.spec, job
        y = np.asarray(job.y_val)
        y = y if self.spec.loss == "multinomial" else y.reshape(len(y), -1).T.astype(np.float64)
        self._y = torch.from_numpy(np.array(y))[None]
        w = job.sample_weight_val
        w = np.ones(y.shape[-1]) if w is None else np.asarray(w, dtype=np.float64)
        self._weight = w / w.sum()

    @classmethod
    def among(cls, members):
        """The cohorts that the jobs of members name, where validation rows are watched."""
        named = {}
        for member in members:
            if member.job.cohort is not None and member.validated:
                named.setdefault(member.job.cohort, []).append(member)
        return [cls(part) for part in named.values()]

    def evaluate(self, outputs, nets=None):
        """Take an epoch.

        Parameters
        ----------
        outputs : list of ndarray, shape (o, n)
            Raw validation outputs of the members that still count.
        nets : callable, optional
            ``nets()`` gives a `skreg.train.job.Standing` of each of them.

        Raises
        ------
        Exception
            What the scorer raised.
        """
        if not outputs:
            self.verdict, self.raw = (False, False), None
            return
        raw = self.raw = combine(outputs, self.spec.loss)
        self.loss = self._loss(raw)
        if self._job.score is None:
            self.verdict = self.monitor.update(self.loss)
            return
        self.score = math.nan
        if np.isfinite(raw).all():
            self.score, undefined = ask(self._job, raw.T, nets)
            self.undefined = undefined or self.undefined
        self.verdict = self.monitor.update_scored(self.loss, self.score)

    def _loss(self, raw):
        per_row = losses.rowwise(
            self.spec.loss,
            torch.from_numpy(np.ascontiguousarray(raw))[None],
            self._y,
            smoothing=torch.zeros(1, 1, dtype=torch.float64),
            quantile=self.spec.quantile,
        )
        return float(per_row[0].numpy() @ self._weight)
