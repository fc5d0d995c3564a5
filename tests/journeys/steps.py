"""What several journeys do and look for."""

import re

from playwright.sync_api import Locator, Page, expect

OF_COLOURS = ["color-contrast", "link-in-text-block"]  # what a colour scheme can change, of what axe-core looks at


def settled(page: Page) -> None:
    """Wait until nothing runs any more and everything is drawn."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def menu_link(page: Page, section: str) -> Locator:
    """Return the link of a section in the menu."""
    return page.get_by_test_id("stTopNavLink").filter(has_text=re.compile(f"{section}$"))


def go_to(page: Page, section: str, tab: str | None = None) -> None:
    """Go to a page by the menu, and from the first page of its section to another by its tab."""
    menu_link(page, section).click()
    expect(page.get_by_role("heading", level=1, name=section, exact=True)).to_be_visible()
    if tab is not None:
        page.locator(".st-key-views").get_by_role("link", name=tab, exact=True).click()
        expect(page).to_have_title(f"{tab} · {section} · ResMem Lab")


def fits_all_eyes_and_a_telephone(page: Page) -> None:
    """Check a page by axe-core, its colours in both schemes; and that nothing is wider than a narrow screen.

    There, where the sidebar is closed, the knobs of a page that has any are on the page itself.
    """
    from axe_playwright_python.sync_playwright import Axe

    for scheme, only in (("dark", {"runOnly": {"type": "rule", "values": OF_COLOURS}}), ("light", {})):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options={"resultTypes": ["violations"], **only}).response["violations"]
        serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
        assert (page.title(), scheme, serious) == (page.title(), scheme, [])
    wide = page.viewport_size
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function(
        """() => ![...document.querySelectorAll('[data-testid=stMain] *')].some(
            e => e.getBoundingClientRect().right > 401 && !e.closest('.js-plotly-plot, [data-testid=stDataFrame], '
            + '[data-testid=stSlider], [data-testid=stTable], [role=tablist], pre, .katex, svg, iframe'))""",
        timeout=20_000,
    )
    on_page = page.locator(".st-key-knobs-narrow")
    if on_page.count():
        expect(on_page.get_by_role("slider", name="k, neighbours")).to_be_visible()
    page.set_viewport_size(wide)


def headline(page: Page, part: str) -> Locator:
    """Return a part of what stands beside the title, such as "resmem" or "gain"."""
    return page.locator(f".headline .{part}")


def press(page: Page, slider: str | re.Pattern[str], key: str) -> Locator:
    """Press a key on a slider, and return the slider."""
    found = page.get_by_role("slider", name=slider)
    found.focus()
    found.press(key)
    return found
