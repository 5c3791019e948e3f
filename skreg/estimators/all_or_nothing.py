"""A fit that succeeds, or leaves the estimator as it was; and one that the user interrupts."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def all_or_nothing(estimator):
    """Undo what was set on an estimator inside of the block, where the block raises anything.

    Parameters
    ----------
    estimator : BaseEstimator
    """
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise


def forget_fit(estimator, private=()):
    """Remove what an earlier fit has set.

    Parameters
    ----------
    estimator : BaseEstimator
    private : collection of str
        Its fitted attributes that do not end in an underscore.
    """
    for name in [n for n in vars(estimator) if n.endswith("_") or n in private]:
        delattr(estimator, name)


def despite_interrupt(work):
    """What a function returns that takes a moment and must not be lost, and whether the user interrupted it.

    Then it begins anew; a second interrupt is not caught.
    """
    try:
        return work(), False
    except KeyboardInterrupt:
        return work(), True


def pass_interrupt_on(estimator, interrupted):
    """Raise the user's interrupt again, once the estimator is fitted with what there is."""
    if interrupted:
        raise KeyboardInterrupt(
            f"The training of this {type(estimator).__name__} was interrupted. It is fitted with the best "
            "weights so far."
        )
