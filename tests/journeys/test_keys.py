"""No press of a key is lost, however fast they come."""

import re

from playwright.sync_api import Page, expect

from tests.journeys.steps import settled

APART = 30  # milliseconds between two presses, as a keyboard repeats


def press(page: Page, name: str, times: int):
    """Press the right arrow on a slider so many times; return the slider, once everything is done."""
    slider = page.get_by_role("slider", name=name)
    slider.focus()
    for _ in range(times):
        slider.press("ArrowRight")
        page.wait_for_timeout(APART)
    page.wait_for_timeout(1000)
    settled(page)
    return slider


def test_a_hundred_presses_are_a_hundred_steps(page: Page):
    page.goto("/tune?k=1")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    settled(page)
    expect(press(page, "k, neighbours", 100)).to_have_value("101")
    expect(page).to_have_url(re.compile(r"[?&]k=101(&|$)"))
    expect(page.get_by_text(re.compile("test points, k = 101, sigma"))).to_be_visible()


def test_presses_on_a_scale_of_options_are_not_lost(page: Page):
    """The first step leaves a value that the address brought, and that is no step of the scale."""
    page.goto("/tune?sigma=0.50001")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    settled(page)
    before = int(page.get_by_role("slider", name="sigma").input_value())
    slider = press(page, "sigma", 12)
    expect(slider).to_have_value(str(before + 11))  # one option fewer: that of the address is left behind
    told = slider.get_attribute("aria-valuetext")
    expect(page).to_have_url(re.compile(rf"[?&]sigma={re.escape(str(told))}(&|$)"))
