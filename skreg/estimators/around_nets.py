"""What ensembles and searches share: one net inside, of which many are trained together."""

from __future__ import annotations

from typing import ClassVar

from sklearn.base import clone
from sklearn.utils import get_tags

from skreg.estimators.course import checked


class AroundNets:
    """Mixin of meta-estimators with a parameter ``estimator``: a net, or None for its defaults."""

    #: The class of the nets.
    _net: ClassVar[type]
    #: What the meta-estimator is, in messages.
    _kind: ClassVar[str]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        if self.estimator is None or isinstance(self.estimator, self._net):
            tags.target_tags = get_tags(self._get_estimator()).target_tags
        return tags

    def _get_estimator(self):
        return self._net() if self.estimator is None else self.estimator

    def _make_template(self, **changes):
        """A net with the parameters that all nets have, and the parts of a spec that follow from them.

        Raises
        ------
        TypeError, ValueError
            Where ``estimator`` is no net, or one that cannot be trained together with others.
        """
        estimator = self._get_estimator()
        if not isinstance(estimator, self._net):
            raise TypeError(
                f"estimator={estimator!r} is not a {self._net.__name__}. Pass one, or None for its "
                f"defaults; what prepares the table belongs in front of the {self._kind}: "
                f"make_pipeline(..., {type(self).__name__}())."
            )
        if estimator.callbacks:
            raise ValueError(
                f"estimator has callbacks={estimator.callbacks!r}. Callbacks watch a net that is trained "
                f"alone, and all nets of this {self._kind} are trained together. Set "
                "estimator__callbacks=None."
            )
        template = clone(estimator).set_params(**changes)
        return template, checked(template)
