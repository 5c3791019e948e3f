"""An ensemble of small members against one fit."""

from __future__ import annotations

from sklearn.ensemble import BaggingClassifier

from benchmarks import rst
from benchmarks.nets import skreg_net
from benchmarks.regressions import Figure
from benchmarks.single import digits
from benchmarks.timing import compared, fits_of, in_turn
from skreg import BaggedMLPClassifier

MEMBERS, EPOCHS = 16, 20

#: Settings of the net; patience is as long as training, so that all contestants run all epochs.
CASES = {
    "all epochs": {},
    "watched, best epoch kept": {"early_stopping": True, "patience": EPOCHS},
}
ABOUT = (
    "16 members of one hidden layer of 100, 20 epochs, minibatches of 200, batch norm and dropout, on "
    "the handwritten digits, against one fit of the same net. A member is drawn as many rows as there "
    "are, with replacement, of which about 63 % are different ones. *One by one* is scikit-learn's "
    "``BaggingClassifier`` of the same net without the backend. Medians of runs in turn."
)


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
        in_turn(fits_of(models, X[:400], y[:400]), 1)  # compiles and warms up
        seconds, ratios = compared(fits_of(models, X, y), repeats, "one fit")
        out[name] = {"seconds": seconds, "single fits": ratios}
    return out


def page(result, machine):
    """A table for each setting."""
    text = rst.head("Ensembles", ABOUT, machine)
    for name, case in result.items():
        text += rst.heading(name.capitalize())
        text += rst.contestants(case["seconds"], case["single fits"], "single fits")
    return text


def ratios(result):
    """Single fits that an ensemble takes."""
    for case, found in result.items():
        yield f"ensemble, {case}, in single fits", Figure(found["single fits"]["ensemble"])
