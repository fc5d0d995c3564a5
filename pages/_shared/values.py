"""What the pages show of an experiment whose values are predicted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.background import prepared
from pages._shared.cards import picture
from pages._shared.downloads import about_csv, save_report, save_table
from pages._shared.figures import show
from pages._shared.frame import PAGES, pages
from pages._shared.index_lab import index_lab
from pages._shared.seeds import value_seeds
from pages._shared.share import share
from pages._shared.state import bound, change, settings
from pages._shared.summary import columns, experiment_line, paged, sentence
from pages._shared.text import plain
from pages._shared.verdict import show_verdict
from resmem_core.analysis.grid import SPLITS
from resmem_core.analysis.projection import VALUE_COLORINGS
from resmem_core.analysis.value_grid import ValueGrids
from resmem_core.common.decimals import alike
from resmem_core.common.runner import NeedsPreparing
from resmem_core.data.pictures import title
from resmem_core.evaluation.values import AXES, ValueEvaluation, rmse_by_k
from resmem_core.experiment.code import OF_VALUES
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.types import Params
from resmem_core.plots import values as plots
from resmem_core.plots.report import file_stem
from resmem_core.plots.value_report import value_report_html

PER_PAGE = 20
SEEN = {"gain": "Where it gains", "points": "Points helped and harmed", "tune": "Beside its rival at any k"}
COLORS = {
    "value": lambda experiment, result: experiment.test.targets,
    "error": lambda experiment, result: abs(result.error("base")),
    "saved": lambda experiment, result: abs(result.error("base")) - abs(result.error("resmem")),
}


def show_page(name: str, experiment: ValueExperiment, params: Params) -> None:
    """Show what the page of this name, that of its file, shows where values are predicted."""
    view = VIEWS.get(name)
    if view is None:
        able = ", ".join(f"**{head.title}**" for path, head in pages(PAGES).items() if path.stem in (*VIEWS, "compare"))
        st.info(
            f"This page is about classes, and {plain(experiment.config.dataset)} has values to predict. These show "
            f"them: {able}.",
            icon=":material/info:",
        )
        return
    view(experiment, params)


def headline_words(experiment: ValueExperiment, result: ValueEvaluation) -> None:
    """Say at which setting, and how the rival's was chosen."""
    st.caption(
        f"Soft kNN has its own k = {result.knn.k} and sigma = {result.knn.sigma:.4g}. {result.n:,} test points; "
        f"{_setting(result.params)}; {experiment.index} index." + "".join(f" {sentence(note)}" for note in result.notes)
    )


def errors(result: ValueEvaluation) -> None:
    """Show MAE and R2 beside the RMSE of the headline."""
    with st.container(horizontal=True):
        for measure in ("mae", "r2"):
            base, own = (result.measures[measure][method] for method in ("base", "resmem"))
            st.metric(
                measure.upper(),
                f"{own:{result.form(measure)}}",
                f"{own - base:+{result.form(measure)}}",
                delta_color="inverse" if measure == "mae" else "normal",
                border=True,
                width=150,
                height="stretch",
            )


def _setting(params: Params) -> str:
    return f"k = {params.k}, sigma = {params.sigma:.4g}, gamma = {params.gamma:g}"


def overview(experiment: ValueExperiment, params: Params) -> None:
    """Show whether memory is worth it."""
    result = cache.value_evaluation(experiment.config, params)
    on_validation = params == cache.tuned(experiment.config).params
    if on_validation:
        cache.recorded(experiment.config, params)
    show_verdict(experiment.verdict(result, on_validation=on_validation), SEEN)
    for note in experiment.notes:
        st.info(plain(sentence(note)), icon=":material/info:")
    left, right = st.columns(2)
    with left:
        st.header("Three methods on the same neighbours")
        show(plots.method_errors(result), "methods", "RMSE of the three methods on test with 95 % intervals")
    with right:
        st.header("Predicted and true values")
        show(plots.predicted_against_true(result), "predicted", "Predicted against true values of the test points")
    errors(result)
    experiment_line(experiment)
    headline_words(experiment, result)
    share("evaluate", params, work=OF_VALUES)


def tune(experiment: ValueExperiment, params: Params) -> None:
    """Show what the knobs do."""
    result = cache.value_evaluation(experiment.config, params)
    st.header("RMSE against k")
    ks, curves = rmse_by_k(experiment.memory, experiment.test, params)
    show(plots.rmse_against_k(ks, curves, params.k), "rmse-by-k", "Lines of test RMSE against k, by method")
    errors(result)
    headline_words(experiment, result)
    share("evaluate", params, work=OF_VALUES)


