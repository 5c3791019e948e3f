"""scikit-learn's decorators, written so that a type checker keeps the signature of what they decorate."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Decorated = TypeVar("Decorated", bound=Callable[..., Any])

    def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Decorated], Decorated]: ...

    def validate_params(
        constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
    ) -> Callable[[Decorated], Decorated]: ...

    def with_callbacks(method: Decorated) -> Decorated: ...

else:
    from sklearn.base import _fit_context as fit_context
    from sklearn.utils._param_validation import validate_params

    try:  # scikit-learn 1.9 and later
        from sklearn.callback import with_callbacks
    except ImportError:

        def with_callbacks(method):
            """Stands in for scikit-learn's decorator: the method as it is."""
            return method


__all__ = ["fit_context", "unchanged_on_error", "validate_params", "with_callbacks"]


@contextlib.contextmanager
def unchanged_on_error(estimator):
    """Where the block raises, the attributes of an estimator are what they were before it."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
