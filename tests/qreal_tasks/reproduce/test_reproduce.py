"""The plan of a reproduction, what it costs, and its tables, with runs that are there already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from submitted import simulated, small_references, write_run
from typer.testing import CliRunner, Result

from qreal_tasks.benchmark import Style
from qreal_tasks.reproduce.commands import reproduce_command
from qreal_tasks.reproduce.config import ReproduceConfig, ReproduceError, load_reproduce_config
from qreal_tasks.reproduce.estimate import PAPER_SIZE, estimate_costs
from qreal_tasks.reproduce.plan import ReproducePlan, plan_reproduction
from qreal_tasks.reproduce.tables import ReproducedTable, build_tables
from qreal_tasks.steps.records import StepRecords
from qreal_tasks.steps.step import require_order

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "reproduce.yaml"


def command(*words: object) -> Result:
    app = typer.Typer(add_completion=False)
    app.command()(reproduce_command)
    return CliRunner(env={"COLUMNS": "120", "QREAL_DATA": ""}).invoke(app, [str(word) for word in words])


@pytest.fixture
def config() -> ReproduceConfig:
    return load_reproduce_config(CONFIG)


def plan_of(folder: Path, config: ReproduceConfig, data: str = "org/set") -> ReproducePlan:
    return plan_reproduction(folder, config, data)


def test_the_plan_has_every_row_of_the_paper_with_both_styles(tmp_path: Path, config: ReproduceConfig) -> None:
    plan = plan_of(tmp_path, config)
    require_order(plan.steps)
    for style in Style:
        for table in build_tables(plan.runs, {}, style):
            planned = {run.row for run in plan.runs if run.style is style or run.row.endswith("^1")}
            assert {row.model for row in table.rows} <= planned
            assert len(table.rows) == (9 if table.number == 4 else 7)
            assert all(cell.own is None for row in table.rows for cell in row.cells.values())


def test_every_recipe_of_the_plan_is_there_and_every_run_with_descriptions_is_judged(
    tmp_path: Path, config: ReproduceConfig
) -> None:
    plan = plan_of(tmp_path, config)
    commands = {step.name: [str(one) for one in step.commands] for step in plan.steps}
    recipes = {one.split()[2] for some in commands.values() for one in some if one.startswith("qreal train ")}
    assert len(recipes) == 18
    assert all(Path(one).is_file() for one in recipes)
    judged = {name.removeprefix("judge-") for name in commands if name.startswith("judge-")}
    assert judged == {run.step for run in plan.runs if "imageqa" in run.halves}


def test_what_a_step_is_asked_with(tmp_path: Path, config: ReproduceConfig) -> None:
    plan = plan_of(tmp_path, config)
    steps = {step.name: step for step in plan.steps}
    second = str(steps["train-second-llava-v1.6-mistral-7b-paper"].commands[0])
    assert f"adapter={tmp_path}/training/train-objectqa-llava-v1.6-mistral-7b-paper/final" in second
    assert "prompts=paper" in second
    agent = str(steps["agent-qwen2.5-vl-7b"].commands[0])
    assert "--tasks qreal_imageqa_realism,qreal_imageqa_plausibility" in agent
    assert f"detect={tmp_path}/training/train-detect-qwen2.5-vl-7b/final" in agent
    assert "--tasks qreal_paper_objectqa,qreal_paper_imageqa" in str(steps["released-gpt-4o-paper"].commands[0])
    assert "weights-internvl2.5-8b" in steps["released-internvl2.5-8b-paper"].after


def test_costs_are_computed_and_then_measured(tmp_path: Path, config: ReproduceConfig) -> None:
    plan = plan_of(tmp_path, config)
    step = next(step for step in plan.steps if step.name == "train-objectqa-qwen2.5-vl-7b-paper")
    before = estimate_costs(plan, config, PAPER_SIZE, {})[step.name]
    # 6 x 8.3e9 x 15563 crops x (1280 + 6 x 120) tokens x 3 epochs, at 35 % of 312e12 a second
    assert before.gpu_hours == pytest.approx(6 * 8.3e9 * 15563 * 2000 * 3 / (0.35 * 312e12 * 3600))
    assert before.how == "computed"
    assert before.usd == pytest.approx(2 * before.gpu_hours)
    for path in step.makes:
        path.mkdir(parents=True)
    records = StepRecords(tmp_path)
    records.path(step.name).parent.mkdir()
    records.write(step, 7200)
    after = estimate_costs(plan, config, PAPER_SIZE, records.find_done(plan.steps))[step.name]
    assert (after.how, after.gpu_hours) == ("measured", 2.0)


def write_all(folder: Path, plan: ReproducePlan) -> None:
    """Write every run, and the records of all steps: as if they were done."""
    references = small_references()
    records = StepRecords(folder)
    records.path("").parent.mkdir(parents=True, exist_ok=True)
    for number, run in enumerate(plan.runs):
        only = run.halves[0] if len(run.halves) == 1 else ""
        write_run(run.folder, simulated(references, 0.8, seed=number, style=run.style), only=only, style=run.style)
    for step in plan.steps:
        for path in step.makes:
            path.mkdir(parents=True, exist_ok=True)
        records.write(step, 60)


def cells(tables: tuple[ReproducedTable, ...]) -> list[Any]:
    return [(row, metric, cell) for table in tables for row in table.rows for metric, cell in row.cells.items()]


def test_all_rows_are_filled_with_value_interval_difference_and_verdict(
    tmp_path: Path, config: ReproduceConfig
) -> None:
    plan = plan_of(tmp_path, config)
    write_all(tmp_path, plan)
    done = StepRecords(tmp_path).find_done(plan.steps)
    assert len(done) == len(plan.steps)
    for style in Style:
        tables = build_tables(plan.runs, done, style, resamples=50)
        found = cells(tables)
        assert all(row.run is not None and cell.own is not None for row, _, cell in found)
        assert all(cell.interval is not None for _, _, cell in found)
        with_both = [cell for _, _, cell in found if cell.paper is not None]
        assert all(cell.difference == pytest.approx(cell.own - cell.paper) for cell in with_both)
        impossible = [
            (table.part, row.model)
            for table in tables
            for row in table.rows
            if any(cell.impossible for cell in row.cells.values())
        ]
        assert impossible == [
            ("realism_q1", "InternVL2.5-8B"),
            ("realism_q1", "InternVL2.5-8B*"),
            ("realism_q2", "InternVL2.5-8B*"),
        ]
        assert {row.run for table in tables for row in table.rows if row.model == "GPT-4o"} == {
            f"released-gpt-4o-{style}"
        }


def test_the_command_ends_with_a_page_and_json_of_what_is_done(tmp_path: Path) -> None:
    folder, data = tmp_path / "out", ROOT / "qreal_tasks" / "mini" / "data"
    config = load_reproduce_config(CONFIG, ["qwen2.5-vl-7b"])
    write_all(folder, plan_reproduction(folder, config, str(data)))
    done = command("--data", data, "--folder", folder, "--config", CONFIG, "--models", "qwen2.5-vl-7b")
    assert done.exit_code == 0, done.output
    assert "done already, in 1:00 min" in done.output
    assert "all, measured" in done.output
    content = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
    assert (content["left"], content["drawn"]) == ([], True)
    assert {table["table"] for table in content["tables"]} == {1, 2, 3, 4}
    page = (folder / "tables.html").read_text(encoding="utf-8")
    for words in ("Drawn pictures.", "Table 4: ablations", "paper .665", "Qwen2.5-VL-7B-Instruct²"):
        assert words in page
    assert "Not complete." not in page


def test_a_dry_run_needs_no_data_and_writes_nothing(tmp_path: Path) -> None:
    done = command("--dry-run", "--folder", tmp_path / "out", "--config", CONFIG, "--only", "train-*-llava*")
    assert done.exit_code == 0, done.output
    assert "9 steps in" in done.output
    assert "the numbers of the paper" in done.output
    assert not (tmp_path / "out").exists()


def test_what_is_refused(tmp_path: Path) -> None:
    words = ("--folder", tmp_path / "out", "--config", CONFIG)
    assert "which dataset?" in command(*words).output
    for given, told in (
        (("--data", "mini", "--models", "gpt-5"), "--models gpt-5: "),
        (("--data", "mini", "--only", "train-objectqa"), "--only train-objectqa: no step of that name"),
        (("--data", "mini", "--config", tmp_path / "none.yaml"), "run this in a clone"),
    ):
        done = command(*words, *given)
        assert done.exit_code == 1
        assert told in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"paper": "GPT-5"}, "paper is 'GPT-5', expected one of GPT-4o"),
        ({"weights": "a", "server": "b"}, "expected one of weights, convert and server"),
        ({"wieghts": "a"}, "wieghts"),
    ],
)
def test_a_config_that_cannot_be_meant(tmp_path: Path, change: dict[str, str], told: str) -> None:
    content = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    content["models"][0] |= change
    path = tmp_path / "reproduce.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ReproduceError, match=told):
        load_reproduce_config(path)
