"""scikit-learn's callbacks (1.9 and later), absent before."""

from __future__ import annotations

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:
        """Stands in for scikit-learn's mixin: no callbacks can be set."""

        def _init_callback_context(self, **options):
            return None

    def with_callbacks(method):
        """Stands in for scikit-learn's decorator: the method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "with_callbacks"]
