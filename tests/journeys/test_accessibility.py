"""Every page as axe-core sees it, light and dark, wide and narrow."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
PATHS = re.findall(r'st\.Page\("pages/(\w+)\.py"', (ROOT / "app.py").read_text())
ADDRESSES = {"overview": "", "inspect_points": "inspect"}
IN_MAIN = "[data-testid=stMain], [data-testid=stSidebar]"
# Rules about Streamlit's own markup, which a page cannot change.
STREAMLITS = {"button-name", "nested-interactive", "scrollable-region-focusable", "aria-allowed-attr"}


def address(name: str) -> str:
    return "/" + ADDRESSES.get(name, name)


def settled(page: Page) -> None:
    expect(page.get_by_test_id("stMain").get_by_role("heading").first).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


@pytest.mark.parametrize("name", PATHS)
def test_no_serious_violation(name, visit):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(color_scheme="dark" if len(name) % 2 else "light")
    page.goto(address(name))
    settled(page)
    found = Axe().run(page, context=None, options={"resultTypes": ["violations"]}).response["violations"]
    serious = {v["id"]: v["nodes"][0]["html"][:300] for v in found if v["impact"] in ("serious", "critical")}
    print({v["id"]: (v["impact"], len(v["nodes"]), v["nodes"][0]["html"][:200]) for v in found})
    assert not {rule: html for rule, html in serious.items() if rule not in STREAMLITS}


@pytest.mark.parametrize("name", PATHS)
def test_nothing_is_wider_than_a_telephone(name, visit):
    page = visit(viewport={"width": 400, "height": 800})
    page.goto(address(name))
    settled(page)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMain] *')]
        .filter(e => e.getBoundingClientRect().right > 401 && !e.closest('.js-plotly-plot, [data-testid=stDataFrame], '
                + '[data-testid=stTable], [role=tablist], pre, .katex, svg'))
        .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert wide == []
