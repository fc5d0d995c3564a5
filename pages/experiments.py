"""What was judged on this machine, to be reopened and compared."""

from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from pages._shared.state import bound, change, settings, show_later
from pages._shared.summary import columns, points, sentence
from pages._shared.text import plain
from pages._shared.visitor import visitor
from resmem_core.cli.settings import Language, Settings
from resmem_core.common.decimals import alike
from resmem_core.common.errors import ResMemError
from resmem_core.data import dataset_title, parse_spec
from resmem_core.data.uploads import Uploads
from resmem_core.evaluation.evaluate import METRICS
from resmem_core.experiment.runs import Run, Runs
from resmem_core.plots.common import NAMES

PAGE = {"title": "Experiments", "icon": ":material/history:", "section": "Data and runs", "place": 2}
ALL = "all"
VALUE_NUMBERS = ("base RMSE", "ResMem RMSE", "saved", "from", "to", "saved over kNN", "MAE", "R2")
LABELS = {"top5": "top-5", "nll": "NLL", "brier": "Brier", "ece": "ECE"}
METRIC_LABELS = {metric.name: LABELS.get(metric.name, metric.name) for metric in METRICS if metric.name != "accuracy"}


def filtered(runs: tuple[Run, ...], names: dict[str, str]) -> list[Run]:
    """Show the filters and return the runs they leave."""
    left, right = st.columns(2)
    for column, setting, field, label in (
        (left, "runs_of", "dataset", "Only this dataset"),
        (right, "runs_with", "backbone", "Only this backbone"),
    ):
        choices = sorted({getattr(run, field) for run in runs})
        wanted = getattr(shown, setting)
        column.selectbox(
            label,
            [ALL, *choices],
            format_func=lambda choice: names.get(choice, choice),
            help=f"Leave out experiments with another {field}.",
            **bound(setting, wanted if wanted in choices else ALL, lambda choice: None if choice == ALL else choice),
        )
        if wanted in choices:
            runs = tuple(run for run in runs if getattr(run, field) == wanted)
    return list(runs)


def table(runs: list[Run], names: dict[str, str], of_values: bool) -> Run | None:
    """Show runs of one task, with metrics of their own, and return the one that is selected."""
    event = st.dataframe(
        pd.DataFrame([value_row(run, names) if of_values else class_row(run, names) for run in runs]),
        hide_index=True,
        placeholder="–",
        on_select="rerun",
        selection_mode="single-row",
        key="runs-of-values" if of_values else "runs",
        alt=f"Experiments on {'values' if of_values else 'classes'} judged on this machine, one a row",
        column_config={
            "recorded (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            **columns("percent", "base", "ResMem"),
            **columns("%+.2f", "gain, points", "gain over it", *(() if of_values else ("from", "to"))),
            **columns("%.4g", "sigma", "temperature", *METRIC_LABELS.values(), *(VALUE_NUMBERS if of_values else ())),
        },
    )
    selected = event["selection"]["rows"]
    return runs[selected[0]] if selected and selected[0] < len(runs) else None


def first_cells(run: Run, names: dict[str, str]) -> dict[str, Any]:
    return {
        "recorded (UTC)": pd.Timestamp(run.recorded),
        "dataset": names[run.dataset],
        "backbone": run.backbone,
        "seed": run.setting["seed"],
    }


def last_cells(run: Run) -> dict[str, Any]:
    return {
        "chosen on": "validation" if run.tuned else "by hand",
        "memory": run.results["n_memory"],
        "test points": run.results["n_test"],
        "edited": bool(run.setting.get("edits")),
        "index": run.setting["index"],
        "weights": run.results["weights"],
    }


def class_row(run: Run, names: dict[str, str]) -> dict[str, Any]:
    """Return what is told of a run on classes, or on text."""
    got = run.results
    return {
        **first_cells(run, names),
        "base": got["base"],
        "ResMem": got["resmem"],
        "gain, points": 100 * got["delta"],
        "from": 100 * got["delta_low"],
        "to": 100 * got["delta_high"],
        "fixed": got["fixed"],
        "broken": got["broken"],
        "best rival": NAMES.get(got.get("best_rival", "")),
        "gain over it": 100 * over["gain"] if (over := got.get("against_rival")) else None,
        "tokens": f"{run.setting['tokenizer']}, {run.setting['vocabulary']:,}" if run.is_text else None,
        **{name: run.setting[name] for name in ("k", "sigma", "temperature")},
        **last_cells(run),
        **{label: got.get(f"{metric}_resmem") for metric, label in METRIC_LABELS.items()},
    }


