"""
What to take
============

A linear model, a net, gradient boosting: which of them is worth its cost on a table? And does a regularizer
pay there? ``compare`` cross-validates all of them on the same splits, recommends the simplest one that
nothing is better than with certainty, and gives it back ready to be fitted.
"""

# %%
# The target is made of a product, a square and other terms, and five more columns have no use: no linear
# model can predict it well. All candidates that `compare` knows would take a minute; a list of names
# chooses among them.

from sklearn.datasets import make_friedman1

import skreg

X, y = make_friedman1(300, 10, noise=1.0, random_state=0)
names = ["dummy", "linear L2", "default net", "gradient boosting", "plain net", "+ dropout", "+ L2"]
comparison = skreg.compare(X, y, candidates=names, quick=True, max_iter=40, random_state=0)
print(comparison.recommendation_.headline)
print(comparison.recommendation_.details)

# %%
# The models to choose from, each against the best of them. The p-values are corrected for their number.

print(comparison.contenders()[["mean_score", "difference", "p_value", "verdict"]].round(3))

# %%
# The recommended model, ready to be fitted, and the same as source code.

model = comparison.estimator().fit(X, y)
print(comparison.snippet())

# %%
# Whether a knob pays is another question, asked of the plain net. Contenders stand in the figure as well, but
# are not asked about it. ``comparison.to_html("report.html")`` writes all of it as one page.

comparison.plot()
