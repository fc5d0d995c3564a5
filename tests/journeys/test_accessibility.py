"""Every page as axe-core sees it, in both schemes, and on a narrow screen."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.journeys.steps import fits_all_eyes_and_a_telephone, settled

ROOT = Path(__file__).parents[2]
PATHS = re.findall(r'st\.Page\("pages/(\w+)\.py"', (ROOT / "app.py").read_text())


def address(name: str) -> str:
    return "/" if name == "overview" else f"/{name}"


@pytest.mark.parametrize("name", PATHS)
def test_no_serious_violation_and_nothing_wider_than_a_telephone(name, visit):
    page = visit(color_scheme="light")
    page.goto(address(name))
    expect(page.get_by_test_id("stMain").get_by_role("heading").first).to_be_visible()
    settled(page)
    fits_all_eyes_and_a_telephone(page)
