"""Batched fits: joins the jobs of tasks that run side by side into rounds.

`submit`, `submit_many` and `in_a_round` are all that the estimators know of this package.
"""

from skreg.parallel.trainer import in_a_round, last_rounds, submit, submit_many

__all__ = ["in_a_round", "last_rounds", "submit", "submit_many"]
