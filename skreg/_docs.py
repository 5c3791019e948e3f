"""Parameter texts that the two estimators share, so that each stands once."""

from __future__ import annotations

OBJECTIVE = """
    The objective is::

        J = 1/sum(w) * sum_i w_i * loss(y_i, f(x_i)) + l1 * sum|W| + l2/2 * sum W^2

    with W the weights of the linear layers (biases and batch norm are never penalised), the mean
    over rows and the sum over outputs. It depends neither on the batch size nor on the number of
    rows. Minibatches are the rows in random order, spread evenly, so that their sizes differ by one
    row at most and batch norm never sees a single row. Rows count by their ``sample_weight`` in the
    loss and in the statistics of batch norm; rows of weight zero are left out.
"""

ARCHITECTURE = """
    hidden_layer_sizes : int or array-like of int, default=(256, 256)
        Units of each hidden layer. ``()`` is a linear model.
    activation : {"relu", "gelu", "silu", "selu", "mish", "tanh", "logistic", "identity"}, \
default="relu"
        Activation of the hidden layers.
    numeric_embedding : {"auto", "periodic"} or None, default="auto"
        "periodic" gives the first layer, beside each numeric column x_j itself, 3 outputs of a linear
        map, with bias, of the 16 functions cos(2 pi f x_j + b) [4]_ [5]_. Frequencies f start from
        N(0, 0.1^2), in periods a unit of the column, so columns should be standardised; phases b
        start uniform in [-pi, pi]. Frequencies, phases and maps are trained with the net; they are no
        weights of the objective, and ``l1``, ``l2``, ``weight_decay`` and ``max_norm`` leave them
        alone. Columns with two distinct values or fewer in the training rows, as those of a one-hot
        encoding, are left as they are. The rows of a sparse matrix, made dense one minibatch at a time
        as ever, are treated alike. "auto" is "periodic", but None for tables of more than 256 such
        columns, and without hidden layers, so that the model is linear there.
    dropout : float in [0, 1) or array-like of shape (n_hidden_layers,), default=0.2
        Rate of *dropping* hidden units in training, one for all hidden layers or one for each;
        inverted scaling, so prediction uses all units as they are [1]_.
    input_dropout : float in [0, 1), default=0.0
        Rate of dropping inputs; with a column that is embedded goes all that was made of it.
    batch_norm : bool, default=True
        Batch norm between each hidden linear layer and its activation [2]_.
    l1 : float >= 0 or array-like of shape (n_hidden_layers + 1,), default=0.0
        Strength of the L1 penalty, by proximal steps in the metric of the optimiser, which gives
        weights that are exactly zero. One for all linear layers or one for each.
    l2 : float >= 0 or array-like of shape (n_hidden_layers + 1,), default=0.0
        Strength of the L2 penalty. In front of a batch norm it acts on the effective learning rate
        only.
    weight_decay : float >= 0, default=0.01
        Decoupled decay of the weights, times the learning rate [3]_.
    max_norm : float > 0 or None, default=None
        Bound on the norm of each unit's incoming weights, by projection after each step [1]_.
"""

