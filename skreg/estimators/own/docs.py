"""Docstrings of the estimators around a module of the user's, of parts that they share with the others."""

from __future__ import annotations

from skreg.estimators.docs import ATTRIBUTES, TRAINING

OBJECTIVE = """
    The objective is that of the other nets::

        J = 1/sum(w) * sum_i w_i * loss(y_i, f(x_i)) + l1 * sum|W| + l2/2 * sum W^2

    with f the outputs of the module and W the weights of its linear and convolution layers (biases, norms,
    embeddings and all else that it learns are never penalised). The module returns raw outputs, one a class
    or target, without softmax or sigmoid; of two classes one or two. It begins with the weights that it gives
    itself, drawn under a seed that follows from ``random_state``, and is called in minibatches, rows first.

    Layers of dropout (`torch.nn.Dropout`, ``Dropout1d``, ``Dropout2d``, ``Dropout3d``, ``AlphaDropout``,
    ``FeatureAlphaDropout``) and of batch norm are replaced while the module is called: masks are the
    package's own, so that a net is the same alone and trained together with others, and batch norm counts
    rows by their weights. A module that draws other random numbers in training is refused. Rows must not
    see each other but through batch norm.

    Rows are taken as they are: no column is scaled, filled or encoded. Bring them to a small range first,
    such as pixels divided by their largest value.
"""

PARAMETERS = """
    module : subclass of torch.nn.Module or callable
        The class, or a function that returns a module. Parameters of it that are called ``n_outputs``,
        ``n_features`` and ``input_shape`` are given by `fit` unless they are set: the number of outputs, the
        numbers of a row, and its shape.
    input_shape : tuple of int or None, default=None
        Shape of one row as the module takes it, such as (3, 32, 32), where X is a table of two dimensions.
        None takes the shape of X without its first axis.
    dropout : float in [0, 1), array-like of shape (n_dropout_layers,) or None, default=None
        Rate of *dropping* of all layers of dropout of the module, or of each in the order in which the
        module defines them [1]_. None leaves each what the module gives it.
    l1 : float >= 0 or array-like of shape (n_weight_layers,), default=0.0
        Strength of the L1 penalty, one for the weights of all linear and convolution layers, or one for each
        in the order in which the module defines them. It is applied by proximal steps in the metric of the
        optimiser, which give weights that are exactly zero. Weights in front of a batch norm can shrink
        without changing what the net computes: there, penalties change little but the effective learning
        rate.
    l2 : float >= 0 or array-like of shape (n_weight_layers,), default=0.0
        Strength of the L2 penalty, in the same way.
    weight_decay : float >= 0, default=0.01
        Decoupled decay of these weights: each step multiplies them by 1 - learning rate times this [2]_.
    max_norm : float > 0 or None, default=None
        Bound on the norm of the weights that lead to each unit or channel, by projection after each step
        [1]_.
"""

MODULE_PARAMETERS = """
    **module_parameters
        Parameters of the module, as ``module__name=value``. They can be set and searched over as any other:
        ``set_params(module__hidden=64)``, ``{"module__hidden": [32, 64]}``.
"""

REFERENCES = """
    .. [1] Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
       JMLR 15, 2014.
    .. [2] Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    .. [6] Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI
       2018.
"""


def _without(text, first, after):
    """A text without the entries from one to another."""
    return text[: text.index(f"    {first} : ")] + text[text.index(f"    {after} : ") :]


def _attributes():
    """Those of all nets, without what multi-layer perceptrons have, and in the words of a module."""
    text = _without(ATTRIBUTES, "input_names_", "n_iter_")
    text = _without(text, "selected_features_", "n_layers_, n_outputs_")
    text = _without(text, "embedded_features_", "device_")
    start, stop = text.index("    module_ : "), text.index("    net_ : ")
    module = """\
    input_shape_ : tuple of int
        Shape of one row.
    module_ : torch.nn.Module
        The trained module in evaluation mode, on the CPU, with the rates of dropout that it was trained with.
        Of a regressor, and where two outputs are for two classes, a Sequential of it and of what makes
        predictions, or the decision function, of its outputs.
"""
    text = text[:start] + module + text[stop:]
    return text.replace(
        "Weights of the linear layers,", "Weights of linear and convolution layers,"
    )


def describe(head, parameters, attributes, tail):
    """A numpydoc docstring of shared parts and parts of one estimator."""
    return (
        head.rstrip()
        + "\n"
        + OBJECTIVE
        + "\n    Parameters\n    ----------"
        + PARAMETERS
        + parameters.strip("\n")
        + TRAINING.rstrip().replace(
            "Prediction is in float64.",
            "Prediction is in float64, of many rows in that of training.",
        )
        + MODULE_PARAMETERS
        + "\n    Attributes\n    ----------\n"
        + attributes.strip("\n")
        + _attributes()
        + "\n    See Also\n    --------\n"
        + "    RegularizedMLPClassifier : Multi-layer perceptrons for tables, whose columns are prepared.\n"
        + "    RegularizedMLPRegressor : The same for numbers.\n"
        + "\n    References\n    ----------"
        + REFERENCES
        + "\n"
        + tail.strip("\n")
        + "\n    "
    )
