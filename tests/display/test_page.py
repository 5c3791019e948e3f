from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from skreg.comparison.result import Comparison
from skreg.display.page import render_notebook, render_page
from skreg.display.page._parts import asset
from skreg.display.page._table import candidates_table, format_value, plain_table
from skreg.display.page._text import split_sections, text_to_html

EVIL = "<b>&\"'</script><script>alert(1)</script>"
EMPTY = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Elements with their attributes and the text in them; fails where tags do not match."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html(comparison):
    """The page of the small comparison; most of the time is spent on its four figures."""
    return render_page(comparison)


def test_page_has_its_parts_in_order(html):
    assert html.startswith("<!DOCTYPE html>")
    page = Page(html)
    parts = [
        "clinic.csv: what predicts diagnosis best?",
        "500 rows, 30 columns · target: diagnosis (classification)",
        "5 candidates, compared by balanced accuracy · 1 May 2026 with skreg 0.1.",
        "Take the plain net with all knobs together: +0.030, p = 0.020.",
        "It scores 0.930.",
        'model = Net("<all>") model.fit(X, y)',
        "What to take",
        "2 contenders by balanced accuracy",
        "Which regularizer pays",
        "5 candidates by balanced accuracy",
        "Differences to plain net",
        "Train and test score",
        "In words",
        "Best: all together.",
        "Diagnosis",
        "Can the net overfit?",
        "How it was measured",
        "5 folds, stratified",
        "Rows with <missing> targets & others were left out.",
        "Scores split by split",
    ]
    places = [page.text.index(part) for part in parts]
    assert places == sorted(places)
    # What has a section of its own is not said twice.
    assert page.text.count("It can.") == 1
    assert "Some were left out." not in page.text


def test_page_needs_no_network(html):
    page = Page(html)
    for _, attributes in page.elements:
        assert not {"src", "srcset", "xlink:href", "action", "data"} & set(attributes)
        href = attributes.get("href", "#")
        assert href.startswith(("#", "data:"))
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none';")


def test_page_is_the_same_each_time(html, make_comparison):
    assert html == render_page(make_comparison())


def test_page_does_not_depend_on_the_users_style(comparison, html):
    import matplotlib

    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30, "svg.fonttype": "path"}):
        assert render_page(comparison) == html
        assert matplotlib.rcParams["font.size"] == 30


def test_names_are_escaped(make_comparison):
    verdicts = ("pays", "baseline")
    comparison = make_comparison(names=(EVIL, "plain net"), offsets=(0.1, 0.0), verdicts=verdicts)
    comparison.target_name = comparison.scoring = EVIL
    comparison.notes_ = [EVIL]
    comparison.method_ = {EVIL: EVIL}
    comparison.diagnosis_.findings[0].title = comparison.diagnosis_.findings[0].text = EVIL
    whole = render_page(comparison)
    for html in (whole, render_notebook(comparison)):
        page = Page(html)
        assert page.all("b") == []
        assert len(page.all("script")) == ("<!DOCTYPE" in html)
        assert EVIL in page.text
    assert EVIL in [cell.get("data-value") for cell in Page(whole).all("th")]


def test_table_cells(comparison, html):
    frame = comparison.frame().reset_index()
    page = Page(html)
    heads = [head for head in page.all("th") if head.get("scope") == "row"]
    contenders, names = comparison.contenders().index.tolist(), frame["candidate"].tolist()
    assert [head["data-value"] for head in heads] == contenders + names
    keys = [cell["data-value"] for cell in page.all("td") if "data-value" in cell]
    row = keys[len(contenders) * 5 :]
    assert [float(row[0]), float(row[1]), row[2]] == [0.93, 0.03, "pays"]
    assert "0.930 ± 0.010" in page.text
    assert "+0.030 [+0.015, +0.045]" in page.text
    minus = "\N{MINUS SIGN}"
    assert f"{minus}0.020 [{minus}0.035, {minus}0.005]" in page.text


def test_what_cannot_be_told_apart_is_said_once(comparison, html):
    text = Page(html).text
    assert comparison.frame()["verdict"].tolist().count("cannot be told apart") == 1
    assert text.count("one without a verdict cannot be told apart from it") == 1
    assert "may be as good +" not in text  # the row without a verdict is followed by its p-value
    shown = [cell for cell in re.findall("<td.*?</td>", html) if "cannot be told apart" in cell]
    assert shown
    assert all('<span class="unclear"></span>' in cell for cell in shown)


