"""Names for what the public functions take and give back.

Only type checkers read this module. Nothing imports it when the package runs, so it may use what is
slow to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray


class SupportsArray(Protocol):
    """Arrays, tables of pandas and polars, tensors of torch."""

    def __array__(self) -> NDArray[Any]: ...


class SupportsDataFrame(Protocol):
    """Tables that other libraries can read."""

    def __dataframe__(self) -> Any: ...


class Sparse(Protocol):
    """Matrices and arrays of scipy.sparse."""

    def tocsr(self) -> Any: ...


#: Not a text and not a number: the name of a file is no table.
Table: TypeAlias = (
    SupportsArray | SupportsDataFrame | Sparse | Sequence[Sequence[float]] | Sequence[SupportsArray]
)
#: Columns of any kind, for `compare`.
MixedTable: TypeAlias = Table | Sequence[list[Any] | tuple[Any, ...]]
#: Labels may be of any kind, and for multilabel a matrix, sparse or not.
Target: TypeAlias = SupportsArray | SupportsDataFrame | Sparse | Sequence[Any]
RowWeights: TypeAlias = SupportsArray | Sequence[float]
Array: TypeAlias = NDArray[Any]

RandomState: TypeAlias = int | np.random.RandomState | None
Groups: TypeAlias = SupportsArray | Sequence[Any]
ClassWeight: TypeAlias = Mapping[Any, float] | Literal["balanced"] | None
Decision: TypeAlias = Mapping[Any, float] | Literal["argmax", "balanced"]
#: ``scoring(estimator, X, y)``, of which larger is better.
Scorer: TypeAlias = Callable[[Any, Any, Any], float]
#: Names of scorers, or scorers of one's own by name.
Metrics: TypeAlias = Sequence[str] | Mapping[str, str | Scorer] | None

Units: TypeAlias = int | Sequence[int] | NDArray[np.integer[Any]]
#: A class of modules, or a function that returns one.
ModuleFactory: TypeAlias = Callable[..., Any]
Shape: TypeAlias = Sequence[int] | None
PerLayer: TypeAlias = float | Sequence[float] | NDArray[np.floating[Any] | np.integer[Any]]
#: One for all hidden layers, or one for each.
Flags: TypeAlias = bool | Sequence[bool] | NDArray[np.bool_]
Activation: TypeAlias = Literal[
    "relu", "gelu", "silu", "selu", "mish", "elu", "tanh", "logistic", "identity"
]
#: Columns by their numbers, names or a mask.
Columns: TypeAlias = (
    Literal["from_dtype"] | Sequence[int] | Sequence[str] | Sequence[bool] | NDArray[Any] | None
)
#: A label for each column, or lists of columns that belong together.
FeatureGroups: TypeAlias = (
    Sequence[int]
    | Sequence[str]
    | Sequence[Sequence[int]]
    | Sequence[Sequence[str]]
    | NDArray[Any]
    | None
)
CategoryEmbedding: TypeAlias = Literal["auto", "onehot", "embedding"]
Scale: TypeAlias = Literal["standard", "robust", "quantile"] | None
NumericEmbedding: TypeAlias = Literal["auto", "periodic", "piecewise"] | None
Loss: TypeAlias = Literal["squared_error", "absolute_error", "huber", "poisson", "pinball"]
LinearLoss: TypeAlias = Literal["squared_error", "absolute_error", "pinball", "poisson"]
Solver: TypeAlias = Literal["adam", "adamw", "sgd"]
LinearSolver: TypeAlias = Literal["auto", "newton-cholesky", "lbfgs"]
Schedule: TypeAlias = Literal["constant", "cosine", "one_cycle", "invscaling", "adaptive"]
Precision: TypeAlias = Literal["float32", "float64"]
Stopping: TypeAlias = Literal["ensemble", "member"]
StoppedBy: TypeAlias = Literal["patience", "max_iter", "max_time", "tol", "interrupt", "diverged"]
Task: TypeAlias = Literal["auto", "classification", "regression"]
#: What a search draws settings from: lists, and distributions with a method ``rvs``.
Distributions: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Grid: TypeAlias = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]]
#: Number of folds, a splitter of scikit-learn, or pairs of row numbers.
Folds: TypeAlias = Any
RefitAll: TypeAlias = Literal[False, "all"]
