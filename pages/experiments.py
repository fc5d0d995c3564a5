"""What was judged on this machine, to be reopened and compared."""

from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from pages._shared.state import bound, change, settings, show_later
from pages._shared.summary import columns, points, sentence
from pages._shared.text import plain
from pages._shared.visitor import visitor
from resmem_core.cli.settings import Language, Settings
from resmem_core.common.errors import ResMemError
from resmem_core.data import dataset_title, parse_spec
from resmem_core.data.uploads import Uploads
from resmem_core.evaluation.evaluate import METRICS
from resmem_core.experiment.runs import Run, Runs
from resmem_core.plots.common import NAMES

PAGE = {"title": "Experiments", "icon": ":material/history:", "section": "Workspace", "place": 1}
ALL = "all"
LABELS = {"top5": "top-5", "nll": "NLL", "brier": "Brier", "ece": "ECE"}


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


def table(runs: list[Run], names: dict[str, str]) -> Run | None:
    """Show the runs and return the one that is selected."""
    labels = {metric.name: LABELS.get(metric.name, metric.name) for metric in METRICS if metric.name != "accuracy"}
    rows = [
        {
            "recorded (UTC)": pd.Timestamp(run.recorded),
            "dataset": names[run.dataset],
            "backbone": run.backbone,
            "seed": run.setting["seed"],
            "base": run.results["base"],
            "ResMem": run.results["resmem"],
            "gain, points": 100 * run.results["delta"],
            "from": 100 * run.results["delta_low"],
            "to": 100 * run.results["delta_high"],
            "fixed": run.results["fixed"],
            "broken": run.results["broken"],
            "best rival": NAMES.get(run.results.get("best_rival", "")),
            "gain over it": 100 * over["gain"] if (over := run.results.get("against_rival")) else None,
            "tokens": f"{run.setting['tokenizer']}, {run.setting['vocabulary']:,}" if run.is_text else None,
            **{name: run.setting[name] for name in ("k", "sigma", "temperature")},
            "chosen on": "validation" if run.tuned else "by hand",
            "memory": run.results["n_memory"],
            "test points": run.results["n_test"],
            "edited": bool(run.setting.get("edits")),
            "index": run.setting["index"],
            "weights": run.results["weights"],
            **{label: run.results.get(f"{metric}_resmem") for metric, label in labels.items()},
        }
        for run in runs
    ]
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        placeholder="–",
        on_select="rerun",
        selection_mode="single-row",
        key="runs",
        alt="Experiments judged on this machine, one a row",
        column_config={
            "recorded (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            **columns("percent", "base", "ResMem"),
            **columns("%+.2f", "gain, points", "from", "to", "gain over it"),
            **columns("%.4g", "sigma", "temperature", *labels.values()),
        },
    )
    selected = event["selection"]["rows"]
    return runs[selected[0]] if selected and selected[0] < len(runs) else None


def chosen(run: Run, names: dict[str, str]) -> None:
    """Show what can be done with one run."""
    setting, got = run.setting, run.results
    gain = points(got["delta"], (got["delta_low"], got["delta_high"]))
    st.markdown(
        f"**{plain(f'{run.backbone} on {names[run.dataset]}')}**, seed {setting['seed']}, k = {setting['k']}, sigma = "
        f"{setting['sigma']:.4g}, temperature = {setting['temperature']:.4g} "
        f"({'chosen on validation' if run.tuned else 'set by hand'}): base {got['base']:.1%}, ResMem "
        f"{got['resmem']:.1%}, gain {gain} on {got['n_test']:,} test "
        f"{'tokens' if run.is_text else 'points'}."
    )
    loader, argument = parse_spec(run.dataset)
    gone = loader.unavailable(argument)
    if gone:
        st.info(f"It cannot be opened now: {plain(gone)}", icon=":material/database_off:")
    with st.container(horizontal=True):
        where = "on the page Language" if run.is_text else "on every page"
        if st.button("Open", icon=":material/open_in_new:", disabled=bool(gone), help=f"Show it {where}."):
            if run.is_text:
                show_later(Language(**run.setting, view="gain"))
                st.switch_page("pages/language.py")
            change(**run.setting)
            st.switch_page("pages/tune.py")
        if not run.is_text and st.button(
            "Compare with the current one",
            icon=":material/compare_arrows:",
            disabled=bool(gone),
            help="Put it beside what the pages show now.",
        ):
            change(other=urlencode(Settings(**run.setting).to_query()))
            st.switch_page("pages/compare.py")
        if st.button(
            "Remove from the list",
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
        st.caption(
            "Gain: accuracy of ResMem less that of base, with its 95 % interval for this trained model; beside it "
            "that over the best rival from the same neighbours. NLL (nats), Brier and ECE are ResMem's. Numbers set by "
            "hand while looking at test are optimistic."
        )
        titles = {run.dataset: dataset_title(run.dataset) for run in listed}
        run = table(filtered(listed, titles), titles)
        if run is not None:
            chosen(run, titles)
        else:
            st.info("Select a row to open it, or to compare it with the current experiment.")
    else:
        st.info(
            "Nothing was judged on this machine yet. Open **Overview**, or run "
            "`python -m resmem_core evaluate --tune`: the result is then listed here."
        )
except ResMemError as error:
    st.error(plain(sentence(str(error))), icon=":material/error:")
