"""An ensemble of small members against one fit."""

from __future__ import annotations

from sklearn.ensemble import BaggingClassifier

from benchmarks.nets import skreg_net
from benchmarks.single import digits
from benchmarks.timing import compared
from skreg import BaggedMLPClassifier

MEMBERS, EPOCHS = 16, 20

#: Settings of the net; patience is as long as training, so that all contestants run all epochs.
CASES = {
    "all epochs": {},
    "watched, best epoch kept": {"early_stopping": True, "patience": EPOCHS},
}


def contestants(options):
    """One net; an ensemble of it as one stack, stopped as one or member by member; one by one."""
    net = skreg_net((100,), 200, EPOCHS, **options)
    bags = {
        "ensemble": BaggedMLPClassifier(net, MEMBERS, random_state=0),
        "stopping='member'": BaggedMLPClassifier(net, MEMBERS, stopping="member", random_state=0),
        "one by one": BaggingClassifier(net, MEMBERS, random_state=0),
    }
    return {"one fit": net, **bags}


def measure(repeats):
    """Seconds of each, and how many single fits it takes."""
    X, y = digits()
    out = {}
    for name, options in CASES.items():
        models = contestants(options)
        for model in models.values():  # compiles and warms up
            model.fit(X[:400], y[:400])
        runs = {n: lambda m=m: m.fit(X, y) for n, m in models.items()}
        seconds, ratios = compared(runs, repeats, "one fit")
        out[name] = {"seconds": seconds, "single fits": ratios}
    return out
