"""What people do, in a real browser."""

import re
import socket
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from resmem_core.data.example_files import example_file
from tests.journeys.steps import metric, press, settled


def go_to(page: Page, section: str, name: str) -> None:
    page.get_by_role("button", name=section, exact=True).click()
    page.get_by_role("menuitem", name=name).click()


def test_a_newcomer_tunes_the_default_and_opens_a_fixed_point(page: Page):
    page.goto("/")
    expect(page.get_by_role("heading", name="ResMem Lab")).to_be_visible()
    expect(metric(page, "ResMem accuracy")).to_have_text(re.compile(r"\d\d\.\d%"))

    expect(page).to_have_title("ResMem Lab")

    go_to(page, "Setting", "Tune")
    expect(page.get_by_role("heading", name="Accuracy against k")).to_be_visible()
    expect(page).to_have_title("Tune · ResMem Lab")
    expect(page.get_by_role("button", name="Setting", exact=True)).to_have_css("font-weight", "600")
    expect(page.get_by_role("button", name="Points", exact=True)).not_to_have_css("font-weight", "600")
    assert page.get_by_role("heading", name="Tune", exact=True).bounding_box()["y"] < 64
    chosen = metric(page, "ResMem accuracy").inner_text()
    press(page, "k, neighbours", "End")
    press(page, "temperature of the base model", "Home")
    expect(page).to_have_url(re.compile("k=256"))
    expect(page).to_have_url(re.compile("temperature=0.1"))
    expect(metric(page, "ResMem accuracy")).not_to_have_text(chosen)

    page.get_by_role("button", name="Choose on validation").click()
    expect(metric(page, "ResMem accuracy")).to_have_text(chosen)
    expect(page).not_to_have_url(re.compile("k="))

    go_to(page, "Points", "Inspect")
    page.get_by_role("button", name=re.compile("^. → .$")).nth(2).click()
    expect(page).to_have_url(re.compile(r"point=\d+"))
    settled(page)
    expect(page.get_by_role("heading", name=re.compile("Who pushes for"))).to_be_visible()
    story = page.get_by_text(re.compile("Base says")).inner_text()
    assert story.startswith("Test point ")
    page.reload()
    expect(page.get_by_text(re.compile("Base says"))).to_have_text(story, use_inner_text=True)


def test_training_shows_progress_survives_a_reload_is_joined_by_another_and_can_be_cancelled(page: Page, visit):
    page.goto("/?backbone=small-cnn&seed=5&limit_train=200&epochs=9999")
    page.get_by_role("button", name="Train and prepare").click()
    expect(page.get_by_text(re.compile("epoch \\d+ of 9999"))).to_be_visible()
    other = visit()
    other.goto("/tune?k=4")  # which goes on meanwhile
    expect(metric(other, "ResMem accuracy")).to_be_visible()
    other.goto(page.url)  # the same wish joins the work that is going on
    expect(other.get_by_text(re.compile("epoch \\d+ of 9999"))).to_be_visible()
    page.reload()
    expect(page.get_by_text(re.compile("epoch ([3-9]|\\d\\d+) of 9999"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("What was finished is kept"))).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text(re.compile("epoch ([2-9]|\\d\\d+) of 9999"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()


def test_a_memory_is_followed_and_forgotten_and_the_change_is_shared(page: Page, visit):
    page.goto("/tune?k=9")
    page.get_by_role("button", name="Choose on validation").click()
    expect(page).not_to_have_url(re.compile("k="))
    go_to(page, "Points", "Inspect")
    page.get_by_role("button", name=re.compile("^. → .$")).nth(1).click()
    expect(page).to_have_url(re.compile(r"point=\d+"))
    settled(page)  # the buttons of another point's memories stand elsewhere
    page.get_by_role("button", name="Open #").first.click()
    expect(page.get_by_role("heading", name="Memory", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(r"train_point=\d+"))
    page.get_by_role("button", name="Forget it").click()
    expect(page.get_by_role("heading", name="Effect of the edits")).to_be_visible()
    expect(page).to_have_url(re.compile("edits=[0-9a-f]{24}"))
    changed = page.get_by_test_id("stMetric").filter(has_text="memory edited")
    expect(changed).to_have_text(re.compile(r"points \("))

    other = visit()
    other.goto(page.url)
    told = changed.inner_text()
    expect(other.get_by_test_id("stMetric").filter(has_text="memory edited")).to_have_text(told, use_inner_text=True)
    go_to(other, "Points", "Inspect")
    expect(other.get_by_text("Memory is edited")).to_be_visible()

    page.get_by_role("button", name="Restore all").first.click()
    expect(page.get_by_role("heading", name="Effect of the edits")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("edits="))


def test_the_keyboard_steps_through_points(page: Page):
    page.goto("/inspect?k=5")
    first = page.get_by_text(re.compile("Base says"))
    expect(first).to_be_visible()
    before = first.inner_text()
    for _ in range(10):  # Streamlit listens to keys only some time after a page has appeared
        page.keyboard.press("n")
        with suppress(AssertionError):
            expect(page).to_have_url(re.compile(r"point=\d+"), timeout=3_000)
            break
    expect(first).not_to_have_text(before, use_inner_text=True)
    settled(page)
    page.keyboard.press("p")
    expect(first).to_have_text(before, use_inner_text=True)
    settled(page)


def test_a_click_in_the_grid_goes_there(page: Page):
    page.goto("/grid")
    cells = page.get_by_test_id("stPlotlyChart").first.locator(".nsewdrag").first
    expect(cells).to_be_visible()
    settled(page)
    box = cells.bounding_box()
    for part in (0.2, 0.4, 0.6, 0.8):  # a cell, and not the rim between two
        cells.click(position={"x": part * box["width"], "y": part * box["height"]})
        with suppress(AssertionError):
            expect(page).to_have_url(re.compile(r"k=\d+&sigma="), timeout=3_000)
            break
    expect(page).to_have_url(re.compile(r"k=\d+&sigma="))
    settled(page)
    k = re.findall(r"k=(\d+)", page.url)[0]
    go_to(page, "Setting", "Tune")
    expect(page.get_by_text(re.compile(f"recall@{k} "))).to_be_visible()


def test_a_file_is_uploaded_opened_and_deleted(page: Page, tmp_path):
    (tmp_path / "mine.npz").write_bytes(example_file(".npz"))
    page.goto("/your_data")
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.npz")
    expect(page.get_by_text("was read and is kept")).to_be_visible()
    page.get_by_test_id("stMain").get_by_role("button", name="Open", exact=True).last.click()
    expect(page).to_have_url(re.compile("dataset=upload%3A|dataset=upload:"))
    expect(metric(page, "ResMem accuracy")).to_be_visible()
    page.goto("/your_data")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("None yet")).to_be_visible()


def test_only_this_machine_is_answered(server):
    """The server is started as the README says; any other of the machine's addresses is refused."""
    port = int(server.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.2", port), timeout=5):
        pass
