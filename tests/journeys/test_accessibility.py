"""Every page as axe-core sees it, its colours in both schemes, and on a telephone: one visit to each section."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pages._shared.frame import SECTIONS, Head, pages
from tests.journeys.steps import fits_a_telephone, fits_all_eyes, settled

HEADS = pages(Path(__file__).parents[2] / "pages")


def visited(page: Page, views: list[Head]):
    """Go from tab to tab."""
    for head in views:
        if len(views) > 1:
            page.locator(".st-key-views").get_by_role("link", name=head.title, exact=True).click()
            expect(page).to_have_title(f"{head.title} · {head.section} · ResMem Lab")
        settled(page)
        yield head


@pytest.mark.parametrize("section", SECTIONS)
def test_no_serious_violation_and_nothing_wider_than_a_telephone(section, visit):
    views = {path.stem: head for path, head in HEADS.items() if head.section == section}
    page = visit(color_scheme="light")
    page.goto("/" if section == SECTIONS[0] else f"/{next(iter(views))}")
    expect(page.get_by_role("heading", name=section, level=1)).to_be_visible()
    for _ in visited(page, list(views.values())):
        fits_all_eyes(page)
    fits_a_telephone(page)
    for _ in visited(page, list(views.values())):
        fits_a_telephone(page)
        if page.locator(".headline").count():  # a page of results, where the sidebar is closed
            expect(page.get_by_test_id("stMain").get_by_role("slider", name="k, neighbours")).to_be_visible()