def grid(experiment: ValueExperiment, params: Params) -> None:
    """Show every k and sigma at the gamma of the setting."""
    st.caption(
        "Each cell is one setting of k and sigma, at the gamma of the grid nearest to the current one: blue where "
        "ResMem beats the base model, orange where it falls behind. The circle is the current setting."
    )
    config, n_points = experiment.config, len(experiment.validation) + len(experiment.test)
    grids: ValueGrids = prepared(
        lambda: cache.value_grids(config),
        Job(config, "grid"),
        "Grid",
        f"It judges thousands of settings of k, sigma and gamma on {n_points:,} validation and test points, all in one "
        "pass.",
        "Judge the grid",
    )
    split = settings().grid_split
    st.segmented_control(
        "Split",
        SPLITS,
        help="Choose on validation; test is for looking once at what was chosen.",
        **bound("grid_split", split, lambda picked: picked or split),
    )
    swept = grids.on(split)
    drawn = plots.grid_map(swept, grids.base[split], params)
    show(drawn, f"grid-{split}", f"RMSE on {split} by k and sigma less that of base, as colours")
    form = alike([grids.base[split]])
    best, worst = swept.params(*grids.best), max(0.0, *(move.loss for move in grids.one_step_away(split)))
    st.markdown(
        f"Best on validation: **{_setting(best)}**, an RMSE of {swept.rmse[grids.best]:{form}} on {split}. One step of "
        f"the grid away from it at most {worst:{form}} is added; **{grids.near(split).mean():.0%}** of the grid is at "
        f"most one standard error above it. On test the best of all {swept.rmse.size:,} settings, which only test "
        f"itself could have picked, has {grids.regret:{form}} less."
    )
    share("grid", None, f"--split={split}", work=OF_VALUES)


def inspect(experiment: ValueExperiment, params: Params) -> None:
    """Take single test points apart."""
    result = cache.value_evaluation(experiment.config, params)
    data, gain = experiment.dataset, abs(result.error("base")) - abs(result.error("resmem"))
    best = int(gain.argmax())
    shown = settings().point
    point = best if shown is None or not 0 <= shown < result.n else shown
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            "Test point", 0, result.n - 1, help="Its row in the test split.", width=160, **bound("point", point)
        )
        for label, row in (("Most helped", best), ("Most harmed", int(gain.argmin()))):
            st.button(label, on_click=change, kwargs={"point": row}, help=f"Open test point {row}.")
    found = experiment.explain(point, params)
    form = result.value_form
    with st.container(horizontal=True, vertical_alignment="center"):
        picture(data.test, point, 96, f"test point {point}")
        st.markdown(
            f"**{plain(title(data.test, point))}** is **{found.target:{form}}**. Base says {found.base:{form}}, memory "
            f"adds {found.memory:+{form}}, ResMem says **{found.prediction:{form}}**."
        )
    names = [title(data.train, int(row)) for row in found.ids]
    show(plots.contributions(found, names), f"point-{point}", "Bars of what each neighbour adds, nearest first")
    table = pd.DataFrame(
        {
            "training point": found.ids,
            "name": names,
            "is": found.targets,
            "base says": found.predictions,
            "distance": found.distances,
            "weight": found.weights,
            "adds": found.contributions,
            "without it": found.without,
        }
    )
    config = {
        **columns(f"%{form}", "is", "base says", "adds", "without it"),
        **columns("%.3f", "distance", "weight"),
    }
    _of_training_points(experiment, table, config, f"The neighbours of test point {point}")
    about = {column: value for column, value in data.test.about(point).items() if value is not None}
    if about:
        with st.expander("What the table says of it"):
            st.dataframe(pd.DataFrame({"column": list(about), "value": list(about.values())}), hide_index=True)
    share("explain", params, f"--point={point}", work=OF_VALUES)


def _of_training_points(experiment: ValueExperiment, table: pd.DataFrame, config: dict[str, Any], alt: str) -> None:
    """Show a table of training points, with what can be seen or read of each."""
    train, rows = experiment.dataset.train, table["training point"].tolist()
    if train.images is not None:
        table = table.assign(image=cache.thumbnails(experiment.config, "train", tuple(rows)))
        table = table[["image", *table.columns[:-1]]]
    if train.texts is not None:
        table = table.assign(text=[train.texts[row] for row in rows])
    st.dataframe(
        table,
        hide_index=True,
        row_height=44 if "image" in table else None,
        column_config={"image": st.column_config.ImageColumn(width=60), **config},
        alt=alt,
    )


def memory(experiment: ValueExperiment, params: Params) -> None:
    """Show which training points help and which harm."""
    st.caption(
        "Net: by how much the summed squared error on test would grow if memory forgot the point, the next nearest "
        "taking its place. Above 0 it helps."
    )
    found, held = cache.value_influence_of(experiment.config, params), experiment.memory
    table = pd.DataFrame(
        {
            "training point": np.arange(len(held)),
            "name": [title(experiment.dataset.train, row) for row in range(len(held))],
            "is": held.targets,
            "base says": held.predictions,
            "residual": held.residuals,
            "net": found.net,
            "uses": found.uses,
        }
    )
    form = alike([*held.targets, *held.predictions], 5)
    config = {**columns(f"%{form}", "is", "base says", "residual"), **columns(f"%{alike(found.net)}", "net")}
    for name, part in (("Most helpful", table.nlargest(500, "net")), ("Most harmful", table.nsmallest(500, "net"))):
        st.header(name)
        page = paged(len(part), PER_PAGE, "Page (of {})", f"values-{name}", width=140, help=f"{PER_PAGE} a page.")
        _of_training_points(experiment, part.iloc[page], config, f"{name} training points")
    share("memory", params, work=OF_VALUES)


