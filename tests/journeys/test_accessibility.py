"""Every page as axe-core sees it, in both schemes, and on a narrow screen."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pages._shared.frame import pages

pytestmark = pytest.mark.browser
PATHS = [path.stem for path in pages(Path(__file__).parents[2] / "pages")]


def address(name: str) -> str:
    return "/" if name == "overview" else f"/{name}"


def settled(page: Page) -> None:
    expect(page.get_by_test_id("stMain").get_by_role("heading").first).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


@pytest.mark.parametrize("name", PATHS)
def test_no_serious_violation_and_nothing_wider_than_a_telephone(name, visit):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(color_scheme="light")
    page.goto(address(name))
    settled(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page).response["violations"]
        serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
        assert (scheme, serious) == (scheme, [])
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function(
        """() => ![...document.querySelectorAll('[data-testid=stMain] *')].some(
            e => e.getBoundingClientRect().right > 401 && !e.closest('.js-plotly-plot, [data-testid=stDataFrame], '
            + '[data-testid=stSlider], [data-testid=stTable], [role=tablist], pre, .katex, svg, iframe'))""",
        timeout=20_000,
    )
