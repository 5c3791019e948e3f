"""What a block can be told: each hyperparameter of a net is declared once, in the file of its block.

The fields of a spec, the arrays over the members of a stack, the checks of the estimators and the
parameters in their docstrings follow from the declarations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Values that are allowed, by kind: a bool; a bool or one for each hidden layer; a float in [0, 1); one in
#: [0, 1]; one >= 0; one > 0 or None for no bound; one > 0, for which there is no value that turns it off.
KINDS = ("flag", "flags", "rate", "share", "strength", "bound", "scale")


@dataclass(frozen=True)
class Knob:
    """A hyperparameter of a block.

    Attributes
    ----------
    name : str
        Of the parameter of the estimators, and of the field of `skreg.train.job.Spec`.
    kind : {"flag", "flags", "rate", "share", "strength", "bound", "scale"}
    doc : str
        Its entry in the docstrings of the estimators, default included.
    each : {"hidden", "linear"} or None, default=None
        Layers that may have a value each. A flag of the hidden layers is off where there are none; of one
        that they may have each for itself the value in a spec is a bool, or a tuple where they differ.
    shared : bool, default=False
        Whether the members of a stack must agree on it, because it changes what a net is made of.
        Others differ from member to member.
    splits : bool, default=False
        Whether nets that have it (any value but ``off``) and nets that do not are trained in different
        stacks, because a net that has it does more.
    starts : bool, default=False
        Whether initial values depend on it.
    usual : float or None, default=None
        Of a scale: its value in a spec that says nothing of it.
    """

    name: str
    kind: str
    doc: str
    each: str | None = None
    shared: bool = False
    splits: bool = False
    starts: bool = False
    usual: float | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r} must be one of {KINDS}")

    @property
    def off(self):
        """Its value in a spec of a net without hidden layers that does not have it."""
        if self.kind in ("flag", "flags"):
            return False
        if self.kind == "scale":
            return self.usual
        value = math.inf if self.kind == "bound" else 0.0
        return {None: value, "hidden": (), "linear": (value,)}[self.each]
