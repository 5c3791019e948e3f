"""Batch norm in some hidden layers and not in others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.train.run import train_stack
from tests.train.helpers import make_job

QUICK = {"max_iter": 3, "random_state": 0, "numeric_embedding": None, "dropout": 0.0}


@pytest.mark.parametrize(
    "batch_norm", [(True, False), [False, True], np.array([True, False])], ids=str
)
def test_stands_behind_the_layers_that_have_it(X, y_three, batch_norm):
    net = RegularizedMLPClassifier((6, 4), batch_norm=batch_norm, dtype="float64", **QUICK)
    net.fit(X, y_three)
    layers = [
        type(layer) for layer in net.module_ if isinstance(layer, (nn.Linear, nn.BatchNorm1d))
    ]
    expected = []
    for norm in batch_norm:
        expected += [nn.Linear, *([nn.BatchNorm1d] if norm else [])]
    assert layers == [*expected, nn.Linear]
    biases = [layer.bias is not None for layer in net.module_ if isinstance(layer, nn.Linear)]
    assert biases == [*(not norm for norm in batch_norm), True]
    with torch.no_grad():
        logits = net.module_(torch.as_tensor(X)).numpy()
    np.testing.assert_allclose(net.decision_function(X), logits, atol=1e-9)
    assert list(net.summary().frame()["layer"]).count("BatchNorm") == 1


def test_all_alike_is_one_value(X, y_real):
    for alike in (True, False):
        one, many = (
            RegularizedMLPRegressor((5, 4), batch_norm=value, **QUICK).fit(X, y_real)
            for value in (alike, [alike, alike])
        )
        np.testing.assert_array_equal(one.predict(X), many.predict(X))


@pytest.mark.parametrize("batch_norm", [(True, False), (False, True)])
def test_kernels_equal_the_reference(batch_norm):
    pytest.importorskip("numba")
    jobs = [
        make_job(hidden=(6, 5), batch_norm=batch_norm, dropout=(0.2, 0.1), seed=seed, max_iter=4)
        for seed in (0, 1)
    ]
    fused, reference = (
        train_stack(jobs, implementation=name)[0] for name in ("fused", "reference")
    )
    for one, other in zip(fused, reference, strict=True):
        for name, value in other.params.items():
            np.testing.assert_allclose(one.params[name], value, atol=1e-9, err_msg=name)


def test_penalties_in_layers_without_a_norm_draw_no_warning(X, y_three):
    net = RegularizedMLPClassifier((6, 4), batch_norm=[True, False], l1=[0, 1e-3, 0], **QUICK)
    net.fit(X, y_three)
    with pytest.warns(UserWarning, match="l1 selects few weights"):
        net.set_params(l1=[1e-3, 0, 0]).fit(X, y_three)


@pytest.mark.parametrize("wrong", [[True], [1, 0], [True, False, True], ["yes", "no"]], ids=str)
def test_another_number_of_layers_and_no_bools_are_refused(X, y_three, wrong):
    net = RegularizedMLPClassifier((6, 4), batch_norm=wrong)
    with pytest.raises(ValueError, match="must be a bool, or a list of 2 bools, one for each"):
        net.fit(X, y_three)
