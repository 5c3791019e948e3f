"""
Which regularizer pays here?
============================

``compare`` lets a plain network, the same network with one regularizer at a time, linear models and a bagged
network compete on the same splits, and says which differences are certain. It chooses the strength of each
knob inside the training folds, so that no knob is judged at an arbitrary one.
"""

# %%
# Five columns that matter, 25 that do not, 300 rows, some noise. ``quick=True`` tries few strengths of each
# knob.

from sklearn.datasets import make_friedman1

import skreg

X, y = make_friedman1(300, 30, noise=1.0, random_state=0)
names = ["dummy", "linear L2", "linear L1", "plain net", "+ dropout", "+ L1", "+ L2"]
comparison = skreg.compare(X, y, candidates=names, quick=True, random_state=0, diagnose=False)

# %%
# A row for each candidate: score, gap between training and test, difference to the plain network with its
# p-value, corrected for all that was asked.

columns = ["mean_score", "overfit_gap", "difference", "p_value", "verdict"]
comparison.frame()[columns].round(3)

# %%
# In words, and ready for a report: ``comparison.to_html("report.html")`` writes the same as a page that
# loads nothing from the network, as ``skreg compare table.csv --output report.html`` does for a file.

print(comparison.summary())

# %%
# Where a regularizer moved the two ends of the gap: the training score falls a little, the test score rises.

from skreg.display import OverfitGapDisplay

OverfitGapDisplay.from_comparison(comparison)

# %%
# The differences to the plain network, with their intervals. One that contains 0 is no proof of anything,
# in either direction.

import matplotlib.pyplot as plt

from skreg import ComparisonDisplay

ComparisonDisplay.from_comparison(comparison)
plt.show()
