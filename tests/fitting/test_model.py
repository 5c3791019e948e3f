"""Files of models: what predicts comes back, and what is foreign is refused."""

from __future__ import annotations

import pickle
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import skreg
from skreg.fitting.model import FORMAT, KIND, TRUSTED, Model, ModelFileError, load_model


@pytest.fixture
def sio():
    return pytest.importorskip("skops.io")


class Foreign:
    """What no model has."""

    def __init__(self):
        self.content = 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_round_trip(kind, request, folder, tmp_path, sio):
    model = request.getfixturevalue(kind).model
    path = model.save(tmp_path / "model.skops")
    assert set(sio.get_untrusted_types(file=path)) <= set(TRUSTED)
    other = skreg.load_model(path)
    X = model.read(folder / "new.csv").X
    pd.testing.assert_frame_equal(other.predict(other.read(folder / "new.csv").X), model.predict(X))
    for name in ("columns", "target", "task", "missing", "decimal", "version"):
        assert getattr(other, name) == getattr(model, name), name
    # Saved again it is the same, and the model that was saved is as it was.
    assert load_model(other.save(tmp_path / "again.skops")).columns == model.columns
    assert hasattr(model.estimator, "cv_results_")


def test_the_file_has_the_weights_in_single_precision_and_no_rows(classes, tmp_path, sio):
    path = classes.model.save(tmp_path / "model.skops")
    nets = classes.model.estimator.estimators_
    weights = sum(array.nbytes for net in nets for array in net._params.values())
    assert all(a.dtype == np.float32 for net in nets for a in net._params.values() if a.ndim > 1)
    assert path.stat().st_size < 1.1 * weights + 20_000 * len(nets)
    other = load_model(path).estimator
    lengths = {len(value) for value in vars(other).values() if isinstance(value, np.ndarray | list)}
    assert len(classes.model.estimator.oof_decision_) == 120 > max(lengths)


def test_a_scorer_with_a_positive_class_is_not_in_the_file(folder, tmp_path, sio):
    from skreg.comparison.tables import load_table
    from skreg.fitting import fit_table

    table = load_table(folder / "classes.csv", target="churn")
    report = fit_table(table, n_settings=1, scoring="f1", positive="yes", look=False)
    assert report.measure.words == "f1 (positive class: yes)"
    other = load_model(report.model.save(tmp_path / "model.skops"))
    X = report.model.read(folder / "new.csv").X
    pd.testing.assert_frame_equal(other.predict(X), report.model.predict(X))


def test_foreign_types_are_refused(classes, tmp_path, sio):
    path = tmp_path / "model.skops"
    sio.dump({"kind": KIND, "format": FORMAT, "estimator": Foreign()}, path)
    with pytest.raises(ModelFileError, match=r"is refused: it holds 1 type .*Foreign"):
        load_model(path)
    sio.dump({"kind": KIND, "format": FORMAT, "estimator": print}, path)
    with pytest.raises(ModelFileError, match=r"is refused: .*print"):
        load_model(path)


def test_files_that_hold_something_else(classes, tmp_path, sio):
    path = tmp_path / "model.skops"
    with pytest.raises(ModelFileError, match=r"does not exist. Give a file that `skreg fit`"):
        load_model(path)
    with pytest.raises(ModelFileError, match="is a folder"):
        load_model(tmp_path)
    path.write_bytes(pickle.dumps(LogisticRegression()))
    with pytest.raises(ModelFileError, match="is no skops file"):
        load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(ModelFileError, match="is no model of `skreg fit`, or is damaged"):
        load_model(path)
    sio.dump(LogisticRegression(), path)
    with pytest.raises(ModelFileError, match="it holds something else"):
        load_model(path)
    data = classes.model.save(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelFileError, match="is no model of `skreg fit`, or is damaged"):
        load_model(path)


def test_a_file_with_a_part_of_it_damaged(classes, tmp_path, sio):
    path = classes.model.save(tmp_path / "model.skops")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in parts if name.endswith(".npy"))
    parts[name] = parts[name][:20]
    with zipfile.ZipFile(path, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    with pytest.raises(ModelFileError, match=r"cannot be loaded by skreg .* Fit the model again"):
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("missing"),
        lambda content: content["columns"][0].update(colour="red"),
        lambda content: content.update(estimator=None),
        lambda content: content.update(columns=3),
    ],
)
def test_a_file_with_other_parts(change, classes, tmp_path, sio, monkeypatch):
    """As another version may write them."""
    dumps = sio.dumps

    def changed(content, **options):
        change(content)
        return dumps(content, **options)

    monkeypatch.setattr(sio, "dumps", changed)
    path = classes.model.save(tmp_path / "model.skops")
    with pytest.raises(ModelFileError, match=r"or of another version \(.*\). Fit the model again"):
        load_model(path)


def test_a_format_of_the_future(tmp_path, sio):
    path = tmp_path / "model.skops"
    sio.dump({"kind": KIND, "format": FORMAT + 1, "skreg": "9.0"}, path)
    with pytest.raises(ModelFileError, match=r"written by skreg 9\.0 in the format 2"):
        load_model(path)


def test_without_skops(classes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match=r"pip install skreg\[cli\]"):
        load_model(tmp_path / "model.skops")
    with pytest.raises(ImportError, match=r"pip install skreg\[cli\]"):
        classes.model.save(tmp_path / "model.skops")


def test_predictions_of_classes_and_numbers(classes, numbers, folder):
    rows = classes.model.read(folder / "new.csv")
    found = classes.model.predict(rows.X)
    assert list(found) == ["prediction", "P(no)", "P(yes)"] and len(found) == 20
    np.testing.assert_allclose(found["P(no)"] + found["P(yes)"], 1)
    assert (found["prediction"] == np.where(found["P(yes)"] > 0.5, "yes", "no")).all()
    assert isinstance(numbers.model, Model)
    assert list(numbers.model.predict(rows.X)) == ["prediction"]
