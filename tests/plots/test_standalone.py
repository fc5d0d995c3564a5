import json
from html.parser import HTMLParser

import numpy as np
import pytest

from resmem_core.plots.common import figure
from resmem_core.plots.standalone import Shown, figure_html

EVIL = "</script><script>alert(1)</script><!--"


class Page(HTMLParser):
    """Elements with their attributes, and the text within each script."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.scripts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.lasttag == "script" and self.scripts:
            self.scripts[-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_a_page_holds_one_figure_and_all_it_needs():
    page = Page(figure_html(Shown(figure(200, [{"type": "scatter", "y": np.arange(3)}]), "waves", "Three points")))
    assert page.all("html")[0]["lang"] == "en"
    assert [f["data-name"] for f in page.all("figure")] == ["resmem-waves"]
    assert {b["data-format"] for b in page.all("button")} == {"png", "svg"}
    assert page.all("div")[0]["aria-label"] == "Three points"
    assert not any({"src", "href"} & set(attributes) for _, attributes in page.elements)
    assert "default-src 'none'" in page.all("meta")[1]["content"]
    assert any("plotly.js v" in script for script in page.scripts)
    assert json.loads(page.scripts[0])["data"][0]["type"] == "scatter"


def test_nothing_in_a_figure_or_its_texts_becomes_markup():
    fig = figure(200, [{"type": "scatter", "y": [1], "name": EVIL}], title={"text": EVIL})
    page = Page(figure_html(Shown(fig, EVIL, EVIL)))
    assert len(page.scripts) == 3  # the figure, plotly.js, and ours
    given = json.loads(page.scripts[0])
    assert given["data"][0]["name"] == given["layout"]["title"]["text"] == EVIL
    assert page.all("div")[0]["aria-label"] == EVIL


@pytest.mark.parametrize(("scheme", "style"), [("", None), ("dark", "color-scheme: dark")])
def test_colours_follow_the_reader_unless_told(scheme, style):
    assert Page(figure_html(Shown(figure(200), "a", "a"), scheme=scheme)).all("html")[0].get("style") == style


def test_height_is_the_figures_own():
    assert Shown(figure(321), "a", "a").height == 321
