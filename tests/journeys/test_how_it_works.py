"""A newcomer goes through the explanation, then tries where memory hurts."""

import re

from playwright.sync_api import Page, expect

from tests.journeys.steps import press, settled


def test_step_by_step_then_the_examples(page: Page):
    page.goto("/how_it_works")
    expect(page.get_by_text(re.compile("^Step 1 of 5"))).to_be_visible()
    panels = page.locator(".js-plotly-plot .annotation")
    for number in range(1, 5):
        expect(panels).to_have_count(number)
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text(re.compile(f"^Step {number + 1} of 5"))).to_be_visible()
    expect(page).to_have_url(re.compile("step=5"))
    expect(panels).to_have_count(4)

    said = page.get_by_test_id("stAlert")
    page.get_by_role("button", name="Memory hurts").click()
    expect(said).to_contain_text("Memory hurts here.")
    press(page, "k, neighbours", "End")
    expect(said).to_contain_text("k went from 1 to 100: the test error fell from")
    expect(page).to_have_url(re.compile("k=100"))
    expect(said).to_contain_text("averages more residuals")
    settled(page)
    page.locator(".js-plotly-plot .nsewdrag").first.hover()
    expect(page.locator(".hoverlayer")).to_contain_text("network + memory")
