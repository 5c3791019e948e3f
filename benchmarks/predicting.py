"""What one call of ``predict`` costs, for one row and for many: plain nets, the default net, an ensemble."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.nets import sklearn_net, skreg_net
from benchmarks.single import digits
from benchmarks.timing import in_turn, median
from skreg import BaggedMLPClassifier, RegularizedMLPClassifier, RegularizedMLPRegressor

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

#: Columns of the table that the default net and the ensemble are measured on, which all become waves, and
#: nets of the ensemble.
COLUMNS, MEMBERS = 20, 16


def fitted(ours, theirs, hidden, X, y):
    """Both estimators after two epochs: what they learnt changes nothing about the cost."""
    nets = {
        "skreg": skreg_net(hidden, 200, 2, estimator=ours),
        "scikit-learn": sklearn_net(hidden, 200, 2, estimator=theirs),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {name: net.fit(X, y) for name, net in nets.items()}


def compare(nets, method, X, repeats, calls, turns=1):
    """Seconds of a call of each net, and the ratio.

    Parameters
    ----------
    nets : dict of str to estimator
        Fitted; "skreg" and "scikit-learn".
    method : str
    X : array of shape (n, d)
    repeats : int
    calls : int
        Calls that are timed as one.
    turns : int, default=1
        How many times each is timed in a repetition.

    Returns
    -------
    dict
        "seconds" of a call by name, and "to scikit-learn", the median of the ratios.
    """

    def run(predict):
        for _ in range(calls):
            predict(X)

    runs = {name: lambda net=net: run(getattr(net, method)) for name, net in nets.items()}
    in_turn(runs, 1)  # warms up
    seconds = in_turn(runs, turns * repeats, collect=False)
    return {
        "seconds": {name: median(s) / calls for name, s in seconds.items()},
        "to scikit-learn": median(np.divide(seconds["skreg"], seconds["scikit-learn"])),
    }


def defaults():
    """The default net and the default ensemble, each beside scikit-learn's MLP of the net's widths.

    Returns
    -------
    dict of str to dict of str to estimator
        Fitted on a table in float64.
    """
    X, y = make_classification(2000, COLUMNS, n_informative=10, random_state=0)
    short = {"max_iter": 2, "early_stopping": False}
    net = RegularizedMLPClassifier(**short, random_state=0)
    bag = BaggedMLPClassifier(RegularizedMLPClassifier(**short), MEMBERS, random_state=0)
    plain = MLPClassifier(net.hidden_layer_sizes, max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net, bag, plain = (model.fit(X, y) for model in (net, bag, plain))
    return {
        f"default net, {COLUMNS} columns, float64, classifier, predict": {
            "skreg": net,
            "scikit-learn": plain,
        },
        f"ensemble of {MEMBERS} default nets, {COLUMNS} columns, float64, classifier, predict": {
            "skreg": bag,
            "scikit-learn": plain,
        },
    }


def measure(repeats, calls=CALLS):
    """Each method of each net, for each number of rows; the defaults' as well."""
    X, y = digits()
    rng = np.random.default_rng(0)
    out = {}
    for hidden, dtype in NETS:
        table = X.astype(dtype)
        many = rng.normal(size=(max(calls), X.shape[1])).astype(dtype)
        for method, (ours, theirs, name) in METHODS.items():
            nets = fitted(ours, theirs, hidden, table, y)
            out[f"{hidden}, {dtype}, {method}"] = {
                str(n): compare(nets, name, many[:n], repeats, *k) for n, k in calls.items()
            }
    many = rng.normal(size=(max(calls), COLUMNS))
    for case, nets in defaults().items():
        out[case] = {
            str(n): compare(nets, "predict", many[:n], repeats, *k) for n, k in calls.items()
        }
    return out
