"""
A network on a table
====================

A regularized network is a scikit-learn estimator like any other, and takes a table as it comes: it
scales the columns by itself. Everything that scikit-learn does with estimators it does with the
network: here, cross-validated predictions.
"""

# %%
# Breast cancer: 569 rows, 30 measurements of cell nuclei. Their scales differ a lot, from
# thousandths to thousands.

from sklearn.datasets import load_breast_cancer

data = load_breast_cancer(as_frame=True)
X, y = data.data, data.target_names[data.target]
X.agg(["min", "max"]).T.sort_values("max").iloc[[0, -1]]

# %%
# The network learns scales from the training rows of each fold only. Its defaults already
# regularize: dropout, batch norm, weight decay and early stopping are on.

from skreg import RegularizedMLPClassifier

model = RegularizedMLPClassifier(random_state=0)
model

# %%
# After a fit, ``summary()`` shows the layers and which regularizers were at work.

model.fit(X, y)
print(model.summary())

# %%
# Each row is now predicted by a network that did not see it. The classes are strings, and come
# back as strings.

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import cross_val_predict

predicted = cross_val_predict(model, X, y, cv=5)
display = ConfusionMatrixDisplay.from_predictions(y, predicted, cmap="Blues", colorbar=False)
display.ax_.set_title(f"{(predicted != y).sum()} of {len(y)} rows wrong, 5-fold cross-validation")
plt.tight_layout()
plt.show()
