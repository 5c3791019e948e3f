"""A net of one's own trains as it would in a plain loop of torch, and each regularizer does what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from torch import nn

from skreg import RegularizedNetClassifier, RegularizedNetRegressor
from skreg.net.own import OwnModule, OwnNet
from skreg.train.feed import Feed, Fingerprint
from skreg.train.state import initial_parameters
from tests.estimators.own.modules import Normed, Perceptron, TextBook, sequential

#: Float64, no schedule, no average, no rows held out: as a plain loop would.
PLAIN = {
    "dropout": 0.0,
    "weight_decay": 0.0,
    "learning_rate": "constant",
    "learning_rate_init": 0.01,
    "ema_decay": 0.0,
    "early_stopping": False,
    "max_iter": 3,
    "batch_size": 24,
    "dtype": "float64",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X[:100] / 16).reshape(-1, 1, 8, 8), y[:100]


def job_of(net, X, y, monkeypatch):
    """The job that a fit hands in."""
    found = []
    submit = "skreg.estimators.base.submit"
    from skreg.parallel import submit as real

    monkeypatch.setattr(submit, lambda job: found.append(job) or real(job))
    net.fit(X, y)
    monkeypatch.undo()
    return found[0]


def trained_by_torch(module, job, X, l2=0.0):
    """The same in a plain loop: nn.Module, cross entropy, torch.optim.Adam with ``l2`` on chosen weights."""
    start = initial_parameters(net_of(job), job.spec, job.seed)
    module = module.double().train()
    state = {name.removeprefix("module."): torch.as_tensor(v) for name, v in start.items()}
    module.load_state_dict({n: state[n].to(v.dtype) for n, v in module.state_dict().items()})
    layers = [m for m in module.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    weights = [m.weight for m in layers]
    ids = set(map(id, weights))
    others = [p for p in module.parameters() if id(p) not in ids]
    groups = [{"params": weights, "weight_decay": l2}, {"params": others, "weight_decay": 0.0}]
    spec = job.spec
    betas = spec.beta_1, spec.beta_2
    optimiser = torch.optim.Adam(groups, lr=spec.learning_rate_init, betas=betas, eps=spec.epsilon)
    X, y = torch.as_tensor(X, dtype=torch.float64), torch.as_tensor(job.y)
    feed = Feed([job], Fingerprint.of_all([job]), torch.device("cpu"), {})
    for epoch in range(spec.max_iter):
        order, coef, *_ = feed.epoch(epoch)
        for step in range(feed.steps):
            rows = order[step, 0][coef[step, 0] > 0]
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(X[rows]), y[rows]).backward()
            optimiser.step()
    return module


def net_of(job):
    from skreg.net.net import Net

    return Net.of(job.spec, job.X.shape[1])


@pytest.mark.parametrize(
    "module", [lambda: TextBook(width=4, dense=8), Normed], ids=["book", "norm"]
)
def test_equals_a_plain_loop_of_torch(digits, module, monkeypatch):
    X, y = digits
    net = RegularizedNetClassifier(module, l2=0.01, **PLAIN)
    job = job_of(net, X, y, monkeypatch)
    plain = module()
    for layer in plain.modules():
        if isinstance(layer, (nn.Dropout, nn.Dropout2d)):
            layer.p = 0.0
    plain = trained_by_torch(plain, job, X, l2=0.01)
    ours = net.module_.state_dict()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(ours[name], value, atol=1e-9, rtol=0, msg=name)
    with torch.no_grad():
        logits = plain.eval()(torch.as_tensor(X)).numpy()
    np.testing.assert_allclose(net.decision_function(X), logits, atol=1e-8)


def test_sgd_and_targets_in_their_units(monkeypatch):
    """A linear module reaches the least squares line, in the units of the target."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = 100 + 20 * X @ [1.0, -2.0, 0.5]
    options = {**PLAIN, "batch_size": 60, "max_iter": 300, "learning_rate_init": 0.3}
    net = RegularizedNetRegressor(nn.Linear, module__in_features=3, module__out_features=1,
                                  solver="sgd", **(options | {"dropout": None}))  # fmt: skip
    net.fit(X, y)
    np.testing.assert_allclose(net.predict(X), y, rtol=1e-6)
    inside = torch.as_tensor(X)
    np.testing.assert_allclose(net.module_(inside).detach().numpy()[:, 0], y, rtol=1e-6)


