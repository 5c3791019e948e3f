"""Batched fits: joins the jobs of tasks that run side by side into rounds.

`submit` and `submit_many` are all that the estimators know of this package.
"""

from skreg.parallel.trainer import last_rounds, submit, submit_many

__all__ = ["last_rounds", "submit", "submit_many"]
