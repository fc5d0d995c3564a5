"""Every page as axe-core sees it, its colours in both schemes, and on a telephone: one visit to each section."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from pages._shared.frame import SECTIONS, pages
from tests.journeys.steps import fits_all_eyes_and_a_telephone, settled

HEADS = pages(Path(__file__).parents[2] / "pages")


@pytest.mark.parametrize("section", SECTIONS)
def test_no_serious_violation_and_nothing_wider_than_a_telephone(section, visit):
    views = {path.stem: head for path, head in HEADS.items() if head.section == section}
    page = visit(color_scheme="light")
    page.goto("/" if section == SECTIONS[0] else f"/{next(iter(views))}")
    expect(page.get_by_role("heading", name=section, level=1)).to_be_visible()
    for head in views.values():
        if len(views) > 1:
            page.locator(".st-key-views").get_by_role("link", name=head.title, exact=True).click()
            expect(page).to_have_title(f"{head.title} · {section} · ResMem Lab")
        settled(page)
        fits_all_eyes_and_a_telephone(page)
