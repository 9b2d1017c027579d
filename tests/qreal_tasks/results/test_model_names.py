"""What models and runs are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from qreal_tasks.results.model_names import name_model, name_runs
from qreal_tasks.results.run_folder import Run


def run(arguments: str, folder: str = "runs/a", model: str = "qreal_hf") -> Run:
    return Run(Path(folder) / "20260101_000000_results.json", model, arguments, None, ())


@pytest.mark.parametrize(
    ("model", "arguments", "name", "short"),
    [
        ("qreal_hf", "pretrained=Qwen/Qwen2.5-VL-7B-Instruct,dtype=bfloat16", "Qwen/Qwen2.5-VL-7B-Instruct", None),
        ("qreal_hf", "pretrained=org/base,adapter=/data/me/runs/final", "org/base + final", "base + final"),
        ("qreal_hf", "pretrained=/data/me/my-model/", "my-model", "my-model"),
        ("qreal_openai", "base_url=http://10.0.0.7:8000/v1,model=gpt-4o", "gpt-4o", "gpt-4o"),
        ("predictions", "model=Mine, the second", "Mine, the second", "Mine, the second"),
        ("dummy", "response=Yes", "dummy", "dummy"),
        ("dummy", "", "dummy", "dummy"),
        ("qreal_hf", "pretrained=org/" + "m" * 60, "org/" + "m" * 60, "m" * 39 + "…"),
        ("predictions", "model=two\nlines", "two\nlines", "two lines"),
    ],
)
def test_a_model_is_called_by_its_own_name(model: str, arguments: str, name: str, short: str | None) -> None:
    found = run(arguments, model=model)
    assert name_model(found) == name
    assert name_runs([found]) == (short or name.rpartition("/")[2],)


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (("runs/first/mini", "runs/second/mini"), ("mini (first)", "mini (second)")),
        (("runs/a", "runs/b"), ("mini (a)", "mini (b)")),
        (("runs/a", "runs/a"), ("mini (1)", "mini (2)")),
        (("", ""), ("mini (1)", "mini (2)")),
    ],
)
def test_runs_of_one_model_are_told_apart(folders: tuple[str, str], names: tuple[str, str]) -> None:
    runs = [run("pretrained=mini", folder) for folder in folders]
    assert name_runs(runs) == names
    assert name_runs([*runs, run("pretrained=org/other")]) == (*names, "other")


def test_names_are_never_the_same() -> None:
    runs = [run("pretrained=mini", "a"), run("pretrained=mini", "b"), run("model=mini (a)", "c", "predictions")]
    assert len(set(name_runs(runs))) == 3
