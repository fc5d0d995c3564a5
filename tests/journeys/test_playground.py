"""A learner in the playground, in a real browser."""

import re

from playwright.sync_api import Page, expect

from tests.journeys.steps import press, settled


def click(page: Page, panel: str, x: float, y: float) -> None:
    """Click at a place of the plane."""
    surface = page.locator(f".st-key-plane-{panel} .nsewdrag")
    surface.scroll_into_view_if_needed()
    box = surface.bounding_box()
    surface.click(position={"x": (x / 2.5 + 0.5) * box["width"], "y": (0.5 - y / 2.5) * box["height"]})


def test_a_lesson_is_followed_a_place_asked_and_a_point_added(page: Page):
    page.goto("/playground?lesson=rare-group")
    expect(page.get_by_text("A straight line cannot set them apart")).to_be_visible()
    surfaces = page.locator(".js-plotly-plot")
    expect(surfaces).to_have_count(3)
    settled(page)
    page.get_by_text("Lesson 4: what to notice").click()
    expect(page.get_by_text("The base gets none of the rare group right")).to_be_visible()
    expect(page.get_by_text(re.compile(r"In the rare group \(\d+ test points\): base 0%"))).to_be_visible()

    page.wait_for_timeout(1000)  # until the figures listen to clicks
    click(page, "resmem", -0.55, 0.0)
    expect(page).to_have_url(re.compile(r"at=-0\.5\d*_-?0"))
    expect(page.get_by_role("heading", name=re.compile("Who votes at x = -0.5"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"by the base 0\.0\d+ \(class 0\) \+ memory .* \(class 1\)"))).to_be_visible()

    page.get_by_text("adds a point of class 0").click()
    expect(page).to_have_url(re.compile("click=add-0"))
    settled(page)
    click(page, "base", 0.55, 0.75)
    expect(page).to_have_url(re.compile(r"edits=0_0\.5\d*_0\.7"))
    expect(page.get_by_text("1 of 50 edits by hand")).to_be_visible()

    press(page, "k, neighbours", "Home")
    expect(page).to_have_url(re.compile("k=1&"))