TRAINING = """
    solver : {"adam", "adamw", "sgd"}, default="adamw"
        "adam" and "adamw" are one update here: what sets them apart elsewhere, whether decay goes
        through the gradient, is a parameter of its own (``l2`` does, ``weight_decay`` does not).
    learning_rate_init : float > 0, default=0.002
        Learning rate before the schedule.
    learning_rate : {"constant", "cosine", "one_cycle", "invscaling", "adaptive"}, default="cosine"
        Schedule over ``max_iter`` epochs. "adaptive" divides the rate by 5 whenever ``patience`` runs
        out, until it is below 1e-6.
    power_t : float >= 0, default=0.5
        Exponent of "invscaling".
    momentum : float in [0, 1), default=0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether "sgd" looks ahead.
    beta_1, beta_2 : float in [0, 1), default=0.9, 0.95
        Decay rates of the moments of "adam".
    epsilon : float > 0, default=1e-8
        Stabiliser of "adam".
    ema_decay : float in [0, 1), default=0.8
        Decay of the exponential moving average that is taken of the weights once an epoch [6]_; it
        begins as the mean of the first epochs. The average is what is validated and kept, while
        training goes on from the weights themselves. It steadies nets that stop before their learning
        rate has fallen. Weights that ``l1`` holds at zero are zero in it. 0 keeps the weights as they
        are; so does `partial_fit`.
    batch_size : "auto" or int, default="auto"
        Rows of a minibatch. "auto" is a power of two near n_rows / 32, at least 32 and at most 256.
    max_iter : int, default=100
        Epochs at most.
    max_time : float > 0 or None, default=None
        Seconds of training at most.
    tol : float >= 0 or None, default=None
        Without early stopping, end when the training loss has not fallen by more than ``tol`` for
        ``patience`` epochs. None never ends training so.
    shuffle : bool, default=True
        New order of the rows in each epoch.
    early_stopping : bool, default=True
        Hold out rows, and give back the weights of the epoch that was best on them, whatever ended
        training. A table that is too small to hold out a row is trained without.
    patience : int, default=30
        End after so many epochs without an improvement of more than ``min_delta``.
    min_delta : float >= 0, default=0.0
        The best epoch is kept on any improvement; patience starts anew only beyond this.
    scoring : "loss", str or callable, default="loss"
        What early stopping watches: the validation loss, the name of a scikit-learn scorer, or a function
        ``scoring(estimator, X, y)`` that returns a number, of which larger is better. It is given a fitted
        copy of the estimator and the validation rows as they were passed to `fit`. Where a metric is
        undefined for these rows, the loss is watched, with a warning.
    validation_fraction : float in (0, 1) or int, default=0.15
        Share or number of rows to hold out.
    refit : bool, default=False
        After the best epoch is known, train again on all rows for as many steps.
    device : str, default="auto"
        Device to train on: "auto" (a GPU where torch has one), "cpu", "cuda", "cuda:1", "mps".
    dtype : {"float32", "float64"}, default="float32"
        Precision of training. Prediction is in float64.
    warm_start : bool, default=False
        Start from the weights of the last fit.
    random_state : int, RandomState or None, default=None
        Seed of the initial weights, the held-out rows, the order of rows and the dropout masks. An
        int gives the same result on each run; None draws fresh entropy.
    verbose : int, default=0
        1 prints a line an epoch.
    callbacks : list of skorch callbacks or None, default=None
        They hear of each epoch. Callbacks that would have no effect are refused before training; the
        user guide has a table. A net with callbacks is not batched with others.
"""

ATTRIBUTES = """
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has column names.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights with batch norm folded in, so that they and ``intercepts_`` are the function of the
        inputs of the first layer: the columns, then 3 for each of ``embedded_features_``.
    intercepts_ : list of ndarray of shape (n_out,)
    n_iter_ : int
        Epochs run.
    best_iter_ : int
        Epoch of the weights that were kept.
    best_loss_ : float
        Validation loss of that epoch; without validation rows the smallest training loss.
    loss_curve_ : list of float
        Training loss of each epoch, the mean over its minibatches, penalties not included.
    validation_scores_ : list of float or None
    history_ : DataFrame
        epoch, train_loss, valid_loss, valid_score, learning_rate.
    stopped_by_ : {"patience", "max_iter", "max_time", "tol", "interrupt", "diverged"}
    n_weights_, n_zero_weights_ : int
        Weights of the linear layers, and how many of them are exactly zero.
    n_layers_, n_outputs_ : int
    embedded_features_ : ndarray of int
        Columns that ``numeric_embedding`` stands for; empty where there are none.
    device_ : str
    module_ : torch.nn.Sequential
        The same function as an ordinary module, for export.
    net_ : skorch.NeuralNet
        The same as a skorch net with its history.
"""

REFERENCES = """
    .. [1] Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
       JMLR 15, 2014.
    .. [2] Ioffe and Szegedy, "Batch Normalization", ICML 2015.
    .. [3] Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    .. [4] Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features in Tabular Deep
       Learning", NeurIPS 2022.
    .. [5] Holzmueller, Grinsztajn and Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted
       Trees on Tabular Data", NeurIPS 2024.
    .. [6] Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI
       2018.
"""


def describe(head, parameters, attributes, tail):
    """A numpydoc docstring out of shared and own parts."""
    return (
        head.rstrip()
        + "\n"
        + OBJECTIVE
        + "\n    Parameters\n    ----------"
        + ARCHITECTURE
        + parameters.strip("\n")
        + TRAINING
        + "\n    Attributes\n    ----------\n"
        + attributes.strip("\n")
        + ATTRIBUTES
        + "\n    References\n    ----------"
        + REFERENCES
        + "\n"
        + tail.strip("\n")
        + "\n    "
    )
