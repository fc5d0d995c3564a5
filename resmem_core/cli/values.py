"""What commands print of an experiment whose values are predicted."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resmem_core.cli.base import Output, notes_of, params_of, reporting, write_report
from resmem_core.common.decimals import alike
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress
from resmem_core.data.lookup import named, row_of
from resmem_core.data.pictures import title
from resmem_core.evaluation.comparison import compare_values, same_points
from resmem_core.evaluation.values import AXES, MEASURES, METHODS, ValueEvaluation, ValueGain, value_influence
from resmem_core.experiment.runs import Runs
from resmem_core.memory.types import Params

if TYPE_CHECKING:
    from resmem_core.experiment.values import ValueExperiment

NAMES = {"base": "base", "knn": "kNN", "resmem": "ResMem"}


def _told(experiment: ValueExperiment, params: Params, tuned_on: str | None) -> dict[str, Any]:
    return {**experiment.facts, "task": "values", **asdict(params), "tuned_on": tuned_on}


def evaluate(experiment: ValueExperiment, args: argparse.Namespace, progress: Progress) -> Output:
    """Judge the methods on test."""
    params, tuned_on = params_of(args, experiment, progress)
    found = experiment.evaluate(params)
    if params.gamma == experiment.tune(progress).params.gamma:  # the list tells settings apart by k and sigma
        Runs().record(experiment, params, found, tuned=tuned_on is not None)
    lines = [
        f"{experiment.config.title}, seed {args.seed}, {experiment.index} index: {experiment.n_memory:,} in memory, "
        f"{found.n:,} test points",
        _setting(params, tuned_on) + f"; kNN at k={found.knn.k} sigma={found.knn.sigma:.4g}, its own choice",
        "",
        f"  {'':14}{'RMSE':>12}{'MAE':>12}{'R2':>9}   95 % interval of RMSE",
    ]
    form, of_mae, of_r2 = (found.form(measure) for measure in MEASURES)
    for method in METHODS:
        rmse, mae, r2 = (found.measures[measure][method] for measure in MEASURES)
        low, high = found.measures_ci95["rmse"][method]
        told = f"{rmse:12{form}}{mae:12{of_mae}}{r2:9{of_r2}}   {low:{form}} to {high:{form}}"
        lines.append(f"  {NAMES[method]:14}{told}")
    lines += ["", *(beside(NAMES[method], found, found.against(method)) for method in METHODS[:-1])]
    verdict = experiment.verdict(found, on_validation=tuned_on is not None)
    result = {
        **_told(experiment, params, tuned_on),
        **found.as_dict(),
        "recall_at_k": experiment.recall(params.k),
        "verdict": verdict.as_dict(),
    }
    lines += [*(f"note: {note}" for note in found.notes), *notes_of(experiment), "", *verdict.sentences.values()]
    return Output(result, "\n".join(lines))


def _setting(params: Params, tuned_on: str | None) -> str:
    chosen = " (chosen on validation, gamma too)" if tuned_on else " (not tuned: --tune chooses them)"
    return _numbers(params) + chosen


def _numbers(params: Params) -> str:
    return f"k={params.k} sigma={params.sigma:.4g} gamma={params.gamma:g}"


def beside(called: str, found: ValueEvaluation, of: ValueGain) -> str:
    """Return a line on ResMem beside another method."""
    (low, high), form = of.rmse_ci95, found.form("rmse")
    return (
        f"RMSE of {called} less ResMem's: {of.rmse:+{form}}, 95 % interval {low:+{form}} to {high:+{form}} "
        f"{found.scope}; "
        f"R2 {of.r2:+.3f}; ResMem is closer on {of.closer:,} points, farther on {of.farther:,}"
    )


def tune(experiment: ValueExperiment, args: argparse.Namespace, progress: Progress) -> Output:
    """Tell the setting chosen on validation."""
    tuned = experiment.tune(progress)
    base, knn, resmem = (f"{tuned.rmse[method]:{alike(tuned.rmse.values())}}" for method in METHODS)
    text = (
        f"{_setting(tuned.params, 'validation')}, the least RMSE of {tuned.n_settings:,} settings on "
        f"{len(experiment.validation):,} validation points in {tuned.seconds:.1f} s: {base} -> "
        f"{resmem}\n(it flatters, being the best of many; `evaluate --tune` judges it on test)\n"
        f"soft kNN by itself: k={tuned.knn.k} sigma={tuned.knn.sigma:.4g}, {knn}"
    )
    return Output({**_told(experiment, tuned.params, "validation"), **tuned.as_dict()}, text)


def explain(experiment: ValueExperiment, args: argparse.Namespace, progress: Progress) -> Output:
    """Take the prediction of a test point apart."""
    params, tuned_on = params_of(args, experiment, progress)
    data = experiment.dataset
    point = row_of(data.test, args.point)
    found = experiment.explain(point, params)
    told = named(found.as_dict(), data, point)
    form = alike([found.target, found.base, found.prediction, *found.targets, *found.predictions], 5)
    lines = [
        f"test point {point} ({told['name']}): is {found.target:{form}}, base says {found.base:{form}}, memory "
        f"adds {found.memory:+{form}}, ResMem says {found.prediction:{form}}",
        *(f"  {column}: {' '.join(str(value).split())}" for column, value in told["metadata"].items() if value),
        "",
        f"  {'neighbour':>10}{'is':>12}{'base says':>12}{'distance':>10}{'weight':>9}{'adds':>11}  name",
        *(
            f"  {n['id']:>10}{n['target']:12{form}}{n['base_prediction']:12{form}}{n['distance']:10.3f}"
            f"{n['weight']:9.3f}{n['contribution']:+11{form}}  {n['name']}"
            for n in told["neighbors"][:10]
        ),
    ]
    return Output({**_told(experiment, params, tuned_on), **told}, "\n".join(lines))


def slices(experiment: ValueExperiment, args: argparse.Namespace, progress: Progress) -> Output:
    """Tell where the gain comes from."""
    params, tuned_on = params_of(args, experiment, progress)
    evaluation = experiment.evaluate(params)
    found = evaluation.slices(args.by)
    width = max(len(part.name) for part in found) + 2
    form = alike(error for part in found for error in (part.base, part.resmem))
    lines = [
        f"by {AXES[args.by]}:",
        f"{'':{width}}{'points':>7}{'base':>11}{'ResMem':>11}{'gain':>11}   95 % interval of the gain in RMSE",
        *(
            f"{part.name:{width}}{part.n:7}{part.base:11{form}}{part.resmem:11{form}}{part.gain:+11{form}}   "
            f"{part.gain_ci95[0]:+{form}} to {part.gain_ci95[1]:+{form}}"
            for part in found
        ),
        "",
        f"Intervals are paired, {evaluation.scope}.",
    ]
    told = {"by": args.by, "slices": [asdict(part) for part in found]}
    return Output({**_told(experiment, params, tuned_on), **told}, "\n".join(lines))


def memory(experiment: ValueExperiment, args: argparse.Namespace, progress: Progress) -> Output:
    """List the training points that help most and those that harm."""
    params, tuned_on = params_of(args, experiment, progress)
    found = value_influence(experiment.memory, experiment.test, params)
    data = experiment.dataset

    def row(point: int) -> dict[str, Any]:
        held = experiment.memory
        return {
            "row": point,
            "name": title(data.train, point),
            "target": float(held.targets[point]),
            "base": float(held.predictions[point]),
            "residual": float(held.residuals[point]),
            "net": float(found.net[point]),
            "uses": int(found.uses[point]),
        }

    listed = {"helpful": found.helpful(args.top), "harmful": found.harmful(args.top)}
    rows = {name: [row(int(point)) for point in points] for name, points in listed.items()}
    lines = [
        f"{experiment.config.title}: {experiment.n_memory:,} in memory, {int((found.uses > 0).sum()):,} of them are a "
        f"neighbour, {int((found.net > 0).sum()):,} help and {int((found.net < 0).sum()):,} harm, at "
        f"{_numbers(params)}",
        "net: by how much the summed squared error on test would grow without the point",
    ]
    shown = [*rows["helpful"], *rows["harmful"]]
    form = alike((r[name] for r in shown for name in ("target", "base", "residual")), 5)
    of_net = alike(r["net"] for r in shown)
    for name, of in rows.items():
        lines += ["", f"most {name}", f"  {'row':>7}{'is':>12}{'base says':>12}{'residual':>11}{'net':>13}{'uses':>6}"]
        lines += [
            f"  {r['row']:>7}{r['target']:12{form}}{r['base']:12{form}}{r['residual']:+11{form}}{r['net']:+13{of_net}}"
            f"{r['uses']:6}"
            for r in of
        ]
    return Output({**_told(experiment, params, tuned_on), **rows}, "\n".join(lines))


def grid(experiment: ValueExperiment, args: argparse.Namespace, progress: Progress) -> Output:
    """Judge every setting of a grid, and tell how flat it is around the best."""
    from resmem_core.analysis.value_grid import value_grid_of
    from resmem_core.plots.tables import write_table

    with reporting(args, progress) as told:
        grids = value_grid_of(experiment, told)
    if args.output:
        write_table(grids.table(), Path(args.output))
    swept, base = grids.on(args.split), grids.base[args.split]
    best, moves = swept.params(*grids.best), grids.one_step_away(args.split)
    rmse, share = float(swept.rmse[grids.best]), float(grids.near(args.split).mean())
    form = alike([base, rmse])
    result = {
        **experiment.facts,
        "task": "values",
        "split": args.split,
        "n": swept.n,
        **{f"{name}s": values.tolist() for name, values in grids.axes.items()},
        "base_rmse": base,
        "rmse": swept.rmse.tolist(),
        "mae": swept.mean_absolute_error.tolist(),
        "chosen_on": "validation",
        "chosen": {**asdict(best), "rmse": rmse},
        "one_step_away": [asdict(move) for move in moves],
        "within_one_standard_error": share,
        "rank_correlation": grids.rank_correlation,
        "regret": grids.regret,
    }
    lines = [
        f"{swept.rmse.size:,} settings on {swept.n:,} {args.split} points, RMSE of base {base:{form}}",
        f"best on validation: {_numbers(best)}, RMSE {rmse:{form}} on {args.split}",
        f"one step away at most {max(0.0, *(move.loss for move in moves)):{form}} is added; {share:.0%} of the grid is "
        "within one standard error",
        *([f"written to {args.output}"] if args.output else []),
    ]
    return Output(result, "\n".join(lines))


def report(experiment: ValueExperiment, args: argparse.Namespace, progress: Progress) -> Output:
    """Write the report."""
    from resmem_core.plots.value_report import value_report_html

    params, tuned_on = params_of(args, experiment, progress)
    evaluation = experiment.evaluate(params)
    html = value_report_html(experiment, evaluation, tuned=experiment.tune(progress) if tuned_on else None)
    told = {**evaluation.as_dict(), "output": args.output}
    return Output({**_told(experiment, params, tuned_on), **told}, write_report(args, html))


def export(experiment: ValueExperiment, args: argparse.Namespace, progress: Progress) -> Output:
    """Write what is known of every test point."""
    from resmem_core.plots.tables import write_table
    from resmem_core.plots.values import example_table, method_table

    params, tuned_on = params_of(args, experiment, progress)
    evaluation = experiment.evaluate(params)
    tables: Mapping[str, Any] = {
        "examples": lambda: example_table(experiment, evaluation),
        "methods": lambda: method_table(evaluation),
    }
    if args.table not in tables:
        raise InvalidParameterError(f"--table={args.table} needs classes; with values choose {' or '.join(tables)}")
    table = tables[args.table]()
    write_table(table, Path(args.output))
    told = {"table": args.table, "rows": len(table), "columns": list(table), "output": args.output}
    text = f"{len(table):,} {args.table}, {len(table.columns)} columns: {args.output}"
    return Output({**_told(experiment, params, tuned_on), **told}, text)


def compare(a: ValueExperiment, b: ValueExperiment, of_a: Params, of_b: Params) -> Output:
    """Compare two settings or experiments, point by point."""
    if not same_points(a.dataset.test, b.dataset.test):
        raise InvalidParameterError(
            f"{a.dataset.name!r} and {b.dataset.name!r} have other test points, so they cannot be compared one by one"
        )
    first, second = a.evaluate(of_a), b.evaluate(of_b)
    gain = compare_values(first, second)
    (low, high), form = gain.rmse_ci95, first.form("rmse")
    text = (
        f"RMSE of A {first.measures['rmse']['resmem']:{form}}, of B {second.measures['rmse']['resmem']:{form}}; A - B: "
        f"{gain.rmse:+{form}}, 95 % interval {low:+{form}} to {high:+{form}} {first.scope}; B is closer on "
        f"{gain.closer:,} points, farther on {gain.farther:,}"
    )
    return Output({"a": first.as_dict(), "b": second.as_dict(), "rmse_gain": gain.rmse, **asdict(gain)}, text)
