"""RegularizedNetClassifier and RegularizedNetRegressor."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, ClassVar

from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions

from skreg.estimators.own.base import BaseRegularizedNet, named_parameters_alone
from skreg.estimators.own.docs import describe
from skreg.estimators.predicting import ClassPredictions, NumberPredictions
from skreg.estimators.resolve import CONSTRAINTS as OF_TABLES
from skreg.estimators.target import ClassTargets, NumberTargets

if TYPE_CHECKING:
    from typing import Any, Literal

    from skreg import typing as types

#: Parameters of all nets that nets of a module of the user's have as well.
_TRAINING = (
    *("l1", "l2", "weight_decay", "max_norm", "solver", "learning_rate_init", "learning_rate"),
    *("power_t", "momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "ema_decay"),
    *("batch_size", "max_iter", "max_time", "tol", "shuffle", "early_stopping", "patience"),
    *("min_delta", "scoring", "metrics", "validation_fraction", "refit", "device", "dtype"),
    *("warm_start", "random_state", "verbose", "callbacks"),
)

CONSTRAINTS = {
    **{name: OF_TABLES[name] for name in _TRAINING},
    "module": [callable],
    "input_shape": ["array-like", None],
    "dropout": [*OF_TABLES["dropout"], None],
}


class RegularizedNetClassifier(ClassifierMixin, ClassPredictions, ClassTargets, BaseRegularizedNet):
    __doc__ = describe(
        """Classifier whose net is a torch module of yours, with the regularizers as plain numbers.

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
        [3]_. A dict {class: s_c} names every class with a finite number > 0: its share, or what should
        count as such; 1 / s_c is in proportion to the cost of taking a row of class c for another [4]_.
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
    .. [3] Menon, Narasimhan, Agarwal and Chawla, "On the Statistical Consistency of Algorithms for
       Binary Classification under Class Imbalance", ICML 2013.
    .. [4] Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from torch import nn
    >>> from skreg import RegularizedNetClassifier
    >>> class Small(nn.Module):
    ...     def __init__(self, channels=8, n_outputs=10):
    ...         super().__init__()
    ...         self.convolution = nn.Conv2d(1, channels, 3, padding=1)
    ...         self.dropout = nn.Dropout(0.5)
    ...         self.output = nn.Linear(channels * 16, n_outputs)
    ...
    ...     def forward(self, x):
    ...         x = nn.functional.max_pool2d(self.convolution(x).relu(), 2)
    ...         return self.output(self.dropout(x.flatten(1)))
    >>> X, y = load_digits(return_X_y=True)
    >>> images = (X / 16).reshape(-1, 1, 8, 8)
    >>> net = RegularizedNetClassifier(
    ...     Small, module__channels=4, dropout=0.1, l2=1e-4, learning_rate_init=0.01, max_iter=10,
    ...     random_state=0,
    ... )
    >>> net.fit(images[:1000], y[:1000]).score(images[1000:], y[1000:]) > 0.85
    True
""",
    )

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [None, StrOptions({"balanced"}), dict],
        "decision": [StrOptions({"argmax", "balanced"}), dict],
    }

    @named_parameters_alone
    def __init__(
        self,
        module: types.ModuleFactory,
        *,
        input_shape: types.Shape = None,
        dropout: types.PerLayer | None = None,
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
        **module_parameters: Any,
    ) -> None:
        self.module = module
        self.input_shape = input_shape
        self.dropout = dropout
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
        self._store(module_parameters)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class RegularizedNetRegressor(RegressorMixin, NumberPredictions, NumberTargets, BaseRegularizedNet):
    __doc__ = describe(
        """Regressor whose net is a torch module of yours, with the regularizers as plain numbers.

    Targets are scaled inside (``scale_target``) and predictions given in the units of the target.
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
        Clip predictions to ``target_range_``, each output to its own range, as RealMLP does [3]_. This
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
    .. [3] Holzmueller, Grinsztajn and Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted
       Trees on Tabular Data", NeurIPS 2024.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torch import nn
    >>> from skreg import RegularizedNetRegressor
    >>> def small(n_features, n_outputs, hidden=16):
    ...     layers = nn.Linear(n_features, hidden), nn.SiLU(), nn.Dropout(0.2)
    ...     return nn.Sequential(*layers, nn.Linear(hidden, n_outputs))
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = RegularizedNetRegressor(small, module__hidden=8, max_iter=20, random_state=0)
    >>> net.fit(X / X.std(axis=0), y).predict(X[:2]).shape
    (2,)
""",
    )

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"squared_error", "absolute_error", "huber", "poisson", "pinball"})],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "scale_target": ["boolean"],
        "clip": ["boolean"],
    }

    @named_parameters_alone
    def __init__(
        self,
        module: types.ModuleFactory,
        *,
        input_shape: types.Shape = None,
        dropout: types.PerLayer | None = None,
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
        **module_parameters: Any,
    ) -> None:
        self.module = module
        self.input_shape = input_shape
        self.dropout = dropout
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
        self._store(module_parameters)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags
