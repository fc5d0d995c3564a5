"""What several journeys do and look for."""

import re

from playwright.sync_api import Page, expect


def settled(page: Page) -> None:
    """Wait until nothing runs any more and everything is drawn."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def fits_all_eyes_and_a_telephone(page: Page) -> None:
    """Check a page by axe-core in both schemes, and that nothing is wider than a narrow screen."""
    from axe_playwright_python.sync_playwright import Axe

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
        assert (scheme, serious) == (scheme, [])
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function(
        """() => ![...document.querySelectorAll('[data-testid=stMain] *')].some(
            e => e.getBoundingClientRect().right > 401 && !e.closest('.js-plotly-plot, [data-testid=stDataFrame], '
            + '[data-testid=stSlider], [data-testid=stTable], [role=tablist], pre, .katex, svg, iframe'))""",
        timeout=20_000,
    )


def metric(page: Page, label: str):
    """Return the value below a label: what the server wrote, or what the browser follows."""
    of_server = page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")
    return of_server.or_(page.locator(".card").filter(has_text=label).locator(".value"))


def press(page: Page, slider: str | re.Pattern[str], key: str):
    """Press a key on a slider, and return the slider."""
    found = page.get_by_role("slider", name=slider)
    found.focus()
    found.press(key)
    return found
