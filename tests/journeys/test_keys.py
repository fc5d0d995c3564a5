"""No press of a key is lost, however fast they come, and what the browser follows is what the server says."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params
from tests.journeys.steps import settled

APART = 30  # milliseconds between two presses, as a keyboard repeats


def press(page: Page, name: str, times: int):
    """Press the right arrow on a slider so many times; return the slider, once everything is done."""
    slider = page.get_by_role("slider", name=name)
    slider.focus()
    for _ in range(times):
        slider.press("ArrowRight")
        page.wait_for_timeout(APART)
    page.wait_for_timeout(1000)
    settled(page)
    return slider


def test_a_hundred_presses_are_a_hundred_steps(page: Page):
    page.goto("/tune?k=1")
    slider = page.get_by_role("slider", name="k, neighbours")
    expect(slider).to_have_value("0")
    settled(page)
    expect(press(page, "k, neighbours", 100)).to_have_value("100")
    k = slider.get_attribute("aria-valuetext")
    assert int(k) > 100  # not every k is a step beyond 64
    expect(page).to_have_url(re.compile(rf"[?&]k={k}(&|$)"))
    expect(page.get_by_text(re.compile(f"test points, k = {k}, sigma"))).to_be_visible()
    page.reload()
    expect(slider).to_have_value("100")


def test_presses_on_a_slider_of_the_server_are_not_lost(page: Page):
    page.goto("/playground?n=50")
    expect(page.get_by_role("slider", name="Training points")).to_be_visible()
    settled(page)
    expect(press(page, "Training points", 12)).to_have_value("170")
    expect(page).to_have_url(re.compile(r"[?&]n=170(&|$)"))


def test_a_setting_between_the_steps_is_shown_and_left(page: Page):
    page.goto("/tune?sigma=0.50001")
    slider = page.get_by_role("slider", name="sigma")
    expect(slider).to_have_attribute("aria-valuetext", "0.5")
    settled(page)
    before = int(slider.input_value())
    expect(press(page, "sigma", 12)).to_have_value(str(before + 12))
    told = slider.get_attribute("aria-valuetext")
    expect(page).to_have_url(re.compile(rf"[?&]sigma={re.escape(str(told))}(&|$)"))


@pytest.mark.parametrize("sigma", ["", "&sigma=0.12345"])  # a step, and none
def test_the_numbers_are_those_of_the_server(page: Page, folder, sigma):
    page.goto(f"/tune?k=3{sigma}")
    knobs = [page.get_by_role("slider", name=name) for name in ("k, neighbours", "sigma", "temperature")]
    expect(knobs[0]).to_have_value("2")
    settled(page)
    experiment = prepare(ExperimentConfig(), store=Store(folder / "cache"), may_wait=False)
    rng = np.random.default_rng(len(sigma))
    for turn in range(8):
        if turn:  # as first it is what the address says
            for knob in knobs:
                most = int(knob.get_attribute("max"))
                knob.fill(str(rng.integers(0, most + 1)))
            page.wait_for_timeout(400)
            settled(page)
        query = dict(re.findall(r"[?&](\w+)=([^&]+)", page.url))
        chosen = experiment.tune().params
        params = Params(
            int(query.get("k", chosen.k)),
            float(query.get("sigma", chosen.sigma)),
            float(query.get("temperature", chosen.temperature)),
        )
        found = experiment.evaluate(params)
        low, high = (100 * end for end in found.delta_ci95)
        told = [*page.locator(".card .value").all_inner_texts(), page.locator(".gain").inner_text()]
        assert told == [
            f"{found.accuracy['base']:.1%}",
            f"{found.accuracy['resmem']:.1%}",
            f"{found.fixed:,}",
            f"{found.broken:,}",
            f"{100 * found.delta:+z.1f} points ({low:+z.1f} to {high:+z.1f})",
        ]
        gains = {label: 100 * of.gain for label, of in zip(found.class_names, found.per_class, strict=True)}
        titles = page.locator(".figure.bars title").all_text_contents()
        assert [title.partition(" points")[0] for title in titles] == [f"{c}: {g:+z.1f}" for c, g in gains.items()]
