"""scikit-learn's mixin for callbacks (1.9 and later), absent before."""

from __future__ import annotations

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:
        """Stands in for scikit-learn's mixin: no callbacks can be set."""

        def _init_callback_context(self, **options):
            return None


__all__ = ["CallbackSupportMixin"]
