"""Every setting of k, sigma and temperature at once, and how flat it is around the best."""

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.background import prepared
from pages._shared.figures import show
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.state import bound, change, settings
from pages._shared.summary import points
from resmem_core.analysis.grid import AXES, SPLITS, Cell, Grids, one_step_away
from resmem_core.evaluation.metrics import delta_interval
from resmem_core.experiment.jobs import Job
from resmem_core.memory.types import Params
from resmem_core.plots.grid import grid_map, transfer

PAGE = {"title": "Every setting", "icon": ":material/grid_on:", "section": "Tune", "place": 2}

experiment, params = opened()
st.caption(
    "Each cell is one setting of k and sigma, at one temperature: blue where ResMem beats the base model, orange where "
    "it falls behind. Click a cell to go there; every page then shows that setting."
)
n_points = len(experiment.validation) + len(experiment.test)
grids: Grids = prepared(
    lambda: cache.grids(experiment.config),
    Job(experiment.config, "grid"),
    "Grid",
    f"It judges thousands of settings of k, sigma and temperature on {n_points:,} validation and test points, all of "
    "them in one pass.",
    "Judge the grid",
)
grid = grids.grid


def controls() -> tuple[str, bool]:
    """Show what is mapped; return split and whether all panels."""
    shown = settings()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Split",
            SPLITS,
            help="Choose on validation; test is for looking once at what was chosen.",
            **bound("grid_split", shown.grid_split, lambda picked: picked or shown.grid_split),
        )
        st.toggle(
            "All temperatures",
            help="A small map for each temperature of the grid, in one colour scale.",
            **bound("all_temperatures", shown.all_temperatures),
        )
    return shown.grid_split, shown.all_temperatures


def go(key: str) -> None:
    """Take over the setting of the cell that was clicked."""
    if points := st.session_state[key].selection.points:
        setting = grids.setting(int(points[0]["customdata"][0]))
        change(k=setting.k, sigma=setting.sigma, temperature=setting.temperature, gamma=None)


def at_cell(split: str, cell: Cell) -> None:
    """Show the numbers of a cell."""
    swept = grids.on(split)
    fixed, broken = int(swept.fixed[cell]), int(swept.broken[cell])
    with st.container(horizontal=True):
        st.metric(
            f"ResMem on {split}",
            f"{swept.accuracy[cell]:.1%}",
            points((fixed - broken) / swept.n, delta_interval(fixed, broken, swept.n)),
            help="Against the base model; in brackets the 95 % paired interval, which takes points for independent.",
            border=True,
            width=250,
            height="stretch",
        )
        st.metric("Fixed", fixed, help="Base wrong, ResMem right.", border=True, width=130, height="stretch")
        st.metric("Broken", broken, help="Base right, ResMem wrong.", border=True, width=130, height="stretch")
    here = grid.params(*cell)
    between = f"; the current setting ({named(params)}) lies between cells, and this one is the nearest"
    st.caption(f"{swept.n:,} {split} points at {named(here)}{'' if here == params else between}.")


def named(setting: Params) -> str:
    return f"k = {setting.k}, sigma = {setting.sigma:.3g}, temperature = {setting.temperature:.3g}"


def flatness(split: str, cell: Cell) -> None:
    """Show what is lost one step away from a cell."""
    moves = one_step_away(grids.on(split), cell)
    worst = max(move.loss for move in moves)
    st.header("How flat it is")
    st.markdown(
        f"One step of the grid away from this cell you lose at most **{100 * max(worst, 0):.2f} points** on {split}. "
        f"**{grids.near(split).mean():.0%}** of the grid is at most one standard error below the validation optimum "
        f"({named(grid.params(*grids.best))}). {cache.tuned(experiment.config).flattery()}."
    )

    def told(name: str, step: int) -> str:
        found = [move for move in moves if (move.name, move.step) == (name, step)]
        return f"{0.0 - 100 * found[0].loss:+.2f} at {found[0].value:.3g}" if found else "the grid ends here"

    rows = [
        {"": name, "a step down, points": told(name, -1), "a step up, points": told(name, 1)} for name in reversed(AXES)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="content")


def does_it_transfer() -> None:
    """Show validation against test."""
    st.header("Does choosing on validation transfer to test?")
    best, correlation = grids.best, grids.rank_correlation
    ranks = "" if correlation is None else f"Spearman's rank correlation over all settings is **{correlation:.2f}**. "
    st.markdown(
        f"{ranks}The validation optimum reaches {grids.test.accuracy[best]:.1%} on test; the best of all "
        f"{grids.test.right.size:,} settings there, which only test itself could have picked, reaches "
        f"{100 * grids.regret:.2f} points more."
    )
    show(
        transfer(grids, params),
        "validation-against-test",
        "Scatter plot of all settings of the grid: test accuracy against validation accuracy.",
    )


split, everything = controls()
if split == "test":
    st.warning(
        "This is test. Picking a cell here is not an evaluation: its accuracy is optimistic. To report a number, "
        "choose on validation and look at test once.",
        icon=":material/visibility:",
    )
cell = grids.nearest(params)
panels = range(len(grid.temperatures)) if everything else [cell[0]]
key = f"grid-{split}-{everything}-{params}"  # another one after each choice: no selection stays behind
show(
    grid_map(grids, split, params, panels),
    f"grid-{split}",
    f"Heat map of {split} accuracy over k and sigma; best on validation at {named(grid.params(*grids.best))}, current "
    f"setting {named(params)}.",
    key=key,
    on_select=lambda: go(key),
    selection_mode="points",
)
at_cell(split, cell)
flatness(split, cell)
does_it_transfer()
share("grid", None, f"--split={split}")
