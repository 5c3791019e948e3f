"""What one call of ``predict`` costs, for one row and for many.

The default net and an ensemble of it are in `benchmarks.default_speed`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks import rst
from benchmarks.nets import sklearn_net, skreg_net
from benchmarks.regressions import Figure
from benchmarks.single import digits
from benchmarks.timing import fits_of, in_turn, medians, ratio
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.display._style import decimals_for, fixed

WHO = ("skreg", "scikit-learn")
#: Rows of a call, how many calls are timed as one, and how many times in a repetition: a call for
#: one row is too short alone, and its ratio is noisy.
CALLS = {1: (40, 5), 10_000: (1, 5), 100_000: (1, 1)}
#: Units of the hidden layers and the type of the table. scikit-learn predicts in the type it was
#: fitted on; skreg in float64, whatever it was fitted on.
NETS = (((100,), "float64"), ((100,), "float32"), ((256, 256), "float64"))
#: Method of which estimators.
METHODS = {
    "classifier, predict": (RegularizedMLPClassifier, MLPClassifier, "predict"),
    "classifier, predict_proba": (RegularizedMLPClassifier, MLPClassifier, "predict_proba"),
    "regressor, predict": (RegularizedMLPRegressor, MLPRegressor, "predict"),
}
ABOUT = (
    "One call for one row and for many, against scikit-learn's MLP of the same architecture, fitted on "
    "the handwritten digits (64 columns, 10 classes; for regressors the digit is the number). skreg's "
    "nets have batch norm and dropout. scikit-learn computes in the type of the table it was fitted "
    "on; skreg in float64 for either. Calls for one row are timed 40 at a time, five times in each "
    "repetition. Medians of runs in turn."
)


def fitted(ours, theirs, hidden, X, y):
    """Both estimators after two epochs: what they learnt changes nothing about the cost."""
    nets = {
        "skreg": skreg_net(hidden, 200, 2, estimator=ours),
        "scikit-learn": sklearn_net(hidden, 200, 2, estimator=theirs),
    }
    in_turn(fits_of(nets, X, y), 1)
    return nets


def compare(nets, method, X, repeats, calls, turns=1):
    """Seconds of a call of each fitted net, "skreg" and "scikit-learn", and the ratio "to scikit-learn".

    So many calls are timed as one, and so many times in each repetition.
    """

    def run(predict):
        for _ in range(calls):
            predict(X)

    runs = {name: partial(run, getattr(net, method)) for name, net in nets.items()}
    in_turn(runs, 1)  # warms up
    seconds = in_turn(runs, turns * repeats, collect=False)
    return {
        "seconds": {name: found / calls for name, found in medians(seconds).items()},
        "to scikit-learn": ratio(seconds, *WHO),
    }


def measure(repeats, calls=CALLS):
    """Each method of each net, for each number of rows."""
    X, y = digits()
    rng = np.random.default_rng(0)
    out = {}
    for hidden, dtype in NETS:
        table = X.astype(dtype)
        many = rng.normal(size=(max(calls), X.shape[1])).astype(dtype)
        for what, (ours, theirs, method) in METHODS.items():
            nets = fitted(ours, theirs, hidden, table, y)
            out[f"{hidden}, {dtype}, {what}"] = {
                str(n): compare(nets, method, many[:n], repeats, *k) for n, k in calls.items()
            }
    return out


def _rows(n):
    return "1 row" if n == "1" else f"{int(n):,} rows"


def page(result, machine):
    """A table for each number of rows."""
    text = rst.head("Predictions", ABOUT, machine)
    header = ("net and call", *(f"{who}, ms" for who in WHO), "skreg / scikit-learn")
    for n in next(iter(result.values())):
        found = {case: calls[n] for case, calls in result.items()}
        ms = {case: [1000 * one["seconds"][who] for who in WHO] for case, one in found.items()}
        digits = decimals_for(np.concatenate(list(ms.values())))
        text += rst.heading(_rows(n)).lstrip("\n") + rst.table(
            header,
            [
                (
                    case,
                    *(fixed(value, digits) for value in ms[case]),
                    f"{one['to scikit-learn']:.2f}",
                )
                for case, one in found.items()
            ],
        )
        text += "\n"
    return text


def ratios(result):
    """Of all calls to scikit-learn's."""
    for case, calls in result.items():
        for n, found in calls.items():
            yield f"{case} of {_rows(n)}, to scikit-learn", Figure(found["to scikit-learn"])
