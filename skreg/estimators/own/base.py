"""What the estimators around a module of the user's share."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_regressor

from skreg.estimators.base import BaseNet
from skreg.estimators.columns import read
from skreg.estimators.columns.preparation import Settings
from skreg.estimators.own.wiring import PREFIX, check_parameters, row_shape, wiring_of
from skreg.estimators.tables import as_numpy

if TYPE_CHECKING:
    from typing import Self

    import torch

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def named_parameters_alone(init: Decorated) -> Decorated:
    """Let a signature show no ``**``, whose name scikit-learn's checks would take for a parameter."""
    signature = inspect.signature(init)
    named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    init.__signature__ = signature.replace(parameters=named)  # type: ignore[attr-defined]
    return init


class BaseRegularizedNet(BaseNet):
    """Nets whose module is the user's: rows of any shape, and parameters that are the module's."""

    input_shape_: tuple[int, ...]

    #: Rows are taken as they are; messages name other remedies then.
    _takes_categories = False

    # -- parameters -------------------------------------------------------------------------------

    def _store(self, parameters):
        """Store the parameters of a module."""
        for name, value in parameters.items():
            if not name.startswith(PREFIX) or name == PREFIX:
                raise TypeError(
                    f"{type(self).__name__} got an unexpected keyword argument {name!r}. Parameters of the "
                    f"module begin with {PREFIX!r}."
                )
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of this estimator, with those of the module as ``module__name``.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        dict
        """
        own = {name: value for name, value in vars(self).items() if name.startswith(PREFIX)}
        return super().get_params(deep=deep) | own

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator, and those of the module as ``module__name=value``.

        Parameters
        ----------
        **params : object
            By their names.

        Returns
        -------
        self : estimator
        """
        own = {name: value for name, value in params.items() if name.startswith(PREFIX)}
        super().set_params(**{name: v for name, v in params.items() if name not in own})
        self._store(own)
        return self

    @property
    def module_(self) -> torch.nn.Module:
        """The trained module in evaluation mode, on the CPU; see the attributes of the class."""
        return super().module_

    # -- what a net is, see `BaseNet` -------------------------------------------------------------

    def _check_parameters(self):
        return check_parameters(self)

    def _read(self, X, y, *, first):
        X = _as_array(X)
        shape = tuple(X.shape[1:]) if getattr(X, "ndim", 2) > 2 else None
        options = {"multi_output": True, "y_numeric": is_regressor(self)}
        X, y = read(
            self, self._flat(X, first), y, None, reset=first, ensure_all_finite=True, **options
        )
        if first:
            self.input_shape_ = row_shape(self.input_shape, shape or X.shape[1:])
        return X, y

    def _read_to_predict(self, X):
        X = self._flat(_as_array(X), False)
        options = {"reset": False, "order": None, "ensure_all_finite": True}
        return read(self, X, "no_validation", None, **options)[0]

    def _flat(self, X, first):
        """Rows of more dimensions as lines of a table."""
        if getattr(X, "ndim", 2) <= 2:
            return X
        shape = tuple(X.shape[1:])
        if not first and shape != self.input_shape_:
            raise ValueError(
                f"X has rows of shape {shape}, and this {type(self).__name__} was fitted to rows of "
                f"shape {self.input_shape_}. Give rows of that shape, or a table of "
                f"{self.n_features_in_} columns."
            )
        return np.asarray(X).reshape(len(X), math.prod(shape))

    def _column_settings(self, one_hot):
        return Settings(None, "onehot", self.dtype, scalable=False)

    def _wiring(self, X, parts, start):
        return wiring_of(self)


def _as_array(X):
    """Lists of lists of rows and tensors as arrays; tables as they are."""
    X = as_numpy(X)
    if isinstance(X, list | tuple) and len(X) and not sp.issparse(X[0]) and np.ndim(X[0]) > 0:
        return np.asarray(X)
    return X
