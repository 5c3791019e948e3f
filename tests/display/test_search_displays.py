"""The displays of a search: what they draw is what the search found, and no text is cut off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from skreg import (
    EnsembleDisplay,
    KnobDisplay,
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressorCV,
    SearchDisplay,
)
from skreg.estimators.search.space import Table, draw
from skreg.estimators.search.tells import ensemble_table, history_table, results_table
from skreg.estimators.search.trials import Trial

ALL = pytest.mark.parametrize("display_class", [SearchDisplay, KnobDisplay, EnsembleDisplay])

EPOCHS, SECONDS = (5, 20, 100), (1.0, 3.0, 8.0)


def make_search(n, *, chosen=3, seed=0, scoring="loss", settings=None):
    """A search with known settings and losses, as if it had been fitted."""
    rng = np.random.RandomState(seed)
    net = RegularizedMLPClassifier()
    names, table = net.get_params(), Table(500, categories=True)
    if settings is None:
        settings = [{}] + [draw(rng, names, table) for _ in range(n - 1)]
    trials = [Trial(number, setting) for number, setting in enumerate(settings)]
    here = trials
    for rung, share in enumerate((0.5, 0.3, 0.0)):
        for trial in here:
            trial.losses.append(0.3 + 0.1 * rng.rand() - 0.05 * rung)
            trial.epochs.append(EPOCHS[rung])
            trial.times.append(SECONDS[rung] + 10 * (trial.number >= n / 2))
            trial.rung, trial.state = min(rung + 1, 2), "lost"
        here = sorted(here, key=lambda trial: trial.loss)[: max(chosen, int(share * len(here)))]
    for trial in here:
        trial.state, trial.score, trial.split_scores = "finished", -trial.loss, [-trial.loss] * 2
    search = RegularizedMLPClassifierCV(scoring=scoring)
    search.cv_results_, search.history_ = results_table(trials), history_table(trials)
    search.ensemble_ = ensemble_table([(trial, 1 / chosen) for trial in here[:chosen]])
    search.oof_score_, search._template = -here[0].loss + 0.01, net
    return search


@pytest.fixture(scope="module")
def search():
    return make_search(40)


# -- the course --------------------------------------------------------------------------------------


def test_course_draws_the_losses_of_all_settings(search):
    display = SearchDisplay.from_estimator(search)
    assert set(display.lines_) == set(range(40))
    for number, line in display.lines_.items():
        own = search.history_[search.history_["setting"] == number]
        np.testing.assert_array_equal(line.get_xdata(), own["seconds"])
        np.testing.assert_array_equal(line.get_ydata(), own["loss"])
    chosen = display.lines_[search.ensemble_["setting"][0]]
    lost = display.lines_[int(np.flatnonzero(search.cv_results_["rung"] == 1)[0])]
    assert chosen.get_marker() != lost.get_marker()
    assert chosen.get_zorder() > lost.get_zorder()
    assert display.ensemble_line_.get_ydata()[0] == -search.oof_score_
    assert display.above_ is None


def test_best_so_far_never_rises_and_ends_at_the_least_loss(search):
    display = SearchDisplay.from_estimator(search)
    best = display.frame()["best"].to_numpy()
    assert (np.diff(best) <= 0).all()
    assert best[-1] == search.history_["loss"].min() == display.best_line_.get_ydata()[-1]
    assert (best <= display.frame()["loss"]).all()


def test_against_epochs_the_rungs_say_how_many_go_on(search):
    display = SearchDisplay.from_estimator(search, x="epoch")
    assert display.ax_.get_xscale() == "log"
    texts = [" ".join(text.get_text().split()) for text in display.rungs_]
    came = search.history_.groupby("rung").size()
    assert texts == [f"{came[1]} of {came[0]} go on", f"{came[2]} of {came[1]} go on"]
    assert [text.xy[0] for text in display.rungs_] == [5, 20]
    assert SearchDisplay.from_estimator(search).rungs_ == []


def test_losses_far_above_are_marks_at_the_edge(search):
    history = search.history_.assign(fate="given up")
    history.loc[[3, 4], "loss"] = [np.inf, 1e4]
    display = SearchDisplay(history=history).plot()
    assert len(display.above_.get_xdata()) == 2
    assert display.ax_.get_ylim()[1] < 1.0


def test_the_scale_is_logarithmic_where_losses_span_much(search):
    assert SearchDisplay.from_estimator(search).ax_.get_yscale() == "linear"
    history = search.history_.assign(fate="finished")
    history["loss"] = np.geomspace(0.01, 0.1, len(history))
    assert SearchDisplay(history=history).plot().ax_.get_yscale() == "log"
    assert SearchDisplay(history=history).plot(scale="linear").ax_.get_yscale() == "linear"


def test_an_ensemble_chosen_by_another_score_has_no_line_among_losses():
    display = SearchDisplay.from_estimator(make_search(20, scoring="accuracy"))
    assert display.ensemble_line_ is None


# -- the knobs ---------------------------------------------------------------------------------------


def test_knobs_are_those_that_matter_most(search):
    importance = search.knob_importance(random_state=0)
    display = KnobDisplay.from_estimator(search, n_knobs=4)
    assert list(display.knobs) == importance["knob"][:4].tolist()
    titles = [ax.get_title(loc="left") for ax in display.axes_]
    assert titles == list(display.knobs)
    assert all("±" in ax.get_title(loc="right") for ax in display.axes_)


def test_few_settings_are_drawn_without_importance():
    display = KnobDisplay.from_estimator(make_search(8, chosen=2), n_knobs=3)
    assert display.importance is None
    assert len(display.axes_) == 3
    assert all(line is None for line in display.means_.values())


def test_points_are_the_settings(search):
    display = KnobDisplay.from_estimator(search, knobs=["learning_rate_init"])
    drawn = np.sort(np.concatenate([p.get_ydata() for p in display.points_["learning_rate_init"]]))
    np.testing.assert_allclose(drawn, np.linspace(0, 1, 40))
    rate = display.frame()["learning_rate_init"].astype(float)
    order = np.concatenate([p.get_xdata() for p in display.points_["learning_rate_init"]])
    groups = [
        rate[display.frame()["fate"] == f] for f in ("given up", "finished", "in the ensemble")
    ]
    rates = np.concatenate(groups)
    # Logarithmic: places are linear in the logarithm.
    expected = (np.log(rates) - np.log(rate.min())) / np.log(rate.max() / rate.min())
    np.testing.assert_allclose(order, expected)


def test_score_is_of_settings_that_were_trained_to_the_end(search):
    display = KnobDisplay.from_estimator(search, knobs=["dropout"]).plot(y="score")
    drawn = np.concatenate([p.get_ydata() for p in display.points_["dropout"]])
    scores = search.cv_results_["pooled_test_score"]
    np.testing.assert_allclose(np.sort(drawn), np.sort(scores[np.isfinite(scores)]))


def ticks(ax):
    return dict(zip((t.get_text() for t in ax.get_xticklabels()), ax.get_xticks(), strict=True))


def drawn_knob(values):
    n = len(values)
    table = pd.DataFrame({"fate": "given up", "standing": np.linspace(0, 1, n)})
    table["knob"] = pd.Series(values, dtype=object)
    display = KnobDisplay(table=table, knobs=["knob"]).plot()
    return display, display.axes_[0]


def test_words_stand_side_by_side():
    display, ax = drawn_knob(["relu", "selu", None, "relu", True, False] * 3)
    assert ticks(ax) == {"False": 0, "None": 1, "True": 2, "relu": 3, "selu": 4}
    assert display.means_["knob"] is not None


def test_a_grid_of_numbers_is_in_its_order():
    _, ax = drawn_knob([10.0, 0.1, 1.0, 0.0] * 3)
    assert ticks(ax) == {"0": 0, "0.1": 1, "1": 2, "10": 3}


def test_off_and_words_stand_beside_numbers():
    values = [*np.geomspace(1e-4, 1e-1, 20), 0.0, 0.0, "auto"]
    _, ax = drawn_knob(values)
    places = ticks(ax)
    assert places["auto"] < places["0"] < 0
    assert places["0.001"] == pytest.approx(1 / 3)
    assert places["0.01"] == pytest.approx(2 / 3)


def test_even_numbers_have_an_even_axis():
    _, ax = drawn_knob(list(np.linspace(0.02, 0.48, 24)))
    places = ticks(ax)
    assert places["0.4"] - places["0.2"] == pytest.approx(0.2 / 0.46)


def test_the_moving_mean_shows_a_slope():
    display, _ = drawn_knob(list(np.linspace(1, 2, 40)))
    y = display.means_["knob"].get_ydata()
    assert (np.diff(y) > 0).all()
    assert y[0] < 0.25 and y[-1] > 0.75


def test_unknown_knobs(search):
    with pytest.raises(ValueError, match=r"knobs has \['drop'\].* Its knobs are \['activation'"):
        KnobDisplay.from_estimator(search, knobs=["drop"])
    with pytest.raises(ValueError, match="there is no knob"):
        KnobDisplay.from_estimator(make_search(2, chosen=1, settings=[{}, {}]))
    with pytest.raises(ValueError, match="y is 'rank'"):
        KnobDisplay.from_estimator(search, y="rank")


# -- the ensemble ------------------------------------------------------------------------------------


def test_bars_are_the_weights(search):
    display = EnsembleDisplay.from_estimator(search)
    frame = display.frame()
    np.testing.assert_allclose([bar.get_width() for bar in display.bars_], frame["weight"])
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == [f"setting {number}" for number in search.ensemble_["setting"]]
    for text, params in zip(display.texts_, search.ensemble_["params"], strict=True):
        written = text.get_text().replace("\N{NO-BREAK SPACE}", " ")
        assert f"learning_rate_init {params.get('learning_rate_init', 0.002):.6g}" in written
        assert "None" not in written and len(written.split("\n")) <= 2
    assert "out of fold" in display.ax_.get_title()


def test_one_setting_alone():
    display = EnsembleDisplay.from_estimator(make_search(20, chosen=1))
    assert [bar.get_width() for bar in display.bars_] == [1.0]


# -- all of them -------------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("n, chosen", [(8, 1), (40, 4), (90, 12)])
def test_texts_do_not_overlap(display_class, n, chosen, assert_texts_apart):
    search = make_search(n, chosen=chosen, seed=n, scoring="neg_root_mean_squared_error")
    for kw in [{}, {"x": "epoch"}] if display_class is SearchDisplay else [{}]:
        assert_texts_apart(display_class.from_estimator(search, **kw).figure_)


@pytest.mark.slow
def test_all_knobs_have_room(assert_texts_apart):
    assert_texts_apart(KnobDisplay.from_estimator(make_search(60, seed=3), n_knobs=30).figure_)


@ALL
def test_given_axes_are_used(search, display_class):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    kw = {"n_knobs": 1} if display_class is KnobDisplay else {}
    display = display_class.from_estimator(search, ax=ax, **kw)
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]


@ALL
def test_errors(display_class):
    with pytest.raises(TypeError, match=r"GridSearchCV, not a search of skreg"):
        display_class.from_estimator(GridSearchCV(RegularizedMLPClassifier(), {}))
    with pytest.raises(NotFittedError):
        display_class.from_estimator(RegularizedMLPRegressorCV())


def test_errors_of_the_course(search):
    with pytest.raises(ValueError, match="x is 'time'"):
        SearchDisplay.from_estimator(search, x="time")
    with pytest.raises(ValueError, match="scale is 'square'"):
        SearchDisplay.from_estimator(search, scale="square")
    with pytest.raises(ValueError, match="draws 2 panels, but `ax` holds 1 axes"):
        KnobDisplay.from_estimator(search, n_knobs=2, ax=SearchDisplay.from_estimator(search).ax_)


@ALL
def test_missing_matplotlib(search, display_class, matplotlib_missing):
    assert len(display_class.from_estimator(search, plot=False).frame()) > 0
    with pytest.raises(ImportError, match=rf"{display_class.__name__}\.plot draws with"):
        display_class.from_estimator(search)
