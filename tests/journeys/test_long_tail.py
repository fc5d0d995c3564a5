"""The long tail lab from its start to its figures."""

import re

from playwright.sync_api import Page, expect


def test_a_long_tail_is_tried_and_reloaded(page: Page):
    page.goto("/long_tail?limit_train=100&seeds=1")
    expect(page.get_by_role("heading", name="Accuracy against training examples is not prepared yet")).to_be_visible()
    page.get_by_test_id("stRadio").get_by_text("Imbalance").click()
    expect(page).to_have_url(re.compile("vary=imbalance"))
    expect(page.get_by_role("spinbutton", name="Fixed: training examples")).to_have_value("100")
    values = page.get_by_role("textbox", name="Values")
    values.fill("1,10")
    values.press("Enter")
    expect(page.get_by_text("2 trainings: imbalance 1, 10, each under 1 seed")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text(re.compile("point \\d of 2"))).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Where memory gains")).to_be_visible()
    expect(page.get_by_text(re.compile("Gain in the rarest classes"))).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.get_by_text("points so far")).to_have_count(0)
    expect(page.get_by_test_id("stPlotlyChart").locator(".main-svg").first).to_be_visible()