def test_where_none_is_taken_it_is_said_once(make_comparison):
    class Nothing(make_comparison):
        def contenders(self):
            return super().contenders().assign(verdict="not surely above the dummy")

    text = Page(render_page(Nothing())).text
    assert (
        text.count("None of them is better than the dummy with certainty, so none is taken.") == 1
    )
    assert "not surely above" not in text


def test_contenders_are_not_among_the_knobs(make_comparison):
    class Both(make_comparison):
        def frame(self):
            roles = ["contender", "knob", "knob", "knob", "both"]
            return super().frame().assign(role=roles)

    page = Page(render_page(Both()))
    heads = [head["data-value"] for head in page.all("th") if head.get("scope") == "row"]
    assert heads[:2] == ["all together", "+ L1"]
    assert heads[2:] == ["+ L1", "plain net", "+ batch norm", "dummy"]
    assert "It holds the contenders as well." in page.text


def test_long_names_lose_their_middle(make_comparison):
    name = "Pipeline(" + "x" * 100 + ", the last step)"
    comparison = make_comparison(
        names=(name, "plain net"), offsets=(0.1, 0.0), verdicts=("pays", "baseline")
    )
    html = render_page(comparison)
    head = next(cell for cell in Page(html).all("th") if "title" in cell)
    assert head["title"] == head["data-value"] == name
    assert re.search(">Pipeline.x+\N{HORIZONTAL ELLIPSIS}x+, the last step.</th>", html)


def test_differences_are_written_as_finely_as_scores(make_comparison):
    comparison = make_comparison(offsets=(0.0004, 0.0003, 0.0, -0.0002, -0.0004))
    text = Page(render_page(comparison)).text
    assert "+0.000 [\N{MINUS SIGN}0.015, +0.015]" in text


def test_columns_without_values_are_left_out(comparison):
    frame = comparison.frame().reset_index()
    frame["epochs"] = np.nan
    html = candidates_table(frame, other="plain net", caption="All by R2.")
    assert "All by R2." in html
    assert "Epochs" not in html
    assert "Log loss" not in html
    assert "Seconds" in html


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1234.5678, "score", "1234.568"),
        (-0.0001, "score", "0.000"),
        (-3.2e7, "score", "−3.2e+07"),
        (0.0, "signed", "+0.000"),
        (0.0432, "p", "0.043"),
        (0.005, "share", "< 1 %"),
        (0.0, "share", "0 %"),
        (1500.0, "count", "1,500"),
        (17.4, "count", "17.4"),
        (0.001, "seconds", "< 0.01"),
        (2.0, "seconds", "2.0"),
        (250.2, "seconds", "250"),
        ("", "text", "–"),
        (None, "text", "–"),
    ],
)
def test_format_value(value, kind, text):
    assert format_value(value, kind) == text


def test_plain_table_escapes_and_aligns():
    frame = pd.DataFrame({"a<b": ["<i>", None], "n": [1.23456, np.nan]})
    page = Page(plain_table(frame, "caption & more"))
    assert page.text == "caption & more a<b n <i> 1.235 – –"
    assert [cell.get("class") for cell in page.all("td")] == [None, "number"] * 2


def test_links_hold_the_tables(comparison, html):
    page = Page(html)
    links = {link["download"]: link["href"] for link in page.all("a")}
    assert list(links) == ["contenders.csv", "candidates.csv", "splits.csv"]
    for name, frame in (
        ("contenders.csv", comparison.contenders().reset_index()),
        ("candidates.csv", comparison.frame().reset_index()),
        ("splits.csv", comparison.folds()),
    ):
        data = base64.b64decode(links[name].removeprefix("data:text/csv;base64,"))
        pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(data)), frame, check_dtype=False)


def test_long_tables_are_cut(make_comparison):
    class Long(make_comparison):
        def folds(self):
            return pd.concat([super().folds()] * 100, ignore_index=True)

    page = Page(render_page(Long()))
    assert "The first 2,000 of 2,500 rows." in page.text
    assert len(page.all("tr")) == 1 + 2 + 1 + 5 + 1 + 2000


def test_figures_are_valid_and_follow_the_page(html):
    figures = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(figures) == 4
    identifiers = []
    for figure in figures:
        root = ElementTree.fromstring(figure)
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert any((text.text or "").strip() == "all together" for text in root.iter("text"))
        identifiers += [element.get("id") for element in root.iter() if element.get("id")]
        own = {element.get("id") for element in root.iter()}
        used = re.findall(r'(?:href="#|url\(#)([^")]+)', figure)
        assert used
        assert set(used) <= own
        # The style sheet decides about all colours.
        assert set(re.findall(r"#[0-9a-f]{6}", figure)) == set()
        assert "currentColor" in figure
        assert "var(--blue)" in figure
    assert len(identifiers) == len(set(identifiers))


