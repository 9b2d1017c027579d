"""What a config accepts, and what its errors say."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.config import ConfigError, TrainConfig, checked, load_config, parse_overrides

RECIPES = sorted((Path(__file__).parents[2] / "configs" / "training").glob("*.yaml"))


def test_every_recipe_is_read_and_names_a_task_and_a_model() -> None:
    read = {path.stem: load_config(path) for path in RECIPES if not path.name.startswith(("_", "mini-"))}
    assert {config.task for config in read.values()} == {"objectqa", "imageqa", "detect", "filter", "describe"}
    assert all(config.batch_size == 4 and config.epochs == 3 for config in read.values() if config.task == "objectqa")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["lora.r=16"], {"lora": {"r": 16}}),
        (["learning_rate=2e-4"], {"learning_rate": 2e-4}),
        (["--packing=false"], {"packing": False}),
        (["held_out.share=0", "held_out.most=5"], {"held_out": {"share": 0, "most": 5}}),
        (["questions=[realism_q1]"], {"questions": ["realism_q1"]}),
        (["model=org/name"], {"model": "org/name"}),
        (["revision=null"], {"revision": None}),
    ],
)
def test_keys_on_the_command_line(given: list[str], read: dict[str, object]) -> None:
    assert parse_overrides(given) == read


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"learning_rat": 1}, "unknown key learning_rat, did you mean learning_rate?"),
        ({"lora": {"rank": 4}}, "unknown key lora.rank, did you mean lora.r"),
        ({"lr": 1}, "unknown key lr"),
        ({"epochs": 0}, "epochs is 0: Input should be greater than 0"),
        ({"learning_rate": 0}, "learning_rate is 0: Input should be greater than 0"),
        ({"questions": []}, "questions is [], expected some of realism_q1"),
        ({"sets": ["realism", "realism"]}, "each once"),
        ({"task": "chat"}, "task is 'chat'"),
        ({"freeze": {"vision": False}}, "freeze is for method: full"),
        ({"method": "full", "freeze": {"language": True}}, "nothing would be trained"),
        ({"method": "full", "adapter": "x"}, "merge it into the model first"),
        ({"lora": {"dropout": 1.0}}, "lora.dropout is 1.0"),
    ],
)
def test_errors_name_the_key_and_what_was_expected(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        checked({"task": "objectqa", "model": "m", **given}, "recipe.yaml")
    assert said in str(error.value)
    assert str(error.value).startswith("recipe.yaml: ")


@pytest.mark.parametrize("argument", ["lora.r", "=3", "lora.r: 3"])
def test_an_argument_of_another_form_is_refused(argument: str) -> None:
    with pytest.raises(ConfigError, match="expected key=value"):
        parse_overrides([argument])


def test_a_missing_key_and_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="key task is missing"):
        checked({"model": "m"}, "x")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(ConfigError, match="holds list, expected keys and values"):
        load_config(tmp_path / "list.yaml")


def test_extends_is_below_the_file_and_the_command_line_above_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("model: a\nlora: {r: 4, alpha: 9}\nseed: 1\n")
    (tmp_path / "own.yaml").write_text("extends: base.yaml\ntask: imageqa\nlora: {r: 5}\n")
    config = load_config(tmp_path / "own.yaml", ["seed=7"])
    assert (config.model, config.lora.r, config.lora.alpha, config.seed) == ("a", 5, 9, 7)


def test_packing_and_the_best_metric_follow_the_task() -> None:
    found = {task: TrainConfig(task=task, model="m") for task in ("objectqa", "imageqa", "describe", "filter")}
    assert [found[t].packs for t in found] == [True, False, False, True]
    assert [found[t].best for t in found] == ["auc", "f1_at_50", "loss", "auc"]
