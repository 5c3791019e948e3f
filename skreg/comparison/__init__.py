"""Which regularizer pays on a table, by how much, and with what certainty."""

from skreg.comparison.candidates import Candidate, default_candidates
from skreg.comparison.result import Comparison
from skreg.comparison.run import compare

__all__ = ["Candidate", "Comparison", "compare", "default_candidates"]
