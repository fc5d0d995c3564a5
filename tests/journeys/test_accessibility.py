"""Every page as axe-core sees it, in both schemes, and on a narrow screen."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from pages._shared.frame import pages
from tests.journeys.steps import fits_all_eyes_and_a_telephone, settled

PATHS = [path.stem for path in pages(Path(__file__).parents[2] / "pages")]


@pytest.mark.parametrize("name", PATHS)
def test_no_serious_violation_and_nothing_wider_than_a_telephone(name, visit):
    page = visit(color_scheme="light")
    page.goto("/" if name == "overview" else f"/{name}")
    expect(page.get_by_test_id("stMain").get_by_role("heading").first).to_be_visible()
    settled(page)
    fits_all_eyes_and_a_telephone(page)
