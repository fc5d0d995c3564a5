"""What is taken away opens elsewhere: from disk, without the app, without a network."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect


@pytest.fixture
def open_file(browser: Browser):
    """Return a function that opens a file with the network cut off; at the end nothing may have gone wrong."""
    failures, contexts = [], []

    def opened(path, **options) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.route(re.compile("^https?:"), lambda route: (failures.append(route.request.url), route.abort()))
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("console", lambda message: message.type == "error" and failures.append(message.text))
        page.goto(path.as_uri())
        return page

    yield opened
    assert failures == []
    for context in contexts:
        context.close()


def saved(page: Page, button, folder):
    """Click and return the file that is saved."""
    with page.expect_download() as download:
        button.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def ink(page: Page) -> str:
    return page.locator("figure .xtick text").first.evaluate("text => getComputedStyle(text).fill")


def test_the_report_of_the_page_opens_from_disk_and_is_printed(page: Page, open_file, tmp_path):
    page.goto("/export?k=5")
    report = saved(page, page.get_by_role("button", name="Report (HTML)"), tmp_path)
    assert report.name == "resmem-digits-linear-seed0-report.html"
    for scheme in ("light", "dark"):
        shown = open_file(report, color_scheme=scheme, viewport={"width": 1100, "height": 800})
        expect(shown.get_by_role("heading", level=1)).to_have_text("ResMem: linear on digits")
        expect(shown.get_by_text(re.compile("were set by hand"))).to_be_visible()
        figures = shown.locator("figure")
        assert figures.count() >= 6
        for number in range(figures.count()):
            expect(figures.nth(number).locator(".main-svg").first).to_be_visible()
        red = int(re.search(r"\d+", ink(shown)).group())
        assert (red > 128) == (scheme == "dark")
        loaded = shown.locator("img").evaluate_all("images => images.map(image => image.naturalWidth > 0)")
        assert loaded
        assert all(loaded)
        png = saved(shown, shown.get_by_role("button", name="Save accuracy as PNG"), tmp_path)
        assert png.read_bytes().startswith(b"\x89PNG")
    narrow = open_file(report, viewport={"width": 400, "height": 800})
    expect(narrow.locator(".main-svg").first).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 400

    wide = open_file(report, color_scheme="dark", viewport={"width": 1600, "height": 800})
    width = "document.querySelector('.main-svg').getBoundingClientRect().width"
    on_screen = wide.evaluate(width)
    wide.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert wide.evaluate(width) == 680 < on_screen
    assert ink(wide) == "rgb(29, 33, 41)"
    wide.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(wide.locator(".main-svg").first).to_have_css("width", f"{on_screen:g}px")


def test_a_figure_is_saved_as_svg_png_and_html_and_a_table_as_csv(page: Page, open_file, tmp_path):
    page.goto("/export?figure=class-gains")
    frame = page.frame_locator("iframe[title*='gain']")
    svg = saved(page, frame.get_by_role("button", name=re.compile("SVG")), tmp_path)
    assert svg.name == "resmem-class-gains.svg"
    assert "accuracy gain of ResMem over base" in svg.read_text()
    png = saved(page, frame.get_by_role("button", name=re.compile("PNG")), tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    file = saved(page, page.get_by_role("button", name="HTML", exact=True), tmp_path)
    expect(open_file(file).locator(".main-svg").first).to_be_visible()
    lines = saved(page, page.get_by_role("button", name="CSV").first, tmp_path).read_text().splitlines()
    assert len(lines) == 641
    assert lines[0].startswith('"row","name","label","base"')
