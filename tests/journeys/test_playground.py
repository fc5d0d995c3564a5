"""A learner in the playground, in a real browser."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from resmem_core.memory.residuals import neighbor_weights
from resmem_core.teaching import curve
from resmem_core.teaching.playground import Playground, fit_base, view
from tests.journeys.steps import settled

SHOWN = """e => Object.fromEntries(Object.entries(e.shown).map(
    ([name, value]) => [name, typeof value === "object" ? Array.from(value) : value]))"""


def click(page: Page, panel: str, x: float, y: float) -> None:
    """Click at a place of the plane."""
    surface = page.locator(f"[data-panel={panel}]")
    surface.scroll_into_view_if_needed()
    box = surface.bounding_box()
    surface.click(position={"x": (x / 2.5 + 0.5) * box["width"], "y": (0.5 - y / 2.5) * box["height"]})


def knob(page: Page, name: str):
    """Return a knob, once the surfaces are there."""
    expect(page.locator("[data-panel=resmem]")).to_be_visible()
    settled(page)
    return page.locator(f"[data-knob={name}]")


def test_a_lesson_is_followed_a_place_asked_and_a_point_added(page: Page):
    page.goto("/playground?lesson=rare-group")
    expect(page.get_by_text("A straight line cannot set them apart")).to_be_visible()
    expect(page.locator("[data-panel]")).to_have_count(3)
    settled(page)
    page.get_by_text("Lesson 4: what to notice").click()
    expect(page.get_by_text("The base gets none of the rare group right")).to_be_visible()
    expect(page.get_by_text(re.compile(r"In the rare group \(\d+ test points\): base 0%"))).to_be_visible()

    click(page, "resmem", -0.55, 0.0)
    expect(page).to_have_url(re.compile(r"at=-0\.5\d*_-?0"))
    expect(page.get_by_role("heading", name=re.compile("Who votes at x = -0.5"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"by the base 0\.0\d+ \(class 0\) \+ memory .* \(class 1\)"))).to_be_visible()

    page.get_by_text("adds a point of class 0").click()
    expect(page).to_have_url(re.compile("click=add-0"))
    settled(page)
    for n in range(5):  # faster than they can be answered
        click(page, "base", 0.45 + 0.1 * n, 0.75)
    expect(page.get_by_text("5 of 50 edits by hand")).to_be_visible()
    expect(page).to_have_url(re.compile(r"edits=(0_0\.\d+_0\.7\d*(%2C|,|&)){5}"))


@pytest.mark.parametrize("query", ["data=moons", "base=network&space=hidden&n=150&label_noise=0.2&edits=x3,1_0.3_-0.2"])
def test_what_the_browser_works_out_is_what_the_core_says(page: Page, query):
    page.goto(f"/playground?knn=true&at=0.1_0.2&{query}")
    knobs = {name: knob(page, name) for name in ("k", "sigma", "temperature")}
    rng = np.random.default_rng(len(query))
    settings = {"k": [0, 9, 99], "sigma": [3, 20, 45], "temperature": [4, 20, 38]}
    orders = {name: rng.permutation(places) for name, places in settings.items()}
    for turn in range(3):
        for name, order in orders.items():
            knobs[name].fill(str(order[turn]))
        page.wait_for_timeout(400)
        settled(page)
        found = page.locator("[data-turned]:has(.panels)").evaluate(SHOWN)
        told = dict(re.findall(r"[?&](\w+)=([^&]+)", page.evaluate("location.href").replace("%2C", ",")))
        form, notes = Playground.from_query(told)
        assert notes == []
        assert {name: found[name] for name in knobs} == {name: getattr(form, name) for name in knobs}
        seen = view(form, fit_base(form.scene))
        # Where the k-th and the next are as near, either may vote.
        both = seen.remembered.nearest(seen.fitted.embedded_surface, min(form.k + 1, len(seen.points.y))).distances
        decided = both[:, -1] - both[:, -2] > 1e-6 * both[:, -1]
        assert decided.mean() > 0.99
        for name in ("base", "memory", "resmem", "knn"):
            np.testing.assert_allclose(
                np.array(found[name])[decided], getattr(seen, name).ravel()[decided], atol=1e-5, err_msg=name
            )


def test_the_curve_is_the_one_of_the_core(page: Page):
    page.goto("/how_it_works?step=5&n=60")
    expect(page.locator("canvas.curve")).to_be_visible()
    settled(page)
    for k, sigma in ((0, 20), (6, 0), (99, 30)):
        page.locator("[data-knob=k]").fill(str(k))
        page.locator("[data-knob=sigma]").fill(str(sigma))
        page.wait_for_timeout(400)
        settled(page)
        found = page.locator("[data-turned]:has(.curve)").evaluate(SHOWN)
        told = dict(re.findall(r"[?&](\w+)=([^&]+)", page.evaluate("location.href")))
        form, notes = curve.Curve.from_query(told)
        assert notes == []
        assert (found["k"], found["sigma"]) == (form.k, form.sigma)
        assert form.k == k + 1
        seen = curve.view(form, curve.fit_base(form.of_base()))
        away = np.abs(seen.grid[:, None] - seen.x)
        order = np.argsort(away, axis=1)
        near = np.take_along_axis(away, order, axis=1)
        weights = neighbor_weights(near[:, : form.neighbors], seen.sigma)
        memory = (weights * seen.residuals[order[:, : form.neighbors]]).sum(axis=1)
        last = min(form.neighbors, form.n - 1)
        decided = near[:, last] - near[:, last - 1] > 1e-6  # where the k-th and the next are as near, either may vote
        assert decided.mean() > 0.9 or form.k >= form.n
        chosen = decided | (form.k >= form.n)
        np.testing.assert_allclose(np.array(found["memory"])[chosen], memory[chosen], atol=1e-5)
        np.testing.assert_allclose(np.array(found["resmem"])[chosen], seen.resmem[chosen], atol=2e-4)  # float32 there


def test_a_hundred_presses_are_a_hundred_steps(page: Page):
    page.goto("/playground?k=1&n=100")
    k = knob(page, "k")
    k.focus()
    for key in ["ArrowRight"] * 70 + ["ArrowLeft"] * 30:
        k.press(key)
    expect(k).to_have_attribute("aria-valuetext", "41")
    expect(page).to_have_url(re.compile(r"[?&]k=41(&|$)"))
    expect(page.locator("code").filter(has_text="n_neighbors=41")).to_have_count(1)
    page.reload()
    expect(k).to_have_attribute("aria-valuetext", "41")
