"""`plain()` is a bare net, and no knob can be forgotten in it."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, plain
from skreg.net.net import KNOBS

#: Parameters that `plain` leaves alone: what a net is, how it is optimised, what is asked of it, and what
#: says how another knob acts, which is off. A new parameter belongs into `plain` or in here.
LEFT_ALONE = {
    *("hidden_layer_sizes", "activation", "categorical_features", "category_embedding"),
    *("embedding_scale", "cutout_share", "feature_groups"),
    *("solver", "learning_rate_init", "power_t", "momentum", "nesterovs_momentum"),
    *("beta_1", "beta_2", "epsilon", "batch_size", "shuffle", "max_iter", "max_time"),
    *("patience", "min_delta", "scoring", "metrics", "validation_fraction", "refit"),
    *("device", "dtype", "warm_start", "random_state", "verbose", "callbacks"),
    *("class_weight", "decision", "loss", "quantile", "scale_target", "clip"),
}

both = pytest.mark.parametrize("estimator", [RegularizedMLPClassifier, RegularizedMLPRegressor])


@both
def test_every_parameter_has_its_place(estimator):
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(estimator).parameters.items()
    }
    # One of the classifier alone cannot stand in it: its default has to be off.
    assert defaults.pop("label_smoothing", 0.0) == 0.0
    assert defaults.keys() - plain().keys() <= LEFT_ALONE
    assert plain().keys() <= defaults.keys()


def test_every_knob_is_off(X, y_binary):
    spec = RegularizedMLPClassifier((6,), **plain(), max_iter=1).fit(X, y_binary)._spec
    for knob in KNOBS:
        if knob.name not in ("embedding_scale", "cutout_share"):
            value = getattr(spec, knob.name)
            assert set(np.ravel(value)) == set(np.ravel(knob.off)) or set(np.ravel(value)) == {0.0}


@both
def test_the_summary_shows_nothing(estimator, X, y_binary):
    def knobs(**options):
        net = estimator((6, 6), **options, max_iter=1, random_state=0).fit(X, y_binary)
        return set(net.summary().frame()["knobs"])

    assert knobs(**plain()) == {""}
    assert knobs(**plain(dropout=0.3)) == {"", "dropout=0.3"}
    assert len(knobs()) > 1


def test_it_is_ten_lines_of_torch(X, y_binary):
    options = {"batch_size": len(X), "dtype": "float64", "random_state": 0}
    net = RegularizedMLPClassifier((6,), **plain(), **options, learning_rate_init=0.01, max_iter=50)
    net.fit(X, y_binary)
    start = RegularizedMLPClassifier(
        (6,), **plain(), **options, learning_rate_init=1e-30, max_iter=1
    )
    module = start.fit(X, y_binary).module_
    assert [type(part) for part in module] == [nn.Linear, nn.ReLU, nn.Linear]
    module.train()
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01, betas=(0.9, 0.95))
    rows, target = torch.from_numpy(X), torch.from_numpy(y_binary[:, None].astype(float))
    for _ in range(50):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(module(rows), target).backward()
        optimiser.step()
    logits = module(rows).detach().numpy()[:, 0]
    np.testing.assert_allclose(net.decision_function(X), logits, rtol=0, atol=1e-9)
    assert net.n_iter_ == net.best_iter_ == 50


def test_changes():
    assert plain(dropout=0.3, hidden_layer_sizes=(4,)) == {
        **plain(),
        "dropout": 0.3,
        "hidden_layer_sizes": (4,),
    }
    assert plain() is not plain()
    with pytest.raises(
        TypeError, match=r"dropot=0.3, which is no parameter.*Do you mean 'dropout'"
    ):
        plain(dropot=0.3)
