"""What people do, in a real browser."""

import re
import socket
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from resmem_core.data.example_files import example_file
from tests.journeys.steps import go_to, headline, menu_link, press, settled


def test_a_newcomer_tunes_the_default_and_opens_a_fixed_point(page: Page):
    page.goto("/")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(headline(page, "resmem")).to_have_text(re.compile(r"\d\d\.\d%"))
    expect(page).to_have_title("Overview · ResMem Lab")

    go_to(page, "Tune")
    expect(page.get_by_role("heading", name="Accuracy against k")).to_be_visible()
    expect(page).to_have_title("Knobs · Tune · ResMem Lab")
    assert page.get_by_role("heading", name="Tune", exact=True).bounding_box()["y"] < 64
    expect(headline(page, "hand")).to_be_empty()
    chosen = headline(page, "resmem").inner_text()
    press(page, "k, neighbours", "End")
    press(page, "temperature of the base model", "Home")
    expect(page).to_have_url(re.compile("k=256"))
    expect(page).to_have_url(re.compile("temperature=0.1"))
    expect(headline(page, "resmem")).not_to_have_text(chosen)
    expect(headline(page, "hand")).to_have_text("set by hand while looking at test")

    go_to(page, "Where it gains", "Reliability")  # the setting goes along
    expect(page).to_have_url(re.compile(r"/reliability\?k=256"))
    expect(menu_link(page, "Where it gains")).to_have_css("font-weight", "600")
    expect(menu_link(page, "Tune")).not_to_have_css("font-weight", "600")

    page.get_by_role("button", name="Choose on validation").click()
    expect(headline(page, "resmem")).to_have_text(chosen)
    expect(headline(page, "hand")).to_be_empty()
    expect(page).not_to_have_url(re.compile("k="))

    go_to(page, "Points")
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
    expect(page.get_by_text(re.compile("epoch \\d+ of 9999"))).to_be_visible(timeout=120_000)
    other = visit()
    other.goto("/tune?k=4")  # which goes on meanwhile
    expect(headline(other, "resmem")).to_be_visible()
    other.goto(page.url)  # the same wish joins the work that is going on
    expect(other.get_by_text(re.compile("epoch \\d+ of 9999"))).to_be_visible()
    page.reload()
    expect(page.get_by_text(re.compile("epoch ([3-9]|\\d\\d+) of 9999"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("What was finished is kept"))).to_be_visible()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()


def test_a_memory_is_followed_and_forgotten_and_the_change_is_shared(page: Page, visit):
    page.goto("/tune?k=9")
    page.get_by_role("button", name="Choose on validation").click()
    expect(page).not_to_have_url(re.compile("k="))
    go_to(page, "Points")
    page.get_by_role("button", name=re.compile("^. → .$")).nth(1).click()
    expect(page).to_have_url(re.compile(r"point=\d+"))
    settled(page)  # the buttons of another point's memories stand elsewhere
    page.locator("[class*=st-key-memory-] button").first.click()
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
    go_to(other, "Points")
    expect(other.get_by_text("Memory is edited")).to_be_visible()

    page.get_by_role("button", name="Restore all").first.click()
    expect(page.get_by_role("heading", name="Effect of the edits")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("edits="))


def test_the_keyboard_steps_through_points(page: Page):
    page.goto("/inspect?k=5")  # an old address
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
    here = first.inner_text()  # one step on, or two where the first press was heard late
    page.keyboard.press("p")
    expect(first).not_to_have_text(here, use_inner_text=True)
    settled(page)
    page.keyboard.press("n")
    expect(first).to_have_text(here, use_inner_text=True)
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
    go_to(page, "Tune")
    expect(page.get_by_role("slider", name="k, neighbours")).to_have_attribute("aria-valuetext", k)
    settled(page)


def test_a_file_is_uploaded_opened_followed_and_deleted(page: Page, tmp_path):
    (tmp_path / "mine.npz").write_bytes(example_file(".npz"))
    page.goto("/your_data")
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.npz")
    expect(page.get_by_text("was read and is kept")).to_be_visible()
    page.get_by_test_id("stMain").get_by_role("button", name="Open", exact=True).last.click()
    expect(page).to_have_url(re.compile("dataset=upload%3A|dataset=upload:"))
    expect(headline(page, "resmem")).to_be_visible()
    go_to(page, "Tune")  # the server answers until every setting is judged, and then the browser by itself
    expect(page.locator(".figure.curve")).to_be_visible(timeout=120_000)
    press(page, "k, neighbours", "End")
    expect(headline(page, "hand")).to_have_text("set by hand while looking at test")
    go_to(page, "Data and runs")
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


def test_one_step_back_for_one_deed(page: Page):
    page.goto("/tune?k=3")
    knob = page.get_by_role("slider", name="k, neighbours")
    expect(knob).to_have_attribute("aria-valuetext", "3")
    settled(page)
    for _ in range(4):  # one deed
        knob.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"/tune\?k=7$"))
    settled(page)
    go_to(page, "Where it gains", "Slices")
    expect(page).to_have_url(re.compile(r"/gain\?k=7$"))
    settled(page)
    for url, k in ((r"/classes\?k=7$", "7"), (r"/tune\?k=7$", "7"), (r"/tune\?k=3$", "3")):
        page.go_back()
        expect(page).to_have_url(re.compile(url))
        expect(knob).to_have_attribute("aria-valuetext", k)
        settled(page)


def test_old_addresses_lead_to_what_shows_it_now(page: Page):
    for old, new in (("map?k=5&color=outcome", "points?k=5&color=outcome"), ("compare?compare=seeds", "seeds")):
        page.goto(f"/{old}")
        expect(page).to_have_url(re.compile(f"/{re.escape(new)}$"))
        settled(page)