def test_l1_gives_exact_zeros_in_the_layer_that_it_is_for(digits):
    X, y = digits
    net = RegularizedNetClassifier(
        TextBook, module__width=4, module__dense=8, l1=[0.1, 0, 0, 0, 0.02, 0], **PLAIN
    )
    state = net.fit(X, y).module_.state_dict()
    zeros = {n: float((v == 0).double().mean()) for n, v in state.items() if n.endswith("weight")}
    assert zeros["features.0.weight"] > 0.3
    assert zeros["head.1.weight"] > 0.3
    assert zeros["features.2.weight"] == zeros["head.4.weight"] == 0
    assert net.n_zero_weights_ == sum(int((v == 0).sum()) for v in state.values())
    assert all((v != 0).any() for n, v in state.items() if n.endswith("bias"))


@pytest.mark.parametrize("knobs", [{"l2": 100.0}, {"l1": 10.0}, {"weight_decay": 90.0}], ids=str)
def test_penalties_never_act_on_biases_and_norms(digits, knobs):
    X, y = digits
    net = RegularizedNetClassifier(Normed, **(PLAIN | {"max_iter": 20} | knobs)).fit(X, y)
    state = net.module_.state_dict()
    for name in ("convolution.weight", "output.weight"):
        assert state[name].abs().max() < 0.02
    # What nothing pulls to zero stays where the loss wants it.
    assert state["norm.weight"].abs().min() > 0.5
    assert state["convolution.bias"].abs().max() > 0.05


def test_max_norm_holds_for_units_and_channels(digits):
    X, y = digits
    net = RegularizedNetClassifier(Normed, max_norm=0.3, **PLAIN).fit(X, y)
    state = net.module_.state_dict()
    for name in ("convolution.weight", "output.weight"):
        norms = state[name].flatten(1).norm(dim=1)
        assert norms.max() <= 0.3 + 1e-12
        assert norms.max() > 0.29
    free = RegularizedNetClassifier(Normed, **PLAIN).fit(X, y).module_.state_dict()
    assert free["output.weight"].flatten(1).norm(dim=1).max() > 0.3


def test_dropout_none_leaves_what_the_module_has_and_a_list_is_one_a_layer(digits):
    X, y = digits
    options = {**PLAIN, "module__width": 4, "module__dense": 8, "max_iter": 1}
    own = RegularizedNetClassifier(TextBook, **(options | {"dropout": None})).fit(X, y)
    same = RegularizedNetClassifier(TextBook, **(options | {"dropout": [0.25, 0.25, 0.5]})).fit(
        X, y
    )
    np.testing.assert_array_equal(own.decision_function(X), same.decision_function(X))
    one = RegularizedNetClassifier(TextBook, **(options | {"dropout": 0.4})).fit(X, y)
    rates = [m.p for m in one.module_.modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.4] * 3
    assert abs(one.decision_function(X) - own.decision_function(X)).max() > 1e-6


def test_members_differ_in_all_numbers_and_are_the_same_alone(digits, one_thread):
    """One stack of seven members that differ in everything that may differ."""
    from joblib import parallel_config
    from sklearn.base import clone
    from sklearn.utils.parallel import Parallel, delayed

    from skreg import last_rounds

    X, y = digits
    options = PLAIN | {"early_stopping": True, "max_iter": 4, "weight_decay": 0.01}
    base = RegularizedNetClassifier(Normed, **options)
    changes = [{}, {"dropout": 0.5}, {"l1": 0.01}, {"l2": 0.1, "max_norm": 1.0}, {"patience": 1},
               {"learning_rate_init": 0.1, "ema_decay": 0.5}, {"random_state": 1}]  # fmt: skip
    nets = [clone(base).set_params(**change) for change in changes]
    with parallel_config(backend="skreg"):
        together = Parallel(n_jobs=-1)(delayed(net.fit)(X, y) for net in nets)
    assert [round_.members for round_ in last_rounds()] == [(len(nets),)]
    for net, change in zip(together, changes, strict=True):
        alone = clone(base).set_params(**change).fit(X, y)
        np.testing.assert_allclose(
            net.decision_function(X), alone.decision_function(X), atol=1e-8, err_msg=str(change)
        )


