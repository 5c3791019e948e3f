"""
What to take
============

A linear model, a net, gradient boosting: which of them is worth its cost on a table? And does a regularizer
pay there? ``compare`` cross-validates all of them on the same splits, recommends the simplest one that
nothing is better than with certainty, and gives it back ready to be fitted.
"""

# %%
# Numbers to predict from a product, a square and columns that say nothing: no linear model can do that. All
# candidates that `compare` knows would take a minute; a list of names chooses among them.

from sklearn.datasets import make_friedman1

import skreg

X, y = make_friedman1(300, 10, noise=1.0, random_state=0)
names = ["dummy", "linear L2", "default net", "gradient boosting", "plain net", "+ dropout", "+ L2"]
comparison = skreg.compare(X, y, candidates=names, quick=True, max_iter=40, random_state=0)
print(comparison.recommendation_.headline)
print(comparison.recommendation_.details)

# %%
# What one may take, each against the best of them. The p-values are corrected for how many there are.

print(comparison.contenders()[["mean_score", "difference", "p_value", "verdict"]].round(3))

# %%
# The recommended one, not fitted yet, and as source.

model = comparison.estimator().fit(X, y)
print(comparison.snippet())

# %%
# Whether a knob pays is another question, asked of the plain net. Contenders stand in the figure as well, but
# are not asked about it. ``comparison.to_html("report.html")`` writes all of it as one page.

comparison.plot()
