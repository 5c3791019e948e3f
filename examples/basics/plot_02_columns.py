"""
Missing values, text and outliers
=================================

Real tables have gaps, words, and columns in which one value is a thousand times as large as the rest. The
network takes them as they are. What it makes of each column is learned from the training rows, and can be
looked at.
"""

# %%
# A table of invented customers: an income with a long tail and gaps, an age, a job with a rare level, a
# postal code that is a number and means a place. Who bought depends on income, age and job.

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 1500
df = pd.DataFrame(
    {
        "income": rng.lognormal(10, 0.8, n).round(),
        "age": rng.integers(18, 90, n),
        "job": rng.choice(["clerk", "cook", "nurse", "astronaut"], n, p=[0.4, 0.3, 0.29, 0.01]),
        "postcode": rng.choice([10115, 20095, 50667, 80331], n),
    }
)
logit = 1.2 * (np.log(df["income"]) - 10) - 0.05 * (df["age"] - 50) + 1.5 * (df["job"] == "nurse")
bought = np.where(rng.random(n) < 1 / (1 + np.exp(-logit)), "yes", "no")
df.loc[rng.random(n) < 0.1, "income"] = np.nan
df.loc[rng.random(n) < 0.05, "job"] = None
df.head()

# %%
# Text columns are taken for categories. A number that stands for a place, such as a postal code, has to be
# named as one.

from sklearn.model_selection import cross_val_score

from skreg import RegularizedMLPClassifier

net = RegularizedMLPClassifier(categorical_features=["job", "postcode"], random_state=0)
scores = cross_val_score(net, df, bought, cv=5, scoring="roc_auc")
print(f"AUC {scores.mean():.3f}, over five folds {scores.min():.3f} to {scores.max():.3f}")

# %%
# What the first layer is given: numbers, where gaps were, a column for each level, and three outputs of
# each number's embedding.

net.fit(df, bought)
print(*net.input_names_, sep=", ")

# %%
# A row with a level that was never seen, and with a gap in a column that had none, is predicted all the same.

new = pd.DataFrame({"income": [np.nan], "age": [35.0], "job": ["juggler"], "postcode": [10115]})
print("P(no), P(yes):", net.predict_proba(new).round(2)[0])

# %%
# How a prediction depends on a column is drawn by scikit-learn's own tools, as the network is an estimator
# of a table. Buying rises with income and falls with age, along smooth curves.

import matplotlib.pyplot as plt
from sklearn.inspection import PartialDependenceDisplay

figure, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
rows = df.dropna().astype({"age": float}).reset_index(drop=True)
PartialDependenceDisplay.from_estimator(
    net,
    rows,
    ["income", "age", "job"],
    categorical_features=["job"],
    response_method="predict_proba",
    ax=ax,
    grid_resolution=30,
)
figure.suptitle("Probability of buying, by column")
plt.show()