def test_grid_over_parameters_of_the_module_equals_the_one_without_the_backend(digits):
    from joblib import parallel_config

    X, y = digits
    grid = {"module__channels": [2, 4], "dropout": [0.0, 0.3]}
    net = RegularizedNetClassifier(Normed, **(PLAIN | {"max_iter": 2}))
    plain = GridSearchCV(net, grid, cv=2).fit(X, y)
    with parallel_config(backend="skreg"):
        batched = GridSearchCV(net, grid, cv=2, n_jobs=-1).fit(X, y)
    for name in ("mean_test_score", "rank_test_score"):
        np.testing.assert_allclose(batched.cv_results_[name], plain.cv_results_[name], atol=1e-8)
    assert batched.best_params_ == plain.best_params_


def test_global_generators_are_neither_read_nor_moved(digits):
    X, y = digits
    net = RegularizedNetClassifier(Normed, **(PLAIN | {"dropout": 0.3, "max_iter": 1}))
    first = net.fit(X, y).decision_function(X)
    np.random.seed(5), torch.manual_seed(5)
    before = np.random.get_state()[1].copy(), torch.get_rng_state().clone()
    second = net.fit(X, y).decision_function(X)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_weight_two_is_the_row_twice():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)), rng.normal(size=30)
    weight = rng.integers(1, 3, size=30)
    options = PLAIN | {"dropout": None, "batch_size": 100}
    weighted = RegularizedNetRegressor(sequential, **options).fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(30), weight)
    repeated = RegularizedNetRegressor(sequential, **options).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-9)


def test_partial_fit_and_warm_start_go_on(digits):
    X, y = digits
    options = PLAIN | {"max_iter": 2}
    net = RegularizedNetClassifier(Normed, **options)
    for _ in range(3):
        net.partial_fit(X, y)
    assert net.n_iter_ == 3
    assert net.loss_curve_[2] < net.loss_curve_[0]
    warm = RegularizedNetClassifier(Normed, warm_start=True, **options).fit(X, y)
    first = warm.loss_curve_[0]
    assert warm.fit(X, y).loss_curve_[0] < first
    with pytest.raises(
        ValueError, match=r"has module=Normed\(n_outputs=10\) and cannot go on with"
    ):
        warm.set_params(module__channels=2).fit(X, y)


def test_early_stopping_label_smoothing_and_validation_rows(digits):
    X, y = digits
    options = PLAIN | {"early_stopping": True, "patience": 2, "max_iter": 40, "min_delta": 10.0}
    net = RegularizedNetClassifier(Normed, **options)
    net.fit(X[:70], y[:70], X_val=X[70:], y_val=y[70:])
    assert net.stopped_by_ == "patience"
    assert net.n_iter_ == 3
    smooth = RegularizedNetClassifier(Normed, label_smoothing=0.5, **PLAIN).fit(X, y)
    assert (
        smooth.predict_proba(X).max()
        < RegularizedNetClassifier(Normed, **PLAIN).fit(X, y).predict_proba(X).max()
    )


def test_metrics_are_told_of_and_change_nothing(digits):
    X, y = digits
    plain = RegularizedNetClassifier(TextBook, **PLAIN).fit(X, y)
    net = RegularizedNetClassifier(TextBook, metrics=["accuracy", "train_f1_macro"], **PLAIN)
    net.fit(X, y)
    np.testing.assert_array_equal(net.predict_proba(X), plain.predict_proba(X))
    told = net.history_
    assert list(told)[-2:] == ["train_accuracy", "train_f1_macro"]  # no rows are held out
    assert told["train_accuracy"].iloc[-1] == pytest.approx(net.score(X, y))
    with pytest.raises(ValueError, match=r"metrics has 'acuracy', which is no scorer.*'accuracy'"):
        net.set_params(metrics=["acuracy"]).fit(X, y)


def test_one_description_is_one_net():
    """Equal modules share a net, and so a stack, whatever objects their parameters are."""
    a, b = (OwnModule.of(Perceptron, {"n_features": 2, "n_outputs": 1}, (2,)) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    assert a != OwnModule.of(Perceptron, {"n_features": 2, "n_outputs": 1.0}, (2,))
    assert OwnNet(a, 2, 1).n_outputs == 1
