"""What people do, in a real browser."""

import re
import socket
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from resmem_core.data.example_files import example_file
from tests.journeys.steps import metric, press, settled


def neighbor_cards(page: Page):
    return page.get_by_test_id("stMarkdown").filter(has_text=re.compile(r"distance [\d.]+"))


def go_to(page: Page, section: str, name: str) -> None:
    page.get_by_role("button", name=section, exact=True).click()
    page.get_by_role("menuitem", name=name).click()


def test_a_newcomer_tunes_the_default_and_opens_a_fixed_point(page: Page):
    page.goto("/")
    expect(page.get_by_role("heading", name="ResMem Lab")).to_be_visible()
    expect(metric(page, "ResMem accuracy")).to_have_text(re.compile(r"\d\d\.\d%"))

    go_to(page, "Setting", "Tune")
    expect(page.get_by_role("heading", name="Accuracy against k")).to_be_visible()
    chosen = metric(page, "ResMem accuracy").inner_text()
    press(page, "k, neighbours", "End")
    press(page, "temperature of the base model", "Home")
    expect(page).to_have_url(re.compile("k=256"))
    expect(page).to_have_url(re.compile("temperature=0.1"))
    expect(metric(page, "ResMem accuracy")).not_to_have_text(chosen)

    page.get_by_role("button", name="Choose on validation").click()
    expect(metric(page, "ResMem accuracy")).to_have_text(chosen)
    expect(page).not_to_have_url(re.compile("k="))

    go_to(page, "Gain", "Classes")
    expect(page.get_by_role("heading", name="Gain by class")).to_be_visible()

    go_to(page, "Points", "Inspect")
    page.get_by_role("button", name=re.compile("^. → .$")).nth(2).click()
    expect(page).to_have_url(re.compile(r"point=\d+"))
    settled(page)
    expect(page.get_by_role("heading", name=re.compile("Who pushes for"))).to_be_visible()
    story = page.get_by_text(re.compile("Base says")).inner_text()
    assert story.startswith("Test point ")
    page.reload()
    expect(page.get_by_text(re.compile("Base says"))).to_have_text(story, use_inner_text=True)


def test_an_address_shows_the_same_to_somebody_else(page: Page, visit):
    page.goto("/inspect?k=7&sigma=0.9&temperature=2.0&outcome=both+right&of_class=4&point=140")
    expect(page.get_by_text(re.compile("Test point 140"))).to_be_visible()
    expect(neighbor_cards(page)).to_have_count(7)
    told = neighbor_cards(page).all_inner_texts()
    other = visit()
    other.goto(page.url)
    expect(neighbor_cards(other)).to_have_text(told, use_inner_text=True)


def test_training_shows_progress_survives_a_reload_and_can_be_cancelled(page: Page):
    page.goto("/?backbone=resnet14&seed=5&epochs=400")
    page.get_by_role("button", name="Train and prepare").click()
    expect(page.get_by_text(re.compile("epoch \\d+ of 400"))).to_be_visible()
    page.reload()
    expect(page.get_by_text(re.compile("epoch ([3-9]|\\d\\d+) of 400"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("What was finished is kept"))).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text(re.compile("epoch ([2-9]|\\d\\d+) of 400"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()


def test_training_to_the_end_opens_the_experiment(page: Page):
    page.goto("/tune?backbone=small-cnn&seed=5&epochs=2")
    page.get_by_role("button", name="Train and prepare").click()
    expect(metric(page, "Base accuracy")).to_be_visible()


def test_one_visitor_trains_while_another_goes_on(page: Page, visit):
    page.goto("/?backbone=resnet14&seed=6&epochs=400")
    page.get_by_role("button", name="Train and prepare").click()
    expect(page.get_by_text(re.compile("epoch \\d+ of 400"))).to_be_visible()
    other = visit()
    other.goto("/tune?k=4")
    expect(metric(other, "ResMem accuracy")).to_be_visible()
    other.goto(page.url)  # the same wish joins the work that is going on
    expect(other.get_by_text(re.compile("epoch \\d+ of 400"))).to_be_visible()
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
    find = page.get_by_role("textbox", name="Find a test point")
    find.fill("140")
    find.press("Enter")
    expect(page.get_by_text(re.compile("Test point 140"))).to_be_visible()


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


def test_good_and_bad_files_are_uploaded(page: Page, visit, tmp_path):
    good = example_file(".npz")
    (tmp_path / "mine.npz").write_bytes(good)
    (tmp_path / "cut.npz").write_bytes(good[:2000])
    arrays = dict(np.load(BytesIO(good)))
    np.savez(tmp_path / "pickled.npz", **{**arrays, "train_labels": np.array([{}] * 60, dtype=object)})

    page.goto("/your_data")
    drop = page.locator("input[type=file]")
    for bad in ("cut.npz", "pickled.npz"):
        drop.set_input_files(tmp_path / bad)
        refused = page.get_by_test_id("stAlert").filter(has_text="Nothing was kept")
        expect(refused).to_contain_text(bad)
        page.get_by_role("button", name=re.compile("Remove|Delete file")).first.click()
        expect(refused).to_have_count(0)
        settled(page)
    drop.set_input_files(tmp_path / "mine.npz")
    expect(page.get_by_text("was read and is kept")).to_be_visible()
    page.get_by_test_id("stMain").get_by_role("button", name="Open", exact=True).last.click()
    expect(page).to_have_url(re.compile("dataset=upload%3A|dataset=upload:"))
    expect(metric(page, "ResMem accuracy")).to_be_visible()
    accuracy = metric(page, "ResMem accuracy").inner_text()

    other = visit()
    other.goto(page.url)  # whoever has the address sees it, but does not find it listed
    expect(metric(other, "ResMem accuracy")).to_have_text(accuracy)
    other.goto("/your_data")
    expect(other.get_by_text("None yet")).to_be_visible()

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