def value_row(run: Run, names: dict[str, str]) -> dict[str, Any]:
    """Return what is told of a run on values."""
    got = run.results
    base, knn = (got["versus"][method] for method in ("base", "knn"))
    numbers = (
        *(got["rmse_base"], got["rmse_resmem"], base["rmse"], *base["rmse_ci95"], knn["rmse"]),
        *(got["mae_resmem"], got["r2_resmem"]),
    )
    return {
        **first_cells(run, names),
        **dict(zip(VALUE_NUMBERS, numbers, strict=True)),
        "closer": base["closer"],
        "farther": base["farther"],
        **{name: run.setting[name] for name in ("k", "sigma")},
        "gamma": got["gamma"],
        **last_cells(run),
    }


def told(run: Run) -> str:
    """Return the result of a run in words."""
    got = run.results
    n = f"{got['n_test']:,} test {'tokens' if run.is_text else 'points'}"
    if not run.of_values:
        gain = points(got["delta"], (got["delta_low"], got["delta_high"]))
        return f"base {got['base']:.1%}, ResMem {got['resmem']:.1%}, gain {gain} on {n}"
    of = got["versus"]["base"]
    (low, high), form = of["rmse_ci95"], alike([got["rmse_base"], got["rmse_resmem"]])
    return (
        f"RMSE of base {got['rmse_base']:{form}}, of ResMem {got['rmse_resmem']:{form}}, saved {of['rmse']:+{form}} "
        f"({low:+{form}} to {high:+{form}}) on {n}"
    )


def chosen(run: Run, names: dict[str, str]) -> None:
    """Show what can be done with one run."""
    setting = run.setting
    third = f"gamma = {run.results['gamma']:g}" if run.of_values else f"temperature = {setting['temperature']:.4g}"
    st.markdown(
        f"**{plain(f'{run.backbone} on {names[run.dataset]}')}**, seed {setting['seed']}, k = {setting['k']}, sigma = "
        f"{setting['sigma']:.4g}, {third} ({'chosen on validation' if run.tuned else 'set by hand'}): {told(run)}."
    )
    loader, argument = parse_spec(run.dataset)
    gone = loader.unavailable(argument)
    if gone:
        st.info(f"It cannot be opened now: {plain(gone)}", icon=":material/database_off:")
    with st.container(horizontal=True):
        where = "on the page Generate" if run.is_text else "on every page"
        if st.button(
            "Open", key=f"open-{run.id}", icon=":material/open_in_new:", disabled=bool(gone), help=f"Show it {where}."
        ):
            if run.is_text:
                show_later(Language(**run.setting, view="gain"))
                st.switch_page("pages/language.py")
            change(gamma=None, **run.setting)
            st.switch_page("pages/tune.py")
        if not run.is_text and st.button(
            "Compare with the current one",
            key=f"compare-{run.id}",
            icon=":material/compare_arrows:",
            disabled=bool(gone),
            help="Put it beside what the pages show now.",
        ):
            change(other=urlencode(Settings(**run.setting).to_query()))
            st.switch_page("pages/compare.py")
        if st.button(
            "Remove from the list",
            key=f"remove-{run.id}",
            icon=":material/delete:",
            help="Forget these numbers. Weights and data stay; judging it again lists it again.",
        ):
            Runs().delete(run.id)
            st.rerun()


shown = settings()
st.caption(
    "Every experiment that anyone judged on this machine, the latest first, with its results on the test split. "
    "Click a heading to sort, and the box before a row to reopen it or, unless it is on text, to compare it with what "
    "is shown now."
)
runs = Runs()
uploads = [upload.dataset for upload in Uploads(visitor()).list()]
try:
    listed = runs.list(private=uploads)
    for path in runs.set_aside():
        st.warning(
            f"The list was found damaged and set aside as `{path.name}` in `{path.parent}`; a new one was begun. "
            "Delete that file if it is of no use.",
            icon=":material/warning:",
        )
    if listed:
        st.caption("Numbers set by hand while looking at test are optimistic.")
        titles = {run.dataset: dataset_title(run.dataset) for run in listed}
        left, selected = filtered(listed, titles), False
        for of_values in (False, True):
            if some := [run for run in left if run.of_values == of_values]:
                if of_values:
                    st.header("Values")
                    st.caption(
                        "Saved: RMSE of base less that of ResMem, with its 95 % interval for this trained model. MAE "
                        "and R2 are ResMem's."
                    )
                else:
                    st.caption(
                        "Gain: accuracy of ResMem less that of base, with its 95 % interval for this trained model; "
                        "beside it that over the best rival from the same neighbours. NLL (nats), Brier and ECE are "
                        "ResMem's."
                    )
                run = table(some, titles, of_values)
                if run is not None:
                    chosen(run, titles)
                    selected = True
        if not selected:
            st.info("Select a row to open it, or to compare it with the current experiment.")
    else:
        st.info(
            "Nothing was judged on this machine yet. Open **Overview**, or run "
            "`python -m resmem_core evaluate --tune`: the result is then listed here."
        )
except ResMemError as error:
    st.error(plain(sentence(str(error))), icon=":material/error:")
