"""ema_decay: the average over epochs of the weights, which is what is validated and kept."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

NET = {
    "hidden_layer_sizes": (6,),
    "scale_features": None,
    "learning_rate": "constant",
    "learning_rate_init": 0.02,
    "early_stopping": False,
    "dtype": "float64",
    "random_state": 0,
}


def parameters_after(net, X, y, epochs):
    """Parameters of the same training ended after 1, 2, ... epochs, none of them averaged."""
    fits = (clone(net).set_params(max_iter=t + 1, ema_decay=0).fit(X, y) for t in range(epochs))
    return [fitted._params for fitted in fits]


def means(points, decay):
    """Averages after each epoch, by their definition."""
    found = []
    for t, point in enumerate(points):
        kept = min(decay, t / (t + 1))
        last = found[-1] if found else point
        found.append({name: kept * last[name] + (1 - kept) * point[name] for name in point})
    return found


@pytest.mark.parametrize("decay", [0.3, 0.8])
@pytest.mark.parametrize("embedding", [None, "periodic"])
def test_what_is_kept_is_the_average(X, y_real, decay, embedding):
    net = RegularizedMLPRegressor(**NET, numeric_embedding=embedding, ema_decay=decay, max_iter=8)
    expected = means(parameters_after(net, X, y_real, 8), decay)[-1]
    found = net.fit(X, y_real)._params
    assert set(found) == set(expected) and "variance_0" in found
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-10)


def test_the_average_is_what_is_validated(X, y_real):
    """The loss of each epoch on held-out rows is that of the average of this epoch."""
    net = RegularizedMLPRegressor(**NET, numeric_embedding=None, max_iter=6)
    rows, new = slice(0, 60), slice(60, 90)
    expected = means(parameters_after(net, X[rows], y_real[rows], 6), 0.8)
    net.set_params(early_stopping=True).fit(X[rows], y_real[rows], X_val=X[new], y_val=y_real[new])
    scale, centre = y_real[rows].std(), y_real[rows].mean()
    losses = []
    for point in expected:
        z = X[new] @ point["weight_0"].T
        norm = (z - point["mean_0"]) / np.sqrt(point["variance_0"] + 1e-5)
        out = np.maximum(norm * point["gain_0"] + point["shift_0"], 0) @ point["weight_1"].T
        wanted = (y_real[new] - centre) / scale
        losses.append(np.mean((out[:, 0] + point["bias_1"] - wanted) ** 2) / 2)
    assert net.history_["valid_loss"].tolist() == pytest.approx(losses, rel=1e-8)
    assert net.best_iter_ == 1 + np.argmin(losses)


@pytest.mark.filterwarnings("ignore:l[12] .* hidden layers with batch_norm=True:UserWarning")
def test_zeros_of_l1_are_zeros_of_the_average(X, y_real):
    net = RegularizedMLPRegressor(**NET, numeric_embedding=None, max_iter=40, l1=0.02)
    averaged, raw = (clone(net).set_params(ema_decay=d).fit(X, y_real) for d in (0.9, 0))
    assert 0 < raw.n_zero_weights_ < raw.n_weights_
    for one, other in zip(averaged.coefs_, raw.coefs_, strict=True):
        np.testing.assert_array_equal(one == 0, other == 0)


def test_it_steadies_nets_of_a_high_rate(X, y_binary):
    """Weights that jump about one place: the average is nearer to it, and alike between seeds."""
    spread = {}
    for decay in (0, 0.9):
        net = RegularizedMLPClassifier(
            **{**NET, "learning_rate_init": 0.05}, ema_decay=decay, max_iter=40, dropout=0.4
        )
        losses = clone(net).set_params(early_stopping=True, patience=40).fit(X, y_binary)
        spread[decay] = np.abs(np.diff(losses.history_["valid_loss"][10:])).mean()
    assert spread[0.9] < 0.5 * spread[0]


def test_refused_values(X, y_binary):
    for value in (1.0, -0.1, None):
        with pytest.raises(ValueError, match="The 'ema_decay' parameter"):
            RegularizedMLPClassifier(ema_decay=value).fit(X, y_binary)
