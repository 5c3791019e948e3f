"""
1. A network in a pipeline
==========================

A regularized network is a scikit-learn estimator like any other. It wants features of similar
scale, so it stands in a pipeline behind a scaler, and everything that scikit-learn does with
estimators it does with the pipeline: here, cross-validated predictions.
"""

# %%
# Breast cancer: 569 rows, 30 measurements of cell nuclei. Their scales differ a lot, from
# thousandths to thousands.

from sklearn.datasets import load_breast_cancer

data = load_breast_cancer(as_frame=True)
X, y = data.data, data.target_names[data.target]
X.agg(["min", "max"]).T.sort_values("max").iloc[[0, -1]]

# %%
# The scaler learns its means and spreads from the training rows of each fold only, because it is
# a step of the pipeline. The defaults of the network already regularize: dropout, batch norm,
# weight decay and early stopping are on.

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier

model = make_pipeline(StandardScaler(), RegularizedMLPClassifier(random_state=0))
model

# %%
# After a fit, ``summary()`` shows the layers and which regularizers were at work.

model.fit(X, y)
print(model[-1].summary())

# %%
# Each row is now predicted by a pipeline that did not see it. The classes are strings, and come
# back as strings.

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import cross_val_predict

predicted = cross_val_predict(model, X, y, cv=5)
display = ConfusionMatrixDisplay.from_predictions(y, predicted, cmap="Blues", colorbar=False)
display.ax_.set_title(f"{(predicted != y).sum()} of {len(y)} rows wrong, 5-fold cross-validation")
plt.tight_layout()
plt.show()
