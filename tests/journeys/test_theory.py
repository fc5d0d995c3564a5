"""The theory page in a real browser."""

import re

from playwright.sync_api import Page, expect

from tests.journeys.steps import metric, press, settled


def test_a_student_moves_l_and_d_and_hands_the_address_on(page: Page, visit):
    page.goto("/theory?seeds=4&n=100,1000")
    expect(metric(page, "Base, limit")).to_have_text("0.1667")
    press(page, re.compile("^L, "), "Home")
    expect(page).to_have_url(re.compile(r"L=0\.0"))
    expect(metric(page, "Base, limit")).to_have_text("0.6667")
    expect(page.get_by_text(re.compile("falls like n to the power -0"))).to_be_visible()

    page.get_by_text("The curse of dimension").click()
    expect(page.get_by_text(re.compile("256 times for d = 16"))).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_contain_text("d = 32")
    press(page, re.compile("^d, "), "ArrowLeft")
    expect(page).to_have_url(re.compile("d=3"))
    expect(page.locator(".js-plotly-plot").first).to_contain_text("d = 3")

    settled(page)
    page.get_by_text("Link and command").click()
    command = page.get_by_test_id("stCode").filter(has_text="theory --n 100,1000 --d 3 --L 0.0 --seeds 4")
    expect(command).to_be_visible()
    other = visit()
    other.goto(page.url)
    expect(other.get_by_text(re.compile("256 times for d = 16"))).to_be_visible()
    expect(other.get_by_text("Derivations, checked by the numbers")).to_be_visible()
