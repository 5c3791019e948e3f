"""What to take for a table, and which regularizer pays on it, by how much and with what certainty."""

from skreg.comparison.candidates import Candidate
from skreg.comparison.defaults import default_candidates
from skreg.comparison.result import Comparison
from skreg.comparison.run import compare

__all__ = ["Candidate", "Comparison", "compare", "default_candidates"]
