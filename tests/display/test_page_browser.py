"""The page in a real browser: it opens, keeps quiet, sorts and fits."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading

import pytest

from skreg.display.page import render_page

BROWSER = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="needs chromium and chromedriver on the PATH"
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def folder(comparison, tmp_path_factory):
    """Where the page lies."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(render_page(comparison), encoding="utf-8")
    return folder


@pytest.fixture
def page(driver, folder):
    """The page, opened from a file."""
    driver.get_log("browser")
    driver.get((folder / "index.html").as_uri())
    return driver


def set_screen(driver, width, scheme="light"):
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 700},
    )
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})


def find(driver, selector):
    return driver.find_elements("css selector", selector)


# the second table, which has all candidates
TABLE = "section:nth-of-type(3) table.sortable"


def first_column(driver):
    return [cell.text for cell in find(driver, f"{TABLE} tbody th")]


def head_button(driver, text):
    (button,) = [b for b in find(driver, f"{TABLE} thead button") if text in b.text]
    return button


def test_opens_without_a_word_of_complaint(page, comparison):
    assert page.title == "clinic.csv: what predicts diagnosis best?"
    assert first_column(page) == comparison.names
    assert page.get_log("browser") == []


def test_asks_for_nothing_when_served(driver, folder):
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            driver.get(f"http://127.0.0.1:{server.server_port}/index.html")
            assert len(find(driver, "svg")) == 4
        finally:
            server.shutdown()
            thread.join()
    assert asked == ["/index.html"]


def test_sorts_by_mouse(page, comparison):
    by_gap = comparison.frame()["overfit_gap"]
    head_button(page, "Overfit").click()
    assert first_column(page) == by_gap.sort_values(ascending=False, kind="stable").index.tolist()
    head_button(page, "Overfit").click()
    assert first_column(page) == by_gap.sort_values(kind="stable").index.tolist()
    assert [head.text.split("\n")[0] for head in find(page, "th[aria-sort]")] == ["Overfit gap"]


def test_sorts_by_keyboard_and_says_so(page):
    button = head_button(page, "Candidate")
    button.send_keys("\ue007")  # Enter
    assert first_column(page) == sorted(first_column(page), key=str.lower)
    (head,) = find(page, "th[aria-sort]")
    assert head.get_attribute("aria-sort") == "ascending"
    _, status = find(page, "[role=status]")
    assert status.get_attribute("textContent") == "Sorted by Candidate, ascending."
    assert page.switch_to.active_element == button
    button.send_keys(" ")
    assert head.get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("head", ["Difference", "p (corrected)"])
def test_missing_values_stay_below(page, head):
    for _ in range(2):
        head_button(page, head).click()
        assert first_column(page)[-1] == "plain net"


@pytest.mark.parametrize(("width", "columns"), [(1300, 12), (500, 4)])
def test_the_most_important_columns_are_in_sight(page, width, columns):
    set_screen(page, width)
    heads = find(page, f"{TABLE} thead th")[:columns]
    assert [head.text.split("\n")[0].split(" (")[0] for head in heads][:2] == ["Candidate", "Score"]
    box = page.execute_script(
        "return document.querySelectorAll('.scroll')[1].getBoundingClientRect().right"
    )
    assert max(head.rect["x"] + head.rect["width"] for head in heads) <= box + 1


@pytest.mark.parametrize(("width", "shown"), [(1280, "wide"), (390, "narrow")])
def test_fits_the_screen(page, width, shown):
    set_screen(page, width)
    inner = page.execute_script("return document.documentElement.scrollWidth")
    assert inner <= width
    figures = [figure for figure in find(page, "figure svg") if figure.is_displayed()]
    assert len(figures) == 2
    for figure in figures:
        assert figure.rect["width"] > 300
        assert figure.rect["x"] + figure.rect["width"] <= width
        parent = page.execute_script("return arguments[0].parentElement.className", figure)
        assert parent == shown


@pytest.mark.parametrize("width", [1280, 390])
def test_texts_of_figures_do_not_overlap(page, width):
    set_screen(page, width)
    for figure in find(page, "figure svg"):
        if not figure.is_displayed():
            continue
        boxes = page.execute_script(
            "return Array.from(arguments[0].querySelectorAll('text'), t => {"
            "const b = t.getBoundingClientRect();"
            "return [t.textContent, b.left, b.top, b.right, b.bottom]})",
            figure,
        )
        assert len(boxes) > 10
        for place, (text, left, top, right, bottom) in enumerate(boxes):
            assert left >= figure.rect["x"] - 1, text
            assert right <= figure.rect["x"] + figure.rect["width"] + 1, text
            for other, *box in boxes[:place]:
                wide = min(right, box[2]) - max(left, box[0])
                high = min(bottom, box[3]) - max(top, box[1])
                # The boxes hold the room of accents, which is empty.
                assert wide < 1 or high < 4, (text, other)


def test_follows_the_scheme(page):
    grounds = []
    for scheme in ("light", "dark"):
        set_screen(page, 1280, scheme)
        ground = "return getComputedStyle(document.body).backgroundColor"
        ink = "return getComputedStyle(document.querySelector('figure svg text')).fill"
        grounds.append((page.execute_script(ground), page.execute_script(ink)))
    (paper, ink), (dark_paper, dark_ink) = grounds
    assert paper == "rgb(255, 255, 255)"
    assert sum(map(int, dark_paper[4:-1].split(","))) < 120
    assert sum(map(int, ink[4:-1].split(","))) < 120
    assert sum(map(int, dark_ink[4:-1].split(","))) > 600
