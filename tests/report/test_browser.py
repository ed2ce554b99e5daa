"""The page in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ftso_cli.report.collect import collect
from ftso_cli.report.page import page
from tests.report.browser import PROGRAM, SKIP, Browser, browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=SKIP)


@pytest.fixture(scope="module")
def shown(afternoon: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page of an afternoon, open in a tab."""
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page(collect([str(afternoon / "cell.json"), str(afternoon / "run")])), encoding="utf-8")
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        tab.open(file)
        yield tab


def test_it_opens_without_a_complaint_and_asks_for_nothing_but_itself(shown: Browser) -> None:
    assert shown.complaints == []
    assert [url for url in shown.requests if not url.endswith("/report.html")] == []
    assert shown.run("document.querySelectorAll('svg.cell').length") == 6


LOOK = """
    (() => { const search = document.querySelectorAll('.search')[1];
      const looks = [...search.querySelectorAll('.edge')].map((edge) =>
        edge.getAttribute('aria-label') + edge.style.getPropertyValue('--w') + edge.style.getPropertyValue('--c'));
      const shares = [...search.querySelectorAll('.alpha td')].map((box) => box.textContent);
      const rule = search.querySelector('.now_marks line').getAttribute('transform');
      return [...looks, ...shares, search.querySelector('output').value, rule];
    })()
"""


def test_the_slider_moves_the_cell_the_table_and_the_charts(shown: Browser) -> None:
    end = shown.run(LOOK)
    shown.run("document.querySelectorAll('.search input')[1].focus()")
    shown.press("Home")
    start = shown.run(LOOK)
    moved = [one != other for one, other in zip(start, end, strict=True)]
    assert "iteration 0" in start[-2] and "iteration 3" in end[-2]
    assert start[-1].startswith("translate(0,") and moved[-1]
    edges = shown.run("document.querySelectorAll('.search')[1].querySelectorAll('.edge').length")
    assert any(moved[:edges]) and any(moved[edges:-2])
    for _ in range(3):
        shown.press("ArrowRight")
    assert shown.run(LOOK) == end


def test_the_tab_key_reaches_edges_and_shows_what_is_known_of_them(shown: Browser) -> None:
    shown.run("document.querySelector('.edge').focus()")
    shown.press("Tab")
    # To go to an edge may scroll to it, which shows what is known of it once more.
    shown.settle()
    text = shown.run("document.activeElement.getAttribute('aria-label')")
    assert "→" in text and not shown.run("document.getElementById('tip').hidden")
    assert shown.run("document.getElementById('tip').textContent") == text
    shown.press("Escape")
    assert shown.run("document.getElementById('tip').hidden")


def test_pointing_at_an_edge_or_a_mark_shows_its_figures(shown: Browser) -> None:
    place = """(() => { const mark = document.querySelector(%r);
        mark.scrollIntoView({block: 'center'});
        const box = mark.getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2]; })()"""
    for mark in (".edge:not(.faint) text", ".chart path[role=img]"):
        where = shown.run(place % mark)
        # Scrolling puts away what is shown.
        shown.settle()
        shown.point(*where)
        assert not shown.run("document.getElementById('tip').hidden")
        assert shown.run("document.getElementById('tip').textContent")


def test_arrow_keys_step_through_the_values_of_a_chart(shown: Browser) -> None:
    shown.run("document.querySelector('.chart').focus()")
    shown.press("ArrowRight")
    first = shown.run("document.getElementById('tip').textContent")
    shown.press("ArrowRight")
    assert first and shown.run("document.getElementById('tip').textContent") != first


def test_dark_is_dark_and_paper_is_white(shown: Browser, tmp_path: Path) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number)"
    shown.media(dark=True)
    assert max(shown.run(ground)) < 60
    shown.media(dark=True, paper=True)
    assert min(shown.run(ground)) > 240
    assert shown.run("getComputedStyle(document.querySelector('.copy')).display") == "none"
    shown.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    shown.media()


def test_a_command_is_copied_whole(shown: Browser) -> None:
    code = shown.run("document.querySelector('.history code').textContent")
    assert code.startswith("ftso search-topology --data ") and "  " not in code
    shown.run("document.querySelector('.history .copy').click()")
    said = "document.querySelector('.history .copy').textContent"
    shown.run(f"""new Promise((done) => {{
        const look = () => ({said} === "Copied" ? done() : setTimeout(look, 10));
        look();
    }})""")


def test_nothing_was_complained_of_on_the_way(shown: Browser) -> None:
    assert shown.complaints == []
