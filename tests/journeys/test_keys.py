"""No press of a key is lost, however fast they come, and what the browser follows is what the server says."""

import re
from dataclasses import replace

import numpy as np
from playwright.sync_api import Page, expect

from pages._shared.knobs import BY_HAND
from resmem_core.analysis.lattice import knob_grid
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params
from resmem_core.plots.common import NAMES
from tests.journeys.conftest import ROOT
from tests.journeys.steps import headline, settled

PARTS = ("base", "resmem", "gain", "rival", "fixed", "broken", "hand")
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
    assert int(k) > 101  # not every k is a step beyond 64
    expect(page).to_have_url(re.compile(rf"[?&]k={k}(&|$)"))
    expect(page.get_by_text(re.compile(f"^k = {k}, sigma"))).to_be_visible()
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


def test_the_browser_writes_shares_as_python_does(browser):
    source = (ROOT / "pages" / "_shared" / "live.js").read_text()
    numbers = re.search(r"// ---- numbers.*?(?=// ---- the views)", source, re.DOTALL).group()
    shares = [(right, n) for n in (*range(1, 201, 3), 64, 80, 360, 640, 1797, 10_000) for right in range(n + 1)]
    page = browser.new_page()
    told = page.evaluate(
        f"shares => {{ {numbers}; return shares.map(([r, n]) => [percent(r, n), points(r / n), points(-r / n)]) }}",
        shares,
    )
    page.close()
    said = [[f"{r / n:.1%}", f"{100 * (r / n):+z.1f}", f"{100 * (-r / n):+z.1f}"] for r, n in shares]
    assert told == said


def shown(page: Page) -> dict[str, str]:
    """Return what stands beside the title, by part, and the gain of each class where it is drawn."""
    found = {part: headline(page, part).inner_text() for part in PARTS}
    titles = page.locator(".figure.bars title").all_text_contents()
    return {**found, "classes": [title.partition(" points")[0] for title in titles]}


def said(found, params, chosen) -> dict[str, str]:
    """Return the same of an evaluation."""
    low, high = (100 * end for end in found.delta_ci95)
    rival = found.accuracy[found.best_rival]
    ahead = [100 * value for value in (found.against_rival.gain, *found.against_rival.gain_ci95)]
    gains = {name: 100 * of.gain for name, of in zip(found.class_names, found.per_class, strict=True)}
    return {
        "base": f"{found.accuracy['base']:.1%}",
        "resmem": f"{found.accuracy['resmem']:.1%}",
        "gain": f"{100 * found.delta:+z.1f} points ({low:+z.1f} to {high:+z.1f})",
        "rival": f"{NAMES[found.best_rival]} {rival:.1%}: {ahead[0]:+z.1f} ({ahead[1]:+z.1f} to {ahead[2]:+z.1f})",
        "fixed": f"{found.fixed:,}",
        "broken": f"{found.broken:,}",
        "hand": "" if params == chosen else BY_HAND,
        "classes": [f"{name}: {gain:+z.1f}" for name, gain in gains.items()],
    }


def drag(page: Page, **places: int) -> None:
    """Drag knobs to their steps, and do not let go."""
    for name, place in places.items():
        knob = page.get_by_test_id("stSidebar").locator(f"input[data-knob={name}]")
        knob.evaluate("(knob, to) => { knob.value = to; knob.dispatchEvent(new Event('input')) }", place)


def let_go(page: Page) -> None:
    page.get_by_test_id("stSidebar").locator("input[data-knob=k]").dispatch_event("change")
    page.wait_for_timeout(400)
    settled(page)


def test_the_numbers_are_those_of_the_server_while_a_knob_is_dragged_and_after(page: Page, folder):
    experiment = prepare(ExperimentConfig(), store=Store(folder / "cache"), may_wait=False)
    chosen = experiment.tune().params
    grid = knob_grid(experiment.k_max, experiment.sigma_scale, chosen)
    page.goto("/tune?k=3&sigma=0.12345")
    expect(page.locator(".figure.bars")).to_be_visible()
    settled(page)
    params = replace(chosen, k=3, sigma=0.12345)
    assert shown(page) == said(experiment.evaluate(params), params, chosen)
    drag(page, k=8)
    assert headline(page, "resmem").inner_text() == "…"  # of a sigma between the steps only the server knows
    let_go(page)
    params = replace(params, k=9)
    assert shown(page) == said(experiment.evaluate(params), params, chosen)

    rng, axes = np.random.default_rng(0), {"k": grid.ks, "sigma": grid.sigmas, "temperature": grid.temperatures}
    turns = [{name: int(rng.integers(len(steps))) for name, steps in axes.items()} for _ in range(12)]
    turns.append({name: steps.tolist().index(getattr(chosen, name)) for name, steps in axes.items()})
    for places in turns:
        drag(page, **places)
        params = Params(**{name: steps[places[name]].item() for name, steps in axes.items()})
        assert shown(page) == said(experiment.evaluate(params), params, chosen)
    drag(page, **turns[0])
    let_go(page)
    params = Params(**{name: steps[turns[0][name]].item() for name, steps in axes.items()})
    assert shown(page) == said(experiment.evaluate(params), params, chosen)
    expect(page).to_have_url(re.compile(rf"k={params.k}&sigma={params.sigma}(&|$)"))
