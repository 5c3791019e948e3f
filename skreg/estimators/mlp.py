"""RegularizedMLPClassifier and RegularizedMLPRegressor."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, ClassVar

from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions

from skreg.estimators.base import BaseRegularizedMLP
from skreg.estimators.docs import describe
from skreg.estimators.predicting import ClassPredictions, NumberPredictions
from skreg.estimators.resolve import CONSTRAINTS
from skreg.estimators.target import ClassTargets, NumberTargets

if TYPE_CHECKING:
    from typing import Any, Literal

    from skreg import typing as types


class RegularizedMLPClassifier(ClassifierMixin, ClassPredictions, ClassTargets, BaseRegularizedMLP):
    __doc__ = describe(
        """Multi-layer perceptron classifier whose every regularizer is a plain number.

    The loss is the log loss: of one logit for two classes, of a softmax for more, of one logit a
    label for multilabel targets.
""",
        """
    label_smoothing : float in [0, 1), default=0.0
        Share of each label that is spread evenly over the classes. The validation loss is computed
        without it.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, finite numbers >= 0, which multiply ``sample_weight``. A class that is
        not named has the weight 1. "balanced" gives every class the same total weight.
    decision : {"argmax", "balanced"} or dict, default="argmax"
        What turns probabilities into classes at `predict`: the class with the largest p_c / s_c.
        "argmax" takes the most probable class (s_c = 1), which is best for accuracy. "balanced" divides
        by the shares of the classes in training, ``class_prior_``, which is best for balanced accuracy
        [9]_. A dict {class: s_c} names every class with a finite number > 0: its share, or what should
        count as such; 1 / s_c is in proportion to the cost of taking a row of class c for another [10]_.
        Each label of a multilabel target is predicted where p / s exceeds (1 - p) / (1 - s), that is
        above the threshold s. Training by the loss, `predict_proba` and `decision_function` are the same
        with each; ``scoring`` by predicted classes sees the decision. It is that of the fit: set later,
        it has no effect before the next one.
""",
        """
    classes_ : ndarray of shape (n_classes,)
        Class labels, those whose rows all have weight zero included; for multilabel targets the
        numbers of the labels.
    class_prior_ : ndarray of shape (n_classes,)
        Shares of the classes in training, rows counted by their weights in the loss, ``class_weight``
        included, so that "balanced" weights make them equal; of each label for multilabel targets.
        Rows held out do not count. `partial_fit` counts the rows of all calls, a warm start those of
        its own.
""",
        """
    .. [9] Menon, Narasimhan, Agarwal and Chawla, "On the Statistical Consistency of Algorithms for
       Binary Classification under Class Imbalance", ICML 2013.
    .. [10] Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from skreg import RegularizedMLPClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    >>> net = RegularizedMLPClassifier((32,), dropout=0.2, random_state=0)
    >>> net.fit(X_train, y_train).score(X_test, y_test) > 0.95
    True
""",
        kind="Classifier",
    )

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [None, StrOptions({"balanced"}), dict],
        "decision": [StrOptions({"argmax", "balanced"}), dict],
    }

    def __init__(
        self,
        hidden_layer_sizes: types.Units = (256, 256),
        *,
        activation: types.Activation = "relu",
        categorical_features: types.Columns = "from_dtype",
        category_embedding: types.CategoryEmbedding = "auto",
        scale_features: types.Scale = "robust",
        numeric_embedding: types.NumericEmbedding = "auto",
        embedding_scale: float = 0.1,
        dropout: types.PerLayer = 0.2,
        input_dropout: float = 0.0,
        input_noise: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        cutout: float = 0.0,
        cutout_share: float = 0.25,
        batch_norm: types.Flags = True,
        layer_norm: bool = False,
        residual: bool = False,
        group_l1: float = 0.0,
        feature_groups: types.FeatureGroups = None,
        l1: types.PerLayer = 0.0,
        l2: types.PerLayer = 0.0,
        weight_decay: float = 0.01,
        max_norm: float | None = None,
        label_smoothing: float = 0.0,
        class_weight: types.ClassWeight = None,
        decision: types.Decision = "argmax",
        solver: types.Solver = "adamw",
        learning_rate_init: float = 2e-3,
        learning_rate: types.Schedule = "cosine",
        power_t: float = 0.5,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.95,
        epsilon: float = 1e-8,
        ema_decay: float = 0.8,
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int = 100,
        max_time: float | None = None,
        tol: float | None = None,
        shuffle: bool = True,
        early_stopping: bool = True,
        patience: int = 30,
        min_delta: float = 0.0,
        scoring: str | types.Scorer = "loss",
        metrics: types.Metrics = None,
        validation_fraction: float = 0.15,
        refit: bool = False,
        device: str = "auto",
        dtype: types.Precision = "float32",
        warm_start: bool = False,
        random_state: types.RandomState = None,
        verbose: int = 0,
        callbacks: list[Any] | tuple[Any, ...] | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.categorical_features = categorical_features
        self.category_embedding = category_embedding
        self.scale_features = scale_features
        self.activation = activation
        self.numeric_embedding = numeric_embedding
        self.embedding_scale = embedding_scale
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.input_noise = input_noise
        self.mixup = mixup
        self.cutmix = cutmix
        self.cutout = cutout
        self.cutout_share = cutout_share
        self.batch_norm = batch_norm
        self.layer_norm = layer_norm
        self.residual = residual
        self.group_l1 = group_l1
        self.feature_groups = feature_groups
        self.l1 = l1
        self.l2 = l2
        self.weight_decay = weight_decay
        self.max_norm = max_norm
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.decision = decision
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.learning_rate = learning_rate
        self.power_t = power_t
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.ema_decay = ema_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.max_time = max_time
        self.tol = tol
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.patience = patience
        self.min_delta = min_delta
        self.scoring = scoring
        self.metrics = metrics
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.device = device
        self.dtype = dtype
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class RegularizedMLPRegressor(RegressorMixin, NumberPredictions, NumberTargets, BaseRegularizedMLP):
    __doc__ = describe(
        """Multi-layer perceptron regressor whose every regularizer is a plain number.

    Targets are scaled inside (``scale_target``) and predictions given in the units of the target.
    Several targets share the hidden layers.
