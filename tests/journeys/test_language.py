"""A reader of contexts in a real browser: a text of their own prepared, looked into, walked, gone on with, judged."""

import re
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from tests.journeys.steps import fits_all_eyes_and_a_telephone, press, settled

PEOPLE = ("the red fox", "a small boat", "the old clock", "my <b>neighbour</b>")
HABITS = ("follows the harbour", "carries a *lantern*", "waits for the letter", "forgets the bridge")


def tales(folder: Path) -> str:
    """Return the address of an experiment on 24 short texts, which takes seconds."""
    for number in range(24):
        lines = [f"{PEOPLE[number % 4]} {HABITS[(number + i // 3) % 4]} again." for i in range(9)]
        (folder / f"tale-{number:02}.txt").write_text("\n".join([f"Tale {number}", "", *lines, ""]))
    query = {"dataset": f"text:{folder}", "tokenizer": "words", "vocabulary": 512, "epochs": 1}
    return f"/language?{urlencode(query)}"


def view(page: Page, name: str) -> None:
    page.get_by_test_id("stRadio").get_by_text(name, exact=True).click()
    settled(page)


def test_contexts_are_seen_and_a_text_is_walked_and_gone_on_with(page: Page, tmp_path):
    page.goto(tales(tmp_path))
    expect(page.get_by_role("heading", name=re.compile("is not prepared yet"))).to_be_visible()
    page.get_by_role("button", name="Train and prepare").click()
    expect(page.get_by_role("heading", name="Retrieved contexts")).to_be_visible(timeout=200_000)
    expect(page.get_by_text(re.compile("Base says"))).to_be_visible()
    settled(page)

    context = page.get_by_role("textbox", name="Context")
    context.fill("my <b>neighbour</b> forgets")
    context.press("Control+Enter")
    expect(page).to_have_url(re.compile("context=my"))
    settled(page)
    contexts = page.locator("ol.contexts li")
    expect(contexts.first.locator(".next")).to_be_visible()
    expect(page.locator("ol.contexts b")).to_have_count(0)
    expect(page.locator("p.text").first).to_contain_text("my <b>neighbour</b> forgets")
    fits_all_eyes_and_a_telephone(page)

    view(page, "Walk")
    expect(page).to_have_url(re.compile("view=walk"))
    tokens = page.get_by_role("option")
    expect(tokens.nth(12)).to_be_visible()
    tokens.nth(12).click()
    expect(tokens.nth(12)).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile(r"point=\d"))
    settled(page)
    token = tokens.nth(12).get_attribute("aria-label").rpartition(":")[0]
    expect(page.get_by_test_id("stMarkdown").filter(has_text="Base says").locator("code").last).to_have_text(token)
    before = page.url
    page.get_by_role("listbox", name="Tokens of the passage").focus()
    page.keyboard.press("ArrowRight")
    expect(tokens.nth(13)).to_have_attribute("aria-selected", "true")
    expect(page).not_to_have_url(before)
    settled(page)
    fits_all_eyes_and_a_telephone(page)

    view(page, "Generate")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_role("heading", name="With memory")).to_be_visible()
    expect(page.get_by_role("option")).to_have_count(60)
    settled(page)
    page.get_by_role("option").nth(2).click()
    expect(page.get_by_role("heading", name="Retrieved contexts")).to_be_visible()
    settled(page)
    fits_all_eyes_and_a_telephone(page)

    view(page, "Where it helps")
    for heading in ("How good it is", "Rare and frequent tokens", "How near the nearest context is", "The text"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    settled(page)
    fits_all_eyes_and_a_telephone(page)
    press(page, "k, neighbours", "End")
    by_hand = page.get_by_text(re.compile("k = .* set by hand while looking at test"))
    expect(by_hand).to_be_visible()
    page.get_by_role("button", name="Choose on validation").click()
    expect(by_hand).to_have_count(0)
