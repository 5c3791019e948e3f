"""The estimators on tables as they come."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from skreg import (
    BaggedMLPClassifier,
    RegularizedLinearClassifier,
    RegularizedLinearRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
    l1_max,
)
from skreg.estimators.columns import preparation

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0, "device": "cpu"}
EXACT = {**SMALL, "dtype": "float64", "scale_features": "standard"}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 240
    df = pd.DataFrame(
        {
            "far": 1e6 + rng.normal(size=n),
            "gaps": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(size=n)),
            "text": rng.choice(["red", "green", "blue"], n),
            "kind": pd.Categorical(rng.choice([10, 20, 30, 40], n)),
        }
    )
    df.loc[::17, "text"] = None
    return df


@pytest.fixture(scope="module")
def y(frame):
    return np.where((frame["far"] > 1e6) ^ (frame["text"] == "red"), "yes", "no")


def prepared(frame):
    """What a pipeline of scikit-learn makes of the table, in our order of columns."""
    text = frame.copy()
    text["text"] = text["text"].fillna("~missing")  # comes last, as ours
    text["where"] = frame["gaps"].isna().astype(float)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return make_column_transformer(
        (make_pipeline(StandardScaler()), ["far"]),
        (numbers, ["gaps"]),
        ("passthrough", ["where"]),
        (OneHotEncoder(sparse_output=False), ["text", "kind"]),
    ).fit_transform(text)


def test_the_same_net_as_behind_a_pipeline(frame, y):
    # The scaler of the pipeline sees filled gaps, ours leaves them out: no gaps here.
    whole = frame.assign(gaps=frame["gaps"].fillna(1.0))
    raw = RegularizedMLPClassifier(**EXACT).fit(whole, y)
    X = np.delete(prepared(whole), 2, axis=1)
    other = RegularizedMLPClassifier(**{**EXACT, "scale_features": None}).fit(X, y)
    np.testing.assert_allclose(raw.predict_proba(whole), other.predict_proba(X), atol=1e-9)
    assert raw.input_names_.tolist()[:4] == ["far", "gaps", "text=blue", "text=green"]
    assert raw.input_names_.tolist()[-6:] == [
        f"{n}~{i}" for n in ("far", "gaps") for i in (1, 2, 3)
    ]
    assert raw.input_features_.tolist() == [0, 1, *[2] * 4, *[3] * 4, 0, 0, 0, 1, 1, 1]
    assert len(raw.input_names_) == len(raw.input_features_) == len(raw.coefs_[0])


def test_gaps_equal_imputing_and_an_indicator(frame, y):
    raw = RegularizedMLPClassifier(**{**EXACT, "scale_features": None}).fit(frame[["gaps"]], y)
    X = frame[["gaps"]].fillna(frame["gaps"].median()).to_numpy()
    X = np.column_stack([X, frame["gaps"].isna()])
    other = clone(raw).fit(X, y)
    np.testing.assert_allclose(
        raw.predict_proba(frame[["gaps"]]), other.predict_proba(X), atol=1e-12
    )


def test_linear_models_equal_scikit_learns_pipeline(frame, y):
    whole = frame.assign(gaps=frame["gaps"].fillna(1.0))
    ours = RegularizedLinearClassifier(l2=0.01, scale_features="standard").fit(whole, y)
    X = np.delete(prepared(whole), 2, axis=1)
    its = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, its.coef_, atol=1e-5)
    assert ours.input_names_.shape == (ours.coef_.shape[1],)
    number = frame["gaps"].fillna(0.0)
    regressor = RegularizedLinearRegressor(l1=0.01, l2=0.0).fit(frame, number)
    assert regressor.predict(frame).shape == (len(y),)
    strongest = l1_max(whole, y, scale_features="standard")
    zero = RegularizedLinearClassifier(1.001 * strongest, 0.0, scale_features="standard")
    some = RegularizedLinearClassifier(0.99 * strongest, 0.0, scale_features="standard")
    assert zero.fit(whole, y).sparsity_ == 1.0 > some.fit(whole, y).sparsity_


@pytest.mark.parametrize("scale", ["standard", "robust", "quantile"])
def test_a_column_far_from_zero_trains_as_well_as_a_standardised_one(scale, frame):
    target = frame["far"].to_numpy() - 1e6
    options = {**SMALL, "max_iter": 40, "scale_features": scale}
    scores = [
        RegularizedMLPRegressor(**options).fit(X, target).score(X, target)
        for X in (frame[["far"]].to_numpy(), target[:, None])
    ]
    assert scores[0] > 0.9 and abs(scores[0] - scores[1]) < 0.01


def test_raw_validation_rows_do_no_harm(frame, y):
    net = RegularizedMLPClassifier(**SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.fit(frame[:160], y[:160], X_val=frame[160:], y_val=y[160:])
    raw = net.best_loss_
    # The best loss that early stopping saw is that of the predictions.
    proba = net.predict_proba(frame[160:])[np.arange(80), (y[160:] == "yes").astype(int)]
    assert raw == pytest.approx(-np.log(proba).mean(), rel=1e-4)


@pytest.mark.parametrize("scale", ["robust", None])
def test_validation_rows_of_categories_alone(frame, y, scale):
    table = frame[["text", "kind"]]
    net = RegularizedMLPClassifier(**SMALL, scale_features=scale)
    net.fit(table[:160], y[:160], X_val=table[160:], y_val=y[160:])
    proba = net.predict_proba(table[160:])[np.arange(80), (y[160:] == "yes").astype(int)]
    assert net.best_loss_ == pytest.approx(-np.log(proba).mean(), rel=1e-4)


def test_containers_give_the_same_net(frame, y):
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    text = frame.astype({"kind": str})
    expected = RegularizedMLPClassifier(**SMALL).fit(text, y).predict_proba(text)
    table = pa.Table.from_pandas(text, preserve_index=False)
    for X in (pl.from_pandas(text), table, text.convert_dtypes()):
        net = RegularizedMLPClassifier(**SMALL).fit(X, y)
        np.testing.assert_array_equal(net.predict_proba(X), expected)
    for X in (text.to_numpy(dtype=object), text.to_numpy(dtype=object).tolist()):
        net = RegularizedMLPClassifier(**SMALL).fit(X, y)
        np.testing.assert_array_equal(net.predict_proba(X), expected)


def test_unknown_and_missing_at_predict(frame, y):
    net = RegularizedMLPClassifier(**SMALL).fit(frame, y)
    new = frame[:3].copy()
    new["kind"] = [99, None, 10]
    new["text"] = ["violet", None, "red"]
    new.loc[0, "far"] = np.nan  # a gap where training had none
    filled = new.assign(far=new["far"].fillna(frame["far"].median()))
    np.testing.assert_allclose(net.predict_proba(new), net.predict_proba(filled), atol=1e-12)
    assert np.isfinite(net.predict_proba(new)).all()


def test_one_row_is_predicted_as_among_others(frame, y):
    net = RegularizedMLPClassifier(**SMALL).fit(frame, y)
    whole = net.predict_proba(frame)
    rows = np.vstack([net.predict_proba(frame[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(rows, whole[:5], atol=1e-12)


@pytest.mark.parametrize("scale", [None, "standard", "robust", "quantile"])
def test_the_module_takes_numbers_with_gaps_and_levels(scale, frame, y):
    whole = frame.assign(far=frame["far"] - 1e6)
    net = RegularizedMLPClassifier(**{**SMALL, "scale_features": scale}).fit(whole, y)
    numbers = whole.assign(
        text=whole["text"].map({"blue": 0, "green": 1, "red": 2}),
        kind=whole["kind"].astype(int) // 10 - 1,
    ).to_numpy(dtype=float)
    expected = net.decision_function(whole)
    rows = torch.from_numpy(numbers)
    module = net.module_
    np.testing.assert_allclose(module(rows).detach().numpy()[:, 0], expected, atol=1e-5)
    script = torch.jit.script(module)
    np.testing.assert_allclose(script(rows).detach().numpy()[:, 0], expected, atol=1e-5)
    unknown = torch.tensor([[0.0, 1.0, -1.0, -1.0]], dtype=torch.float64)
    new = pd.DataFrame({"far": [0.0], "gaps": [1.0], "text": ["violet"], "kind": [99]})
    np.testing.assert_allclose(module(unknown).item(), net.decision_function(new), atol=1e-5)


def test_exported_to_onnx(frame, y, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    net = RegularizedMLPClassifier(**SMALL).fit(frame[["gaps", "text"]], y)
    rows = torch.tensor(
        [[0.5, 0.0], [np.nan, 2.0], [1.5, np.nan], [0.1, -1.0]], dtype=torch.float64
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net.module_, (rows,), str(tmp_path / "net.onnx"), dynamo=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    (out,) = session.run(None, {session.get_inputs()[0].name: rows.numpy()})
    np.testing.assert_allclose(out, net.module_(rows).detach().numpy(), atol=1e-5)


def test_searches_under_the_backend_are_the_same(frame, y, monkeypatch):
    grid = {"dropout": [0.0, 0.3], "scale_features": ["standard", "robust"]}
    search = GridSearchCV(RegularizedMLPClassifier(**EXACT), grid, cv=3, scoring="neg_log_loss")
    alone = clone(search).fit(frame, y)
    made = []
    learn = preparation.learn
    monkeypatch.setattr(preparation, "learn", lambda *a: made.append(1) or learn(*a))
    with parallel_config(backend="skreg"):
        together = search.fit(frame, y)
    for name in ("mean_test_score", "rank_test_score"):
        np.testing.assert_allclose(
            together.cv_results_[name], alone.cv_results_[name], rtol=1e-8, atol=1e-10
        )
    # Three folds, scaled in two ways, each once for both dropout rates; and the refit.
    assert len(made) == 7


@pytest.mark.filterwarnings("ignore:.*have no out-of-bag prediction")
def test_ensembles_prepare_once_and_members_take_the_same_table(frame, y):
    bag = BaggedMLPClassifier(
        RegularizedMLPClassifier(**SMALL), 3, oob_score=True, random_state=0
    ).fit(frame, y)
    members = np.mean([m.predict_proba(frame) for m in bag.estimators_], axis=0)
    np.testing.assert_allclose(bag.predict_proba(frame), members, atol=1e-12)
    assert np.isfinite(bag.oob_decision_function_).any()


@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_members_on_some_columns(stopping, scoring, frame, y):
    net = RegularizedMLPClassifier(**SMALL, scoring=scoring, category_embedding="embedding")
    bag = BaggedMLPClassifier(net, 3, max_features=0.5, stopping=stopping, random_state=0)
    bag.fit(frame, y)
    table = bag._columns(np.asarray(_numbers(bag, frame)))
    members = [
        m.predict_proba(table[:, columns])
        for m, columns in zip(bag.estimators_, bag.estimators_features_, strict=True)
    ]
    np.testing.assert_allclose(bag.predict_proba(frame), np.mean(members, axis=0), atol=1e-12)


def _numbers(model, frame):
    from skreg.estimators.columns import read_to_predict

    return read_to_predict(model, frame)


def test_weights_of_rows_count_as_repetition_in_what_is_learned_of_columns(frame, y):
    weight = np.arange(len(y)) % 3
    weighted = RegularizedMLPClassifier(**EXACT).fit(frame, y, sample_weight=weight)
    repeated = RegularizedMLPClassifier(**EXACT).fit(
        frame.loc[np.repeat(frame.index, weight)], np.repeat(y, weight)
    )
    a, b = weighted._columns, repeated._columns
    np.testing.assert_allclose(a.scale.centre, b.scale.centre, rtol=1e-12)
    np.testing.assert_allclose(a.fill, b.fill, rtol=1e-12)
    assert a.names() == b.names()


def test_training_goes_on_with_the_same_columns(frame, y):
    net = RegularizedMLPClassifier(**SMALL, warm_start=True).fit(frame[:120], y[:120])
    before = net._columns
    new = frame[120:].assign(kind=77)  # a level that is new
    net.fit(new, y[120:])
    assert net._columns is before
    part = RegularizedMLPClassifier(**SMALL).partial_fit(frame[:120], y[:120])
    before = part._columns
    part.partial_fit(new, y[120:])
    assert part._columns is before and np.isfinite(part.predict_proba(new)).all()


def test_skops_needs_few_types(frame, y):
    sio = pytest.importorskip("skops.io")
    for scale, scaling in (("robust", "Shifted"), ("quantile", "NormalScores")):
        net = RegularizedMLPClassifier(**SMALL, scale_features=scale).fit(frame, y)
        data = sio.dumps(net)
        trusted = [
            "skreg.estimators.columns.levels.Levels",
            *(
                f"skreg.estimators.columns.preparation.{name}"
                for name in ("Category", "Preparation", "Settings")
            ),
            f"skreg.estimators.columns.scales.{scaling}",
            "skreg.estimators.mlp.RegularizedMLPClassifier",
            "skreg.train.job.Spec",
        ]
        assert sorted(sio.get_untrusted_types(data=data)) == trusted
        other = sio.loads(data, trusted=trusted)
        np.testing.assert_array_equal(other.predict_proba(frame), net.predict_proba(frame))


def test_pickles_clones_and_pipelines(frame, y):
    net = RegularizedMLPClassifier(**SMALL, scoring="balanced_accuracy").fit(frame, y)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict_proba(frame), net.predict_proba(frame))
    scores = cross_val_score(clone(net), frame, y, cv=3)
    assert np.isfinite(scores).all()
    numbers = frame[["far", "gaps"]]
    for output in ("pandas", "polars"):
        if output == "polars":
            pytest.importorskip("polars")
        pipe = make_pipeline(VarianceThreshold(), clone(net)).set_output(transform=output)
        pipe.fit(numbers, y)
        assert pipe[-1].feature_names_in_.tolist() == ["far", "gaps"]


def test_the_summary_tells_of_the_columns(frame, y):
    text = str(RegularizedMLPClassifier(**SMALL).fit(frame, y).summary())
    assert "Columns" in text and "(None, 11)" in text
    assert "scale_features=robust, 1 with gaps, 2 categories one-hot" in text
    plain = RegularizedMLPClassifier(**{**SMALL, "scale_features": None})
    assert "Columns" not in str(plain.fit(frame[["far"]] - 1e6, y).summary())


def test_text_in_a_numeric_column_at_predict(frame, y):
    net = RegularizedMLPClassifier(**SMALL).fit(frame, y)
    new = frame[:3].assign(gaps=["1", "?", "2"])
    with pytest.raises(ValueError, match=r"Column 'gaps' of X holds text.* In training it held"):
        net.predict(new)
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(frame[["gaps", "far", "text", "kind"]])


@pytest.mark.parametrize(
    "model",
    [RegularizedMLPClassifier(**SMALL), RegularizedLinearClassifier()],
    ids=["net", "linear"],
)
def test_without_categories_text_is_refused_with_the_remedy(model, frame, y):
    model = clone(model).set_params(categorical_features=None)
    with pytest.raises(ValueError, match=r"'text' of X holds text.*categorical_features"):
        model.fit(frame[["far", "text"]], y)
    with pytest.raises(ValueError, match=r"'kind' of X holds categories.*categorical_features"):
        model.fit(frame[["far", "kind"]], y)
    assert not hasattr(model, "classes_")
    named = model.set_params(categorical_features=["text", "kind"]).fit(frame, y)
    assert "kind=40" in named.input_names_


def test_a_failed_fit_leaves_the_columns_alone(frame, y):
    net = RegularizedMLPClassifier(**SMALL).fit(frame, y)
    before = net.predict_proba(frame)
    with pytest.raises(ValueError, match="infinity"):
        net.fit(frame.assign(far=np.inf), y)
    np.testing.assert_array_equal(net.predict_proba(frame), before)


def test_tags_and_infinite_numbers():
    for model in (RegularizedMLPClassifier(), RegularizedLinearRegressor(), BaggedMLPClassifier()):
        assert get_tags(model).input_tags.allow_nan
    X = np.array([[1.0, np.nan], [np.inf, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with pytest.raises(ValueError, match="column 0 has 1 infinite values"):
        RegularizedMLPClassifier(**SMALL).fit(X, [0, 1, 0, 1])


def test_missing_values_of_pandas_in_numbers(frame, y):
    numbers = frame[["gaps"]]
    expected = RegularizedMLPClassifier(**SMALL).fit(numbers, y).predict_proba(numbers)
    objects = numbers.astype(object)
    objects[numbers.isna()] = pd.NA
    for X in (objects, numbers.astype("Float64"), objects.replace({pd.NA: None})):
        net = RegularizedMLPClassifier(**SMALL).fit(X, y)
        np.testing.assert_array_equal(net.predict_proba(X), expected)


def test_a_sparse_table_has_no_gaps_and_no_scale():
    import scipy.sparse as sp

    X = sp.random(60, 5, 0.4, format="csr", random_state=0)
    target = np.arange(60) % 2
    sparse = RegularizedMLPClassifier(**SMALL).fit(X, target)
    dense = RegularizedMLPClassifier(**{**SMALL, "scale_features": None}).fit(X.toarray(), target)
    np.testing.assert_allclose(sparse.predict_proba(X), dense.predict_proba(X.toarray()), atol=1e-6)
    X.data[0] = np.nan
    with pytest.raises(ValueError, match="does not accept missing values in sparse tables"):
        sparse.fit(X, target)
    with pytest.raises(ValueError, match="names columns of a sparse X"):
        sparse.set_params(categorical_features=[0]).fit(X, target)


@pytest.mark.parametrize("scale", ["robust", "standard", None])
@pytest.mark.parametrize("kind", ["net", "bagged", "linear"])
def test_what_was_learned_of_a_dense_table_is_done_to_a_sparse_one(kind, scale):
    """The rows of one that is sparse were taken as they are, without a word."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random((90, 3)) < 0.5, 0.0, 5.0 + 3.0 * rng.normal(size=(90, 3)))
    y = (X[:, 0] > 4) * 1
    net = RegularizedMLPClassifier(**SMALL, scale_features=scale)
    model = {
        "net": net,
        "bagged": BaggedMLPClassifier(net, 2, random_state=0),
        "linear": RegularizedLinearClassifier(scale_features=scale),
    }[kind].fit(X, y)
    known = model.predict_proba(X)
    for sparse in (sp.csr_array, sp.csc_matrix, sp.dok_array):
        np.testing.assert_allclose(model.predict_proba(sparse(X)), known, rtol=1e-9)
    if kind == "net":
        dense, again = (clone(net).fit(X, y, X_val=v, y_val=y) for v in (X, sp.csr_array(X)))
        assert dense.best_loss_ == again.best_loss_


def test_sparse_rows_have_levels_as_dense_ones():
    X = np.c_[np.random.default_rng(0).normal(size=60), np.arange(60) % 3]
    net = RegularizedMLPClassifier(**SMALL, categorical_features=[1]).fit(X, np.arange(60) % 2)
    np.testing.assert_array_equal(net.predict_proba(sp.csr_array(X)), net.predict_proba(X))


def test_levels_of_another_type_are_warned_of(frame, y):
    """Numbers for texts leave each row without its level, whose predictions look as good as any."""
    net = RegularizedMLPClassifier(**SMALL).fit(frame, y)
    for odd, now, then in ((frame.assign(text=7), "7", "'blue'"),):
        with pytest.warns(
            UserWarning, match=f"column 'text' .*it holds {now} here, and held {then}"
        ):
            net.predict(odd)
    with warnings.catch_warnings():  # levels that are new, or missing, are what they may be
        warnings.simplefilter("error")
        net.predict(frame.assign(text="violet"))
        net.predict(frame.assign(text=None))
        net.predict(frame.assign(kind=frame["kind"].astype(float)))
