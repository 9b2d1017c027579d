"""What a config accepts, and what its errors say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qreal_tasks.benchmark import IMAGEQA_SETS, TASK_NAMES, Style
from training.config import ConfigError, HeldOut, Lora, TrainConfig
from training.recipe import load_recipe, parse_config, parse_overrides

RECIPES = sorted((Path(__file__).parents[2] / "configs" / "training").glob("*.yaml"))


def test_every_recipe_is_read_and_names_a_task_and_a_model() -> None:
    read = {path.stem: load_recipe(path) for path in RECIPES if not path.name.startswith(("_", "mini-"))}
    assert {config.task for config in read.values()} == {"objectqa", "imageqa", "detect", "filter", "describe"}
    assert all(config.batch_size == 4 and config.epochs == 3 for config in read.values() if config.task == "objectqa")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["lora.r=16"], {"lora": {"r": 16}}),
        (["learning_rate=2e-4"], {"learning_rate": "2e-4"}),  # YAML takes it for text; the config for a number
        (["--packing=false"], {"packing": False}),
        (["held_out.share=0", "held_out.most=5"], {"held_out": {"share": 0, "most": 5}}),
        (["questions=[realism_q1]"], {"questions": ["realism_q1"]}),
        (["model=org/name"], {"model": "org/name"}),
        (["revision=null"], {"revision": None}),
    ],
)
def test_keys_on_the_command_line(given: list[str], read: dict[str, object]) -> None:
    assert parse_overrides(given).content == read


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"learning_rat": 1}, "learning_rat is no field; did you mean learning_rate?"),
        ({"lora": {"rank": 4}}, "lora.rank is no field; did you mean lora.r"),
        ({"lr": 1}, "lr is no field"),
        ({"epochs": 0}, "epochs is 0: Input should be greater than 0"),
        ({"learning_rate": 0}, "learning_rate is 0: Input should be greater than 0"),
        ({"questions": []}, "questions is [], expected some of realism_q1"),
        ({"sets": ["realism", "realism"]}, "each once"),
        (
            {"task": "chat"},
            "task is 'chat': expected one of objectqa, imageqa, detect, filter, describe, or several in",
        ),
        ({"task": []}, "task is []: expected one of objectqa"),
        ({"task": None}, "task is None: expected one of objectqa"),
        ({"task": ["objectqa", "chat"]}, "task is ['objectqa', 'chat']: expected one of objectqa"),
        ({"task": ["detect", "detect"]}, "task is ['detect', 'detect']: expected one of objectqa, imageqa, detect"),
        ({"task": [["objectqa"]]}, "task is [['objectqa']]: expected one of objectqa"),
        ({"task": {"objectqa": 1}}, "task is {'objectqa': 1}: expected one of objectqa"),
        ({"weights": {"imageqa": 2}}, "weights has imageqa, expected some of the run's tasks objectqa"),
        (
            {"task": ["objectqa", "imageqa"], "weights": {"objectqa": 1, "chat": 2, "detect": 1}},
            "weights has chat, detect, expected some of the run's tasks objectqa, imageqa",
        ),
        ({"weights": {"objectqa": 0}}, "weights.objectqa is 0: Input should be greater than 0"),
        ({"weights": {"objectqa": float("inf")}}, "weights.objectqa is inf"),
        ({"weights": {"objectqa": True}}, "weights is {'objectqa': True}: expected a number"),
        ({"weights": 2}, "weights is 2"),
        ({"prompts": "papr"}, "prompts is 'papr': Input should be 'benchmark' or 'paper'"),
        ({"prompts": None}, "prompts is None: Input should be 'benchmark' or 'paper'"),
        ({"promts": "paper"}, "promts is no field; did you mean prompts?"),
        ({"prompts": "paper", "task": "detect"}, "prompts is paper and task detect, but the paper prints no query"),
        ({"prompts": "paper", "task": "filter"}, "leave prompts out, or train objectqa or imageqa"),
        ({"prompts": "paper", "task": "describe"}, "the agent's subtasks (detect, filter, describe)"),
        (
            {"prompts": "paper", "task": ["objectqa", "filter", "detect"]},
            "prompts is paper and task filter and detect,",
        ),
        (
            {"prompts": "paper", "task": ["objectqa", "imageqa"], "sets": ["human_plausibility", "plausibility"]},
            "a portrait would have two answers to one question",
        ),
        (
            {"prompts": "paper", "task": "imageqa", "sets": ["human_plausibility", "plausibility"]},
            "a portrait would have two answers to one question",
        ),
        ({"freeze": {"vision": False}}, "freeze is for method: full"),
        ({"method": "full", "freeze": {"language": True}}, "nothing would be trained"),
        ({"method": "full", "adapter": "x"}, "merge it into the model first"),
        ({"lora": {"dropout": 1.0}}, "lora.dropout is 1.0"),
        ({"lora": {"r": True}}, "lora.r is True: expected a number"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"betas": [0.9, 5]}, "betas.1 is 5"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"schedule": "cosine_with_min_lr"}, "schedule is 'cosine_with_min_lr'"),
        ({"held_out": {"best": "f1"}}, "held_out.best is f1, expected one of loss, acc, auc, acc_realism_q1"),
        ({"held_out": {"best": "eval_loss"}}, "held_out.best is eval_loss"),
        ({"held_out": {"best": "mean"}}, "held_out.best is mean, expected one of loss, acc, auc"),
        (
            {"task": ["objectqa", "imageqa"], "held_out": {"best": "auc"}},
            "held_out.best is auc, expected one of loss, mean, objectqa_acc, objectqa_auc, objectqa_acc_realism_q1",
        ),
        ({"held_out": {"every_epochs": 5}}, "so nothing would ever be evaluated"),
        ({"held_out": {"early_stop": 2, "share": 0}}, "held_out.early_stop needs prompts that are kept back"),
    ],
)
def test_errors_name_the_key_and_what_was_expected(given: dict[str, object], result: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config({"task": "objectqa", "model": "m", **given}, "recipe.yaml")
    assert result in str(error.value)
    assert str(error.value).startswith("recipe.yaml: ")


@pytest.mark.parametrize("argument", ["lora.r", "=3", "lora.r: 3"])
def test_an_argument_of_another_form_is_refused(argument: str) -> None:
    with pytest.raises(ConfigError, match="expected key=value"):
        parse_overrides([argument])


def test_a_missing_key_and_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="task is missing"):
        parse_config({"model": "m"}, "x")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(ConfigError, match=r"holds .*, expected keys and values"):
        load_recipe(tmp_path / "list.yaml")
    (tmp_path / "empty.yaml").write_text("# task: objectqa\n")
    with pytest.raises(ConfigError, match=r"is empty, expected keys and values"):
        load_recipe(tmp_path / "empty.yaml")


def test_extends_is_below_the_file_and_the_command_line_above_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("model: a\nlora: {r: 4, alpha: 9}\nseed: 1\n")
    (tmp_path / "own.yaml").write_text("extends: base.yaml\ntask: imageqa\nlora: {r: 5}\n")
    config = load_recipe(tmp_path / "own.yaml", ["seed=7"])
    assert (config.model, config.lora.r, config.lora.alpha, config.seed) == ("a", 5, 9, 7)


def test_files_that_extend_each_other_and_keys_that_are_no_names(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    (tmp_path / "c.yaml").write_text("extends: 5\n")
    (tmp_path / "d.yaml").write_text("1: 5\n")
    (tmp_path / "e.yaml").write_text("? [a, b]\n: 5\n")
    for name, result in (
        ("a", "extends itself"),
        ("c", "expected the name of a file"),
        ("d", "1 is no field"),
        ("e", "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=result):
            load_recipe(tmp_path / f"{name}.yaml")


def test_numbers_given_as_text_and_text_that_looks_like_a_number() -> None:
    config = parse_config(
        {"task": "objectqa", "model": "m", **parse_overrides(["learning_rate=2e-4", "name=2026"]).content}, "x"
    )
    assert (config.learning_rate, config.name) == (2e-4, "2026")


@pytest.mark.parametrize(
    ("file", "given", "key", "value"),
    [
        ("name: 1.10", [], "name", "1.10"),
        ("name: 2024-01-01", [], "name", "2024-01-01"),
        ("revision: 0012", [], "revision", "0012"),
        ("revision: 1:30", [], "revision", "1:30"),
        ("name: 1.10", ["name=1.50"], "name", "1.50"),
        ("extends: below.yaml", [], "name", "7.70"),
        ("extends: below.yaml\nname: 8.80", [], "name", "8.80"),
        ("name: x", ["revision=2024-01-01"], "revision", "2024-01-01"),
        ("lora: {targets: 1.10}", [], "lora", Lora(targets="1.10")),
        ("lora: {targets: [q, 1.10]}", ["lora.r=4"], "lora", Lora(targets=["q", "1.10"], r=4)),
        ("learning_rate: 1e-3", [], "learning_rate", 1e-3),
    ],
)
def test_text_is_taken_as_it_is_written(file: str, given: list[str], key: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "below.yaml").write_text("name: 7.70\n")
    (tmp_path / "recipe.yaml").write_text(f"{file}\ntask: objectqa\nmodel: m\n")
    assert getattr(load_recipe(tmp_path / "recipe.yaml", given), key) == value


@pytest.mark.parametrize(
    ("file", "given", "result"),
    [
        ("name: no", [], 'name is False: Input should be a valid string. YAML reads no as false; write "no" in quotes'),
        ("name: x", ["name=on"], 'YAML reads on as true; write "on" in quotes'),
        ("extends: below.yaml", [], 'YAML reads Off as false; write "Off" in quotes'),
        ("lora: {targets: [q, yes]}", [], 'YAML reads yes as true; write "yes" in quotes'),
        ("model: ~", [], 'YAML reads ~ as no value; write "~" in quotes'),
        ("no: 3", [], 'line 1: YAML reads the key no as false; write "no" in quotes'),
        ("batch_size: 1e3", [], "YAML reads 1e3 as text; write 1000"),
        ("x: y", ["batch_size=1,024"], "YAML reads 1,024 as text; write 1024"),
        ("learning_rate: 0,5", [], "YAML reads 0,5 as text; write 0.5"),
        ("seed: 2024-01-01", [], "YAML reads 2024-01-01 as a date"),
        ("questions: realism_q1", [], "Write it in brackets: [realism_q1]"),
    ],
)
def test_errors_say_what_yaml_reads_otherwise(file: str, given: list[str], result: str, tmp_path: Path) -> None:
    (tmp_path / "below.yaml").write_text("name: Off\n")
    (tmp_path / "recipe.yaml").write_text(f"{file}\ntask: objectqa\n" + ("" if "model:" in file else "model: m\n"))
    with pytest.raises(ConfigError) as error:
        load_recipe(tmp_path / "recipe.yaml", given)
    assert result in str(error.value)


@pytest.mark.parametrize(
    ("task", "best", "lowest"),
    [
        ("imageqa", "loss", True),
        ("imageqa", "false_alarm", True),
        ("imageqa", "unparsed_realism", True),
        ("imageqa", "iou_plausibility", False),
        (["objectqa", "imageqa"], "loss", True),
        (["objectqa", "imageqa"], "mean", False),
        (["objectqa", "imageqa"], "objectqa_auc_realism_q1", False),
        (["objectqa", "imageqa"], "imageqa_unparsed_realism", True),
        (["detect", "imageqa"], "detect_false_alarm", True),
        (["detect", "imageqa"], "detect_detection_rate", False),
    ],
)
def test_the_best_metric_may_be_the_lowest(task: Any, best: str, lowest: bool) -> None:
    assert TrainConfig(task=task, model="m", held_out=HeldOut(best=best)).best_is_lowest is lowest


@pytest.mark.parametrize(
    ("given", "sets", "tasks"),
    [
        (["task=objectqa"], [*IMAGEQA_SETS], "qreal_objectqa"),
        (["task=imageqa"], [*IMAGEQA_SETS], "qreal_imageqa"),
        (["task=detect", "prompts=benchmark"], [*IMAGEQA_SETS], "qreal_imageqa"),
        (["task=objectqa", "prompts=paper"], ["realism", "plausibility"], "qreal_paper_objectqa"),
        (["task=imageqa", "prompts=paper"], ["realism", "plausibility"], "qreal_paper_imageqa"),
        (["task=imageqa", "prompts=paper", "sets=[human_plausibility]"], ["human_plausibility"], "qreal_paper_imageqa"),
        (["task=[objectqa, imageqa]"], [*IMAGEQA_SETS], "qreal_objectqa,qreal_imageqa"),
        (["task=[detect, imageqa]", "weights.detect=0.5"], [*IMAGEQA_SETS], "qreal_imageqa"),
        (
            ["task=[imageqa, objectqa]", "prompts=paper"],
            ["realism", "plausibility"],
            "qreal_paper_imageqa,qreal_paper_objectqa",
        ),
    ],
)
def test_sets_and_tasks_of_evaluation_follow_the_prompts(given: list[str], sets: list[str], tasks: str) -> None:
    config = parse_config({"model": "m", **parse_overrides(given).content}, "x")
    assert (config.sets, config.eval_tasks) == (sets, tasks)
    assert set(config.eval_tasks.split(",")) <= set(TASK_NAMES)
    assert parse_config(config.model_dump(mode="json"), "a run's own") == config


def test_a_recipe_takes_the_papers_prompts_on_the_command_line() -> None:
    for recipe in RECIPES:
        if recipe.name.startswith(("objectqa-", "imageqa-", "mini-objectqa", "mini-imageqa", "mini-both")):
            assert load_recipe(recipe, ["prompts=paper"]).prompts is Style.PAPER, recipe.name


def test_packing_and_the_best_metric_follow_the_task() -> None:
    found = {
        task: parse_config({"task": task, "model": "m"}, "x") for task in ("objectqa", "imageqa", "describe", "filter")
    }
    assert [found[t].packs(t) for t in found] == [True, False, False, True]
    assert [found[t].best for t in found] == ["auc", "f1_at_50", "loss", "auc"]


def test_a_run_of_several_tasks_keeps_what_each_has_alone() -> None:
    both = parse_config({"task": ["objectqa", "imageqa"], "model": "m", "weights": {"imageqa": 2}}, "x")
    assert (both.tasks, both.rows) == (("objectqa", "imageqa"), ("objectqa", "imageqa"))
    assert [both.packs(task) for task in both.tasks] == [True, False]
    assert [both.weight(task) for task in both.tasks] == [1, 2]
    assert both.best == "mean"
    apart = both.model_copy(update={"packing": False})
    assert [apart.packs(task) for task in both.tasks] == [False, False]
    assert parse_config({"task": ["filter", "describe"], "model": "m"}, "x").best == "loss"
    assert parse_config({"task": ["detect", "imageqa"], "model": "m"}, "x").rows == ("imageqa",)


def test_one_task_is_written_as_it_always_was() -> None:
    """A list of one too: older releases read such a run, and this one reads theirs, which has no weights."""
    for given in ("objectqa", ["objectqa"]):
        assert parse_config({"task": given, "model": "m"}, "x").model_dump(mode="json")["task"] == "objectqa"