def test_figures_leave_pyplot_alone(comparison):
    import matplotlib.pyplot as plt

    render_page(comparison)
    assert plt.get_fignums() == []


def test_page_without_matplotlib(comparison, matplotlib_missing):
    page = Page(render_page(comparison))
    assert "The figures are left out, because matplotlib is not installed" in page.text
    assert page.all("svg") == []
    assert len(page.all("table")) == 3


def test_page_of_the_least_comparison(comparison):
    class Least:
        def frame(self):
            return comparison.frame()[["mean_score"]]

    page = Page(render_page(Least()))
    assert page.text.startswith("What to take? What to take? 5 candidates, compared by score.")
    assert page.all("svg") == []
    assert "pays" not in Page(render_notebook(Least())).text


def test_notebook_is_short_and_has_no_script(comparison):
    html = render_notebook(comparison)
    page = Page(html)
    assert page.all("script") == page.all("svg") == []
    assert page.text.startswith("Take the plain net with all knobs together: +0.030, p = 0.020.")
    assert "2 contenders by balanced accuracy" in page.text
    assert "Epochs" not in page.text
    assert "Best: all together." in page.text
    selectors = re.findall(r"^([^{}\n]+)\{", asset("notebook.css"), flags=re.MULTILINE)
    # A rule that reached beyond would change the notebook.
    for selector in ",".join(selectors).split(","):
        assert selector.strip().startswith(".skreg-comparison ")


def test_text_to_html():
    text = "before\nit all\n\n# One & two\nA < B.\n- x\n  goes on\n- y\nafter\n## Three\n- z"
    assert split_sections(text) == [
        ("", "before\nit all"),
        ("One & two", "A < B.\n- x\n  goes on\n- y\nafter"),
        ("Three", "- z"),
    ]
    assert text_to_html(text, level=4).split("\n") == [
        "<div>",
        "<p>before it all</p>",
        "</div>",
        "<div>",
        "<h4>One &amp; two</h4>",
        "<p>A &lt; B.</p>",
        "<ul>",
        "<li>x goes on</li>",
        "<li>y</li>",
        "</ul>",
        "<p>after</p>",
        "</div>",
        "<div>",
        "<h4>Three</h4>",
        "<ul>",
        "<li>z</li>",
        "</ul>",
        "</div>",
    ]
    assert text_to_html("") == ""


def _variables(block):
    return dict(re.findall(r"--(\w+):\s*(#[0-9a-f]{6});", block))


def _luminance(color):
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def _contrast(one, other):
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "panel"])
def test_colors_are_readable(scheme, ground):
    light, dark = asset("page.css").split("@media (prefers-color-scheme: dark)", 1)
    colors = _variables(light if scheme == "light" else dark.split("* {")[0])
    assert len(colors) == 10
    for name in ("ink", "soft", "link", "blue", "vermillion", "green"):
        assert _contrast(colors[name], colors[ground]) >= 4.5, name
    assert _contrast(colors["grey"], colors[ground]) >= 3


def test_real_comparison():
    rng = np.random.default_rng(0)
    kinds = {"dummy": "dummy", "linear L2": "linear", "plain net": "net", "+ dropout": "net"}
    rows = []
    for fold in range(5):
        for offset, name in zip((-0.4, 0.0, 0.0, 0.05), kinds, strict=True):
            score = 0.9 + offset + rng.normal(0, 0.004)
            rows.append(
                {
                    "candidate": name,
                    "repeat": 0,
                    "fold": fold,
                    "test_score": score,
                    "train_score": score + 0.02,
                    "log_loss": np.nan,
                    "strength": "dropout=0.25" if name == "+ dropout" else "",
                    "epochs": 40.0,
                    "zero_share": 0.0,
                    "n_features_used": 30.0,
                    "n_train": 400,
                    "n_test": 100,
                    "error": "",
                }
            )
    comparison = Comparison(
        pd.DataFrame(rows), kinds, task="classification", scoring="r2", baseline="plain net"
    )
    page = Page(comparison._repr_html_())
    assert "Take the plain net with dropout: +0.0" in page.text
    assert "R2 over the linear model" in page.text
    page = Page(render_page(comparison))
    assert len(page.all("svg")) == 4
    assert "What to take? 4 candidates, compared by R2." in page.text
    frame = comparison.plot().frame()
    assert frame["verdict"].tolist()[0] == "pays"
    assert frame["candidate"].tolist()[-1] == "dummy"
