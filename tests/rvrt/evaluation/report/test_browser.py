"""The page as Chromium shows it: by mouse, by keyboard, to a screen reader, on a phone."""

import math

import pytest

from rvrt.evaluation.report.page import write_comparison, write_report
from tests.rvrt.evaluation.report.browser import PATH, Browser
from tests.rvrt.evaluation.report.test_page import (
    pictures,
    write_evaluation,
    write_frames,
    write_pictures,
)

pytestmark = pytest.mark.skipif(
    PATH is None, reason="no Chromium on this machine (Debian: chromium)"
)
LONG = "a_sequence_with_a_very_long_name_that_no_phone_has_room_for/0001"
CONTRAST = """(() => {
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const colour = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = colour(getComputedStyle(node).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  let least = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode, node = text.parentElement, style = getComputedStyle(node);
    if (!text.data.trim() || ["SCRIPT", "STYLE", "OPTION"].includes(node.tagName)) continue;
    const ink = colour(node.namespaceURI.endsWith("svg") ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least[0]) least = [ratio, node.tagName + ": " + text.data.trim().slice(0, 40)];
  }
  return least;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = Browser(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of three sequences, one of them of several frames and with a long name."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder, more in zip(folders, (0.0, 0.5), strict=True):
        sequences = {
            LONG: ("slow", 40.0 + more, 33.0),
            "00001/0002": ("fast", 29.0 + more, 29.5),
            "00001/0003": ("slow", 9.5 + more, 8.25),
        }
        write_evaluation(folder, sequences)
        for seed, key in enumerate([LONG, "00001/0002"]):
            write_pictures(folder, key, pictures(seed))
        write_frames(folder, {LONG: [(40.0, 33.0), (39.0, 32.0), (math.nan, 34.0)]})
    return folders


@pytest.fixture(scope="module")
def page(runs):
    return write_report(runs[0])


def errors(browser):
    kinds = ("Log.entryAdded", "Runtime.exceptionThrown")
    return [event for event in browser.events if event.get("method") in kinds]


def requested(browser):
    sent = [e for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    urls = {event["params"]["request"]["url"] for event in sent}
    return {url for url in urls if not url.startswith("data:")}


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_loads_nothing_and_runs_without_errors(browser, runs, page, tmp_path, width):
    for path in (page, write_comparison(runs, tmp_path)):
        browser.open(path, width)
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert requested(browser) == {path.resolve().as_uri()} and not errors(browser)
        assert browser.run("[...document.images].every(i => !i.src || i.naturalWidth > 0)")
        size = browser.run("parseFloat(getComputedStyle(document.querySelector('td')).fontSize)")
        assert size >= 13


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser, runs, page, tmp_path, scheme):
    six = [runs[n % 2] for n in range(6)]
    for path in (page, write_comparison(six, tmp_path)):
        browser.open(path, prefers_color_scheme=scheme)
        ratio, where = browser.run(CONTRAST)
        assert ratio >= 4.5, where  # WCAG 2, AA


def test_nothing_moves_by_itself_for_who_wants_it_so(browser, page):
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    browser.open(page, prefers_reduced_motion="reduce")
    assert browser.run(behaviour) == "auto"
    moving = "document.getAnimations().length"
    assert browser.run(moving) == 0
    browser.open(page, prefers_reduced_motion="no-preference")
    assert browser.run(behaviour) == "smooth"


def at(browser):
    return browser.run(
        "document.querySelector('.stage').style.getPropertyValue('--at') + "
        "getComputedStyle(document.querySelector('.stage .left')).clipPath"
    )


def test_the_slider_by_keyboard_and_by_mouse(browser, page):
    browser.open(page)
    browser.run("document.querySelector('.viewer input').focus()")
    assert at(browser).startswith("50%inset(0px 50% ")
    browser.key("ArrowRight")
    assert at(browser).startswith("51%inset(0px 49% ")
    browser.run("document.querySelector('.stage').scrollIntoView({behavior: 'instant'})")
    left, top, width = browser.run(
        "(b => [b.left, b.top, b.width])(document.querySelector('.stage').getBoundingClientRect())"
    )
    browser.drag((left + 0.5 * width, top + 20), (left + 0.2 * width, top + 20))
    assert at(browser).startswith("20%")
    value = browser.run("document.querySelector('.viewer input').getAttribute('aria-valuetext')")
    assert value == "20 % bicubic, the rest ours"


def test_any_two_pictures_can_be_chosen(browser, page):
    browser.open(page)
    names = browser.run("[...document.querySelector('.viewer select').options].map(o => o.value)")
    assert names == ["LQ", "bicubic", "ours", "GT"]
    browser.run(
        "(s => { s.value = 'GT'; s.dispatchEvent(new Event('change')); })"
        "(document.querySelectorAll('.viewer select')[1])"
    )
    assert browser.run(
        "document.querySelector('.stage .right').src === "
        "document.querySelector('.whole img[data-version=GT]').src"
    )


def rows(browser):
    return browser.run(
        "[...document.querySelectorAll('.sortable tbody tr')].map(r => r.cells[0].textContent)"
    )


def test_the_table_sorts_by_numbers_and_says_so(browser, page):
    browser.open(page)
    browser.run("document.querySelectorAll('.sortable th button')[2].focus()")
    browser.key("Enter")
    assert rows(browser) == ["00001/0003", "00001/0002", LONG]  # 9.5 before 29
    head = "document.querySelectorAll('.sortable thead th')[2].getAttribute('aria-sort')"
    assert browser.run(head) == "ascending"
    status = "document.querySelector('[role=status]').textContent"
    assert browser.run(status) == "Sorted by ours, dB, lowest first"
    browser.key("Enter")
    assert rows(browser) == [LONG, "00001/0002", "00001/0003"]
    assert browser.run(head) == "descending"


def test_every_control_is_reached_by_tab_with_a_focus_that_shows(browser, page):
    browser.open(page)
    wanted = browser.run("document.querySelectorAll('a, button, select, input').length")
    seen = set()
    for _ in range(wanted + 20):
        browser.key("Tab")
        place, tag, outline = browser.run(
            "(e => [[...document.querySelectorAll('*')].indexOf(e), e.tagName, "
            "getComputedStyle(e).outlineStyle])(document.activeElement)"
        )
        if tag == "BODY":
            break
        assert outline != "none", tag
        if tag in ("A", "BUTTON", "SELECT", "INPUT"):
            seen.add(place)
    assert len(seen) == wanted


def test_what_a_screen_reader_is_told(browser, page):
    browser.open(page)
    tree = browser.tree()
    names = {}
    for role, name in tree:
        names.setdefault(role, []).append(name)
    for role in ("image", "slider", "combobox", "button", "link", "table", "navigation", "article"):
        assert names[role] and all(names[role]), role
    assert f"Where the left picture ends, {LONG}" in names["slider"]
    assert any(name.startswith("Histogram of PSNR on Y") for name in names["image"])
    assert len(names["main"]) == 1 and names["heading"][0] == "rvrt on vimeo_septuplet test"