""",
        """
    loss : {"squared_error", "absolute_error", "huber", "poisson", "pinball"}, \
default="squared_error"
        "squared_error" is (y - f)^2 / 2. "huber" is the same up to errors of 1.345 and a line beyond,
        in units of the scaled target. "absolute_error" fits the median and "pinball" the ``quantile``.
        "poisson" has a log link and needs targets >= 0.
    quantile : float in (0, 1), default=0.5
        The quantile that "pinball" fits.
    scale_target : bool, default=True
        Scale the targets inside: by their mean and standard deviation with "squared_error"; with
        "huber", "absolute_error" and "pinball" by their median and 1.4826 times their median absolute
        deviation from it, which outliers do not move (where that is zero, by a range between
        quantiles); with "poisson", divide them by their mean.
    clip : bool, default=True
        Clip predictions to ``target_range_``, each output to its own range, as RealMLP does [5]_. This
        guards against absurd values for rows far outside the training data. It holds for `predict`,
        for each sample of `predict_mc` and for ``module_``, and a scorer in ``scoring`` is given
        clipped predictions. Losses in training and validation are computed without clipping.
""",
        """
    target_range_ : ndarray of shape (n_outputs_, 2)
        Smallest and largest target of each output, in the units of the target, of all rows given to
        `fit` whose weight is not zero, validation rows included; set with and without ``clip``.
        `partial_fit` and a warm start widen it. A member of an ensemble has the range of the rows it
        was trained on and of those it was validated on.
""",
        """
    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import RegularizedMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = RegularizedMLPRegressor((32,), dropout=0.1, max_iter=20, random_state=0).fit(X, y)
    >>> net.predict(X[:2]).shape
    (2,)
""",
        kind="Regressor",
    )

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"squared_error", "absolute_error", "huber", "poisson", "pinball"})],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "scale_target": ["boolean"],
        "clip": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes: types.Units = (256, 256),
        *,
        activation: types.Activation = "relu",
        categorical_features: types.Columns = "from_dtype",
        category_embedding: types.CategoryEmbedding = "auto",
        scale_features: types.Scale = "robust",
        numeric_embedding: types.NumericEmbedding = "auto",
        embedding_scale: float = 0.1,
        dropout: types.PerLayer = 0.2,
        input_dropout: float = 0.0,
        input_noise: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        cutout: float = 0.0,
        cutout_share: float = 0.25,
        batch_norm: types.Flags = True,
        layer_norm: bool = False,
        residual: bool = False,
        group_l1: float = 0.0,
        feature_groups: types.FeatureGroups = None,
        l1: types.PerLayer = 0.0,
        l2: types.PerLayer = 0.0,
        weight_decay: float = 0.01,
        max_norm: float | None = None,
        loss: types.Loss = "squared_error",
        quantile: float = 0.5,
        scale_target: bool = True,
        clip: bool = True,
        solver: types.Solver = "adamw",
        learning_rate_init: float = 2e-3,
        learning_rate: types.Schedule = "cosine",
        power_t: float = 0.5,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.95,
        epsilon: float = 1e-8,
        ema_decay: float = 0.8,
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int = 100,
        max_time: float | None = None,
        tol: float | None = None,
        shuffle: bool = True,
        early_stopping: bool = True,
        patience: int = 30,
        min_delta: float = 0.0,
        scoring: str | types.Scorer = "loss",
        metrics: types.Metrics = None,
        validation_fraction: float = 0.15,
        refit: bool = False,
        device: str = "auto",
        dtype: types.Precision = "float32",
        warm_start: bool = False,
        random_state: types.RandomState = None,
        verbose: int = 0,
        callbacks: list[Any] | tuple[Any, ...] | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.categorical_features = categorical_features
        self.category_embedding = category_embedding
        self.scale_features = scale_features
        self.activation = activation
        self.numeric_embedding = numeric_embedding
        self.embedding_scale = embedding_scale
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.input_noise = input_noise
        self.mixup = mixup
        self.cutmix = cutmix
        self.cutout = cutout
        self.cutout_share = cutout_share
        self.batch_norm = batch_norm
        self.layer_norm = layer_norm
        self.residual = residual
        self.group_l1 = group_l1
        self.feature_groups = feature_groups
        self.l1 = l1
        self.l2 = l2
        self.weight_decay = weight_decay
        self.max_norm = max_norm
        self.loss = loss
        self.quantile = quantile
        self.scale_target = scale_target
        self.clip = clip
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.learning_rate = learning_rate
        self.power_t = power_t
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.ema_decay = ema_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.max_time = max_time
        self.tol = tol
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.patience = patience
        self.min_delta = min_delta
        self.scoring = scoring
        self.metrics = metrics
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.device = device
        self.dtype = dtype
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags
