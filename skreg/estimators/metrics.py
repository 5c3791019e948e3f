"""The parameter ``metrics``: what `history_` tells of each epoch beside the losses.

A metric is a scorer, such as ``scoring`` takes. Its name is that of its column: ``"accuracy"`` is
``valid_accuracy`` where there are validation rows, else ``train_accuracy``; ``"train_accuracy"`` is of the
training rows in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sklearn.metrics import get_scorer_names

_OF_TRAINING = "train_"

#: Names whose columns are there anyway.
_TAKEN = ("loss", "score")


@dataclass(frozen=True)
class Metric:
    """One of ``metrics``.

    Attributes
    ----------
    name : str
        Without what says which rows.
    scorer : str or callable
    of_training : bool
        Whether it is asked for the training rows.
    """

    name: str
    scorer: Any
    of_training: bool

    @property
    def called(self):
        """How messages name it."""
        return f"The metric {(_OF_TRAINING if self.of_training else '') + self.name!r}"

    def rows(self, validated):
        """The rows that it is of: "train" or "valid"."""
        return "valid" if validated and not self.of_training else "train"


def metrics_of(net):
    """The metrics of a net.

    Returns
    -------
    list of Metric

    Raises
    ------
    ValueError, TypeError
        Where a name is no scorer's, or the column that it would have is another's.
    """
    if net.metrics is None:
        return []
    own = isinstance(net.metrics, Mapping)
    found = [_metric(name, net.metrics[name] if own else name, own) for name in net.metrics]
    for i, one in enumerate(found):
        if one in found[:i]:
            raise ValueError(f"{one.called} stands twice in metrics. Name each once.")
    return found


def _metric(key, scorer, own):
    if not isinstance(key, str) or not key:
        what = "a name" if own else "the name of a scorer of scikit-learn"
        raise TypeError(
            f"metrics has {key!r}, which is not {what}. Give a list of names such as ['accuracy'], or a dict "
            "{name: scorer} for functions of your own."
        )
    name = key.removeprefix(_OF_TRAINING)
    if name in _TAKEN or not name:
        raise ValueError(
            f"metrics has {key!r}, but history_ has a column of that name for what training watches. Choose "
            "another name."
        )
    scorer = scorer if own else name
    if isinstance(scorer, str):
        if scorer not in get_scorer_names():
            near = get_close_matches(scorer, get_scorer_names(), n=1)
            hint = f" Do you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"metrics has {scorer!r}, which is no scorer of scikit-learn.{hint} "
                "sklearn.metrics.get_scorer_names() lists them; a function scorer(estimator, X, y) of your "
                "own goes into a dict {name: function}."
            )
    elif not callable(scorer):
        raise TypeError(
            f"metrics[{key!r}] is {scorer!r}, which is neither the name of a scorer of scikit-learn nor a "
            "function scorer(estimator, X, y)."
        )
    return Metric(name, scorer, key != name)
