"""Parameter texts that the two estimators share, so that each stands once."""

from __future__ import annotations

from skreg.estimators.columns.preparation import MOST_ONE_HOT
from skreg.net.net import DEFAULT_EMBEDDING, EMBEDDINGS, KNOBS

OBJECTIVE = """
    The objective is::

        J = 1/sum(w) * sum_i w_i * loss(y_i, f(x_i)) + l1 * sum|W| + l2/2 * sum W^2

    with W the weights of the linear layers (biases and batch norm are never penalised; ``group_l1`` adds
    to it what its entry says), the mean
    over rows and the sum over outputs. It depends neither on the batch size nor on the number of
    rows. Minibatches take the rows in random order and differ in size by one row at most, so that
    batch norm never sees a single row. Rows count by their ``sample_weight`` in the loss and in the
    statistics of batch norm; rows of weight zero are left out.

    The table may be taken as it comes: numbers of any scale, with gaps, and categories as text. What is
    done to its columns is learned from the training rows, by their weights, and done again to ``X_val``
    and at predict; the user guide has a page on it. Infinite numbers and dates are refused, with the name
    of the column. Sparse matrices are taken as they are.
"""

ARCHITECTURE = """
    hidden_layer_sizes : int or array-like of int, default=(256, 256)
        Units of each hidden layer. ``()`` is a linear model.
    activation : {{"relu", "gelu", "silu", "selu", "mish", "elu", "tanh", "logistic", "identity"}}, \
default="relu"
        Activation of the hidden layers.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Columns that hold categories. "from_dtype" takes the columns of a DataFrame whose type is category,
        text, or object where a value is text; an array-like names columns, gives their numbers or a mask;
        None takes none. Levels are learned in `fit`. A missing value is a level of its own where it occurs
        in training. What is unknown at predict has the place of the levels that were seen once, or none.
    category_embedding : {{"auto", "onehot", "embedding"}}, default="auto"
        What becomes of a category: a column of zeros and ones for each level, or a vector that is trained
        with the net. "auto" takes vectors beyond {most} levels. Without hidden layers all are one-hot.
    scale_features : {{"standard", "robust", "quantile"}} or None, default="robust"
        How numeric columns are scaled. "standard": to mean 0 and standard deviation 1. "robust": by median
        and range of the middle half, z, and then z / sqrt(1 + (z / 3)^2), which bends outliers back to
        within 3 [5]_. "quantile": to normal scores, ties to the middle of their ranks. None takes columns
        as they are, with a warning where that harms. Gaps (NaN) get the median of the column; where a
        column had gaps in training, another one says where they are.
    numeric_embedding : {{"auto", {embeddings}}} or None, default="auto"
        What the first layer is given beside each numeric column x_j itself: 3 outputs of a linear map,
        with bias, of functions of the column. Functions and maps are no weights of the objective: ``l1``,
        ``l2``, ``weight_decay`` and ``max_norm`` do not act on them. Columns with at most two distinct
        values in the training rows, such as those of a one-hot encoding, are left as they are. A sparse
        matrix is made dense one minibatch at a time, and its columns are embedded in the same way. "auto"
        is {default}, but None for tables of more than 256 such columns, and without hidden layers, so
        that the model stays linear.
{functions}"""

TRAINING = """
    solver : {"adam", "adamw", "sgd"}, default="adamw"
        "adam" and "adamw" are the same here. Elsewhere they differ in whether weight decay is part of
        the gradient; here ``l2`` is and ``weight_decay`` is not.
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
        Whether "sgd" uses Nesterov's momentum.
    beta_1, beta_2 : float in [0, 1), default=0.9, 0.95
        Decay rates of the moments of "adam".
    epsilon : float > 0, default=1e-8
        Added to the denominator of "adam" for numerical stability.
    ema_decay : float in [0, 1), default=0.8
        Decay of the exponential moving average that is taken of the weights once an epoch [6]_; it
        begins as the mean of the first epochs. The average is validated and kept, while training goes
        on from the weights themselves. It helps nets that stop before their learning rate has fallen.
        Weights that ``l1`` holds at zero are zero in the average. 0 takes no average; neither does
        `partial_fit`.
    batch_size : "auto" or int, default="auto"
        Rows per minibatch. "auto" is a power of two near n_rows / 32, at least 32 and at most 256.
    max_iter : int, default=100
        Largest number of epochs.
    max_time : float > 0 or None, default=None
        Largest time of training in seconds; None sets no limit.
    tol : float >= 0 or None, default=None
        Without early stopping, end when the training loss has not fallen by more than ``tol`` for
        ``patience`` epochs. With None the training loss does not end training.
    shuffle : bool, default=True
        Whether the rows are shuffled in each epoch.
    early_stopping : bool, default=True
        Hold out rows for validation and keep the weights of the epoch that was best on them, however
        training ended. For a classifier the rows are stratified; the row of a class with a single row
        stays in training. With ``groups`` in `fit` whole groups are held out, stratified and as near to
        ``validation_fraction`` as groups allow; a group that has all rows of a class stays in training
        where others will do, and where all rows are of one group there is an error. A table that is too
        small to hold out a row is trained without. A warning is given where the weights that are kept
        are clearly worse on these rows than a constant.
    patience : int, default=30
        Number of epochs without an improvement of more than ``min_delta`` after which training ends.
    min_delta : float >= 0, default=0.0
        Improvement that resets ``patience``. The best epoch is kept on any improvement.
    scoring : "loss", str or callable, default="loss"
        What early stopping watches: the validation loss, the name of a scikit-learn scorer, or a function
        ``scoring(estimator, X, y)`` that returns a number, of which larger is better. It is given a fitted
        copy of the estimator and the validation rows as they were passed to `fit`. Where a metric is
        undefined for these rows, the loss is watched, with a warning.
    metrics : list of str, dict or None, default=None
        What ``history_`` tells of each epoch beside the loss: names of scikit-learn's scorers, or a dict
        {name: scorer} of names and of functions ``scorer(estimator, X, y)``. "accuracy" becomes the column
        ``valid_accuracy``, of the validation rows, or ``train_accuracy``, of the training rows, where none
        are held out; "train_accuracy" asks for the training rows in any case. Signs are the scorers':
        "neg_log_loss" is below zero. A metric has no part in training; ``scoring`` names the one that
        decides. It is taken of the weights that would be kept if training ended there, without dropout.
        NaN is where it is undefined. Epochs are closed one at a time then: small nets take longer, and
        metrics of the training rows predict all of them each time.
    validation_fraction : float in (0, 1) or int, default=0.15
        Share or number of rows to hold out.
    refit : bool, default=False
        Whether to train again on all rows, for as many steps as the best epoch had taken.
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
        1 prints a line for each epoch.
    callbacks : list of skorch callbacks or None, default=None
        Called in each epoch. Callbacks that would have no effect are refused before training; the user
        guide has a table. A net with callbacks is trained alone and not batched with others.
"""