def gain(experiment: ValueExperiment, params: Params) -> None:
    """Show the gain within slices of the test points."""
    by = settings().by if settings().by in AXES else next(iter(AXES))
    st.segmented_control(
        "Slice by",
        list(AXES),
        format_func=str.capitalize,
        help="; ".join(f"{axis}: {what}" for axis, what in AXES.items()) + ".",
        **bound("by", by, lambda picked: picked or by, place="values"),
    )
    result = cache.value_evaluation(experiment.config, params)
    found = result.slices(by)
    show(plots.slice_gains(found, AXES[by]), f"gain-by-{by}", f"RMSE saved by ResMem, by {AXES[by]}, as bars")
    table = pd.DataFrame(
        [
            {
                "slice": part.name,
                "test points": part.n,
                "base": part.base,
                "ResMem": part.resmem,
                "gain": part.gain,
                "gain, low": part.gain_ci95[0],
                "gain, high": part.gain_ci95[1],
            }
            for part in found
        ]
    )
    form = alike([*table["base"], *table["ResMem"]])
    config = columns(f"%{form}", "base", "ResMem", "gain", "gain, low", "gain, high")
    st.dataframe(table, hide_index=True, column_config=config, alt="The same as numbers")
    st.caption(f"Whiskers: 95 % intervals, paired, {result.scope}.")
    share("slices", params, f"--by={by}", work=OF_VALUES)


def embedding_map(experiment: ValueExperiment, params: Params) -> None:
    """Show the test points in two dimensions, coloured by value or error."""
    color = settings().color if settings().color in VALUE_COLORINGS else next(iter(VALUE_COLORINGS))
    st.selectbox(
        "Coloured by",
        list(VALUE_COLORINGS),
        format_func=VALUE_COLORINGS.__getitem__,
        width=280,
        help="What the colour of a test point tells.",
        **bound("color", color, place="values"),
    )
    projection = cache.projection(experiment.config, "pca")
    placed = projection.points["test"]
    values, what = COLORS[color](experiment, cache.value_evaluation(experiment.config, params)), VALUE_COLORINGS[color]
    rows = np.flatnonzero(~np.isnan(placed[:, 0]))
    figure = plots.value_map(placed[rows], values[rows], what, rows)
    _to_click(figure, "map", f"Test points in two dimensions, coloured by {what}")
    first, second = projection.facts["explained"]
    st.caption(f"PCA: the axes hold {first:.1%} and {second:.1%} of the variance of the training points.")


def export(experiment: ValueExperiment, params: Params) -> None:
    """Offer the report and tables to take away."""
    config, stem = experiment.config, file_stem(experiment)
    result, chosen = cache.value_evaluation(config, params), cache.tuned(config)
    st.header("Report")
    st.markdown(
        "One HTML file with settings, results with their intervals, figures, and the points most helped and most "
        "harmed with their nearest memories. It opens without this app and without a network."
    )
    save_report(stem, lambda: value_report_html(experiment, result, tuned=chosen))
    st.header("Tables")
    told = "true value, each method's prediction, and the nearest memory"
    save_table(
        *(stem, "examples", f"**Test examples**: {result.n:,} rows with the {told}."),
        lambda: plots.example_table(experiment, result),
    )
    save_table(
        *(stem, "methods", "**Methods**: base, soft kNN and ResMem, each with its setting, RMSE, MAE and R2."),
        lambda: plots.method_table(result),
    )
    with suppress(NeedsPreparing):
        grids = cache.value_grids(config)
        save_table(
            *(stem, "grid", f"**Grid**: {grids.validation.rmse.size:,} rows, one a setting, with RMSE and MAE."),
            grids.table,
        )
    about_csv()
    share("report", params, "--output=report.html", work=OF_VALUES)


def points(experiment: ValueExperiment, params: Params) -> None:
    """Show all test points beside one of them taken apart."""
    left, right = st.columns(2)
    with left:
        on_map, leftover = st.tabs(["Map", "Residuals"])
        with on_map:
            embedding_map(experiment, params)
        with leftover:
            drawn = plots.residuals_against_prediction(cache.value_evaluation(experiment.config, params))
            _to_click(drawn, "residuals", "Residuals of base and ResMem against what they predict")
    with right:
        inspect(experiment, params)


def _to_click(figure: Any, name: str, alt: str) -> None:
    """Show a figure whose points open the test point clicked on."""

    def pick() -> None:
        if clicked := st.session_state[f"values-{name}"].selection.points:
            change(point=int(clicked[0]["customdata"]))

    show(figure, name, alt, key=f"values-{name}", on_select=pick, selection_mode="points")


View = Callable[[ValueExperiment, Params], None]
VIEWS: dict[str, View] = {
    "overview": overview,
    "tune": tune,
    "grid": grid,
    "points": points,
    "memory": memory,
    "gain": gain,
    "index_lab": index_lab,
    "seeds": lambda experiment, params: value_seeds(),
    "export": export,
}
