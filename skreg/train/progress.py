"""How far a stack is: all that those who show it are told; and how it is ended from outside."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """A stack after one of its epochs.

    Attributes
    ----------
    stack : int
        Number of the stack, another one for each in a process.
    members : int
        Nets that it began with.
    training : int
        Nets that go on.
    done : int
        Nets whose results are there. One that has just ended neither goes on, nor is it done yet.
    epoch : int
        Epochs that those that go on have behind them.
    max_iter : int
        Most epochs that any of them may have in the end.
    seconds : float
        Since the stack began.
    """

    stack: int
    members: int
    training: int
    done: int
    epoch: int
    max_iter: int
    seconds: float

    @property
    def trained(self):
        """Nets that are trained so far, those in training by the share of their epochs."""
        return self.done + (self.members - self.done) * self.epoch / self.max_iter

    @property
    def seconds_left(self):
        """How long the rest takes at most, if epochs go on taking as long."""
        return self.seconds / self.epoch * max(self.max_iter - self.epoch, 0)


class Control:
    """Lets another thread end training early, and is told of its progress.

    Attributes
    ----------
    cancelled : bool
        Set it to end training within a twentieth of a second; the best weights so far are kept.
    progress : callable or None
        ``progress(record)`` with a `Progress` after each epoch, or after some that took no longer than a
        twentieth of a second together.
    """

    def __init__(self, progress=None):
        self.cancelled = False
        self.progress = progress
