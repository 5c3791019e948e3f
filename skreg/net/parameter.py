"""What a net consists of in numbers: names, shapes, and which of them the penalties act on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """What training does to a parameter."""

    #: Learned; ``l1``, ``l2``, ``weight_decay`` and ``max_norm`` act on it.
    PENALISED = "penalised"
    #: Learned, and never penalised.
    FREE = "free"
    #: Not learned: a running mean of what was seen in training.
    TRACKED = "tracked"
    #: Not learned: measured in the training rows before the first minibatch (`Block.measure`).
    FIXED = "fixed"

    @property
    def learned(self):
        """Whether the solver moves it."""
        return self in (Role.PENALISED, Role.FREE)


@dataclass(frozen=True)
class Parameter:
    """One array of a net.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Of one member.
    role : Role
    layer : int, default=-1
        Number of the linear layer whose strengths of ``l1`` and ``l2`` act on it; -1 for none.
    axis : int, default=0
        Of the units, whose incoming weights `max_norm` bounds.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    layer: int = -1
    axis: int = 0