ATTRIBUTES = """
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has column names.
    input_names_ : ndarray of shape (n_inputs,)
        Names of the inputs of the first layer: ``"age"``; ``"age missing"`` for where it had gaps;
        ``"age~1"`` to ``"age~3"`` for its embedding; ``"job=clerk"`` for a level; ``"job~1"``, ... for a
        vector of levels.
    input_features_ : ndarray of int, shape (n_inputs,)
        The column of X that each of them was made of.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights with batch norm folded in, so that they and ``intercepts_`` are the function of the
        inputs of the first layer, which ``input_names_`` names, in units of the scaled columns.
    intercepts_ : list of ndarray of shape (n_out,)
    n_iter_ : int
        Number of epochs run.
    best_iter_ : int
        Epoch whose weights were kept.
    best_loss_ : float
        Validation loss of that epoch; without validation rows the smallest training loss.
    loss_curve_ : list of float
        Training loss of each epoch, the mean over its minibatches, penalties not included.
    validation_scores_ : list of float or None
    history_ : DataFrame
        epoch, train_loss, valid_loss, valid_score, learning_rate, and a column for each of ``metrics``.
    stopped_by_ : {"patience", "max_iter", "max_time", "tol", "interrupt", "diverged"}
    n_weights_, n_zero_weights_ : int
        Weights of the linear layers, and how many of them are exactly zero.
    selected_features_ : ndarray of bool, shape (n_features_in_,)
        Columns of X that the net looks at: those with a weight in the first layer that is not zero.
    n_features_used_ : int
        Number of those columns.
    feature_importances_ : ndarray of shape (n_features_in_,)
        Length of the weights of the first layer, batch norm folded in, that belong to a column, as a share
        of the sum over columns; exactly 0 for a column that is out. It counts what leaves a column and not
        what becomes of it: `sklearn.inspection.permutation_importance` says what a column is worth.
    n_layers_, n_outputs_ : int
    embedded_features_ : ndarray of int
        Columns that have a numeric embedding, by their numbers among those of the prepared table, in which
        numeric columns come first; empty where there are none.
    device_ : str
    module_ : torch.nn.Sequential
        The same function as an ordinary module, which `torch.jit.script` and `torch.onnx.export`
        take.
    net_ : skorch.NeuralNet
        The net as a skorch net with its history.
"""

SEE_ALSO = """
    See Also
    --------
    RegularizedMLP{kind}CV : Searches all parameters at once and makes an ensemble of the best.
    BaggedMLP{kind} : An ensemble of such nets, trained side by side.
    RegularizedLinear{kind} : The same objective without hidden layers, by exact solvers.
    TrainingCurveDisplay : Draws ``history_``.
    ValidationPathDisplay : Draws the scores of a search along a parameter.
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
    .. [7] Yuan and Lin, "Model Selection and Estimation in Regression with Grouped Variables", JRSS B
       68, 2006.
    .. [8] Scardapane et al., "Group Sparse Regularization for Deep Neural Networks", Neurocomputing
       241, 2017.
"""


def _architecture():
    """The texts of `ARCHITECTURE`, with what the embeddings say of themselves."""
    return ARCHITECTURE.format(
        embeddings=", ".join(f'"{name}"' for name in EMBEDDINGS),
        default=f'"{DEFAULT_EMBEDDING}"',
        most=MOST_ONE_HOT,
        functions="".join("\n" + block.doc for block in EMBEDDINGS.values()),
    )


def describe(head, parameters, attributes, tail, *, kind):
    """A numpydoc docstring of shared parts and parts of one estimator."""
    return (
        head.rstrip()
        + "\n"
        + OBJECTIVE
        + "\n    Parameters\n    ----------"
        + _architecture()
        + "".join(knob.doc for knob in KNOBS)
        + parameters.strip("\n")
        + TRAINING
        + "\n    Attributes\n    ----------\n"
        + attributes.strip("\n")
        + ATTRIBUTES
        + SEE_ALSO.format(kind=kind)
        + "\n    References\n    ----------"
        + REFERENCES
        + "\n"
        + tail.strip("\n")
        + "\n    "
    )
