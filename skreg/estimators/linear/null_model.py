"""The model without weights, at which every path of L1 penalties begins.

Shapes: n rows, k outputs (one for two classes); intercepts are (k,), residuals (n, k).
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, softmax
from sklearn.utils.extmath import safe_sparse_dot

# Shares of classes without weight, and means of counts that are all zero: the intercepts would run
# off to minus infinity.
SMALLEST_SHARE = 1e-10


def class_intercepts(codes, n_classes, weight, fit_intercept):
    """Best intercepts where all weights are zero; those of a softmax sum to zero."""
    if not fit_intercept:
        return np.zeros(1 if n_classes == 2 else n_classes)
    share = np.bincount(codes, weights=weight, minlength=n_classes) / weight.sum()
    logits = np.log(np.maximum(share, SMALLEST_SHARE))
    return logits[1:] - logits[:1] if n_classes == 2 else logits - logits.mean()


def class_residuals(intercept, codes):
    """Probabilities that the intercepts alone give, minus what was seen."""
    if len(intercept) == 1:
        return expit(intercept) - codes[:, None]
    return softmax(intercept) - np.eye(len(intercept))[codes]


def largest_gradient(X, residual, weight):
    """Largest entry of the gradient of the mean loss: the L1 penalty that keeps all weights zero."""
    gradient = safe_sparse_dot(X.T, weight[:, None] * residual, dense_output=True) / weight.sum()
    return float(np.abs(gradient).max())
