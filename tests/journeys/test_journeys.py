"""What people do, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)


def metric(page: Page, label: str):
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def neighbor_cards(page: Page):
    return page.get_by_test_id("stMarkdown").filter(has_text=re.compile(r"distance [\d.]+"))


def test_a_newcomer_tunes_the_default_and_opens_a_fixed_point(page: Page):
    page.goto("/")
    expect(page.get_by_role("heading", name="ResMem Lab")).to_be_visible()
    expect(metric(page, "ResMem accuracy")).to_have_text(re.compile(r"\d\d\.\d%"))

    page.get_by_role("link", name="Tune").click()
    expect(page.get_by_role("heading", name="Accuracy against k")).to_be_visible()
    chosen = metric(page, "ResMem accuracy").inner_text()
    k = page.get_by_role("slider", name="k, neighbours")
    k.focus()
    k.press("End")
    temperature = page.get_by_role("slider", name="temperature of the base model")
    temperature.focus()
    temperature.press("Home")
    expect(page).to_have_url(re.compile("k=256"))
    expect(page).to_have_url(re.compile("temperature=0.1"))
    expect(metric(page, "ResMem accuracy")).not_to_have_text(chosen)

    page.get_by_role("button", name="Choose on validation").click()
    expect(metric(page, "ResMem accuracy")).to_have_text(chosen)
    expect(page).not_to_have_url(re.compile("k="))

    page.get_by_role("link", name="Classes").click()
    expect(page.get_by_role("heading", name="Gain by class")).to_be_visible()

    page.get_by_role("link", name="Inspect").click()
    page.get_by_role("button", name=re.compile("^. → .$")).nth(2).click()
    expect(page).to_have_url(re.compile(r"point=\d+"))
    expect(page.get_by_role("heading", name=re.compile("Who pushes for"))).to_be_visible()
    story = page.get_by_text(re.compile("Base says")).inner_text()
    assert story.startswith("Test point ")
    page.reload()
    expect(page.get_by_text(re.compile("Base says"))).to_have_text(story, use_inner_text=True)


def test_an_address_shows_the_same_to_somebody_else(page: Page, browser, server):
    page.goto("/inspect?k=7&sigma=0.9&temperature=2.0&outcome=both+right&of_class=4&point=140")
    expect(page.get_by_text(re.compile("Test point 140"))).to_be_visible()
    expect(neighbor_cards(page)).to_have_count(7)
    told = neighbor_cards(page).all_inner_texts()
    other = browser.new_context(base_url=server).new_page()
    other.goto(page.url)
    expect(neighbor_cards(other)).to_have_text(told, use_inner_text=True)
    other.context.close()


def test_training_shows_progress_survives_a_reload_and_can_be_cancelled(page: Page):
    page.goto("/?backbone=resnet14&seed=5&epochs=400")
    page.get_by_role("button", name="Train and prepare").click()
    expect(page.get_by_text(re.compile("epoch \\d+ of 400"))).to_be_visible()
    page.reload()
    expect(page.get_by_text(re.compile("epoch ([3-9]|\\d\\d+) of 400"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("last checkpoint is kept"))).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text(re.compile("epoch ([2-9]|\\d\\d+) of 400"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()


def test_training_to_the_end_opens_the_experiment(page: Page):
    page.goto("/tune?backbone=small-cnn&seed=5&epochs=2")
    page.get_by_role("button", name="Train and prepare").click()
    expect(metric(page, "Base accuracy")).to_be_visible()


def test_one_visitor_trains_while_another_goes_on(page: Page, browser, server):
    page.goto("/?backbone=resnet14&seed=6&epochs=400")
    page.get_by_role("button", name="Train and prepare").click()
    expect(page.get_by_text(re.compile("epoch \\d+ of 400"))).to_be_visible()
    other = browser.new_context(base_url=server).new_page()
    other.goto("/tune?k=4")
    expect(metric(other, "ResMem accuracy")).to_be_visible()
    other.context.close()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()


def test_nonsense_is_answered_in_words(page: Page):
    page.goto("/tune?k=-3&sigma=wide")
    expect(page.get_by_text(re.compile("'-3' is not a whole number"))).to_be_visible()
    expect(metric(page, "ResMem accuracy")).to_be_visible()
    page.goto("/")
    expect(metric(page, "ResMem accuracy")).to_be_visible()
    page.get_by_role("combobox", name=re.compile("Dataset")).click()
    page.get_by_role("option", name=re.compile("^folder")).click()
    path = page.get_by_role("textbox", name="Path on this machine")
    path.fill("/no/such/place")
    path.press("Enter")
    expect(page.get_by_test_id("stAlert").get_by_text(re.compile("/no/such/place"))).to_be_visible()


def test_the_very_first_visit_may_be_to_any_page(browser, untouched_server):
    visitor = browser.new_context(base_url=untouched_server).new_page()
    visitor.goto("/tune?k=5")
    expect(visitor.get_by_role("heading", name="Tune", exact=True)).to_have_count(1)
    expect(metric(visitor, "ResMem accuracy")).to_be_visible()
    expect(visitor).to_have_url(re.compile("/tune.*k=5"))
    visitor.context.close()
