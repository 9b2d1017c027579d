"""``qreal eval`` up to the point where the harness starts, and what it makes of the harness's log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qreal_tasks.boxes import Space
from qreal_tasks.dataset import DatasetError
from qreal_tasks.harness import run
from qreal_tasks.harness.box_space import choose_space, declared_space


@pytest.fixture
def no_harness(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been started."""
    started: list[list[str]] = []

    def start(command: list[str], environment: object, log: Path) -> int:
        started.append(list(command))
        (log.parent / "x_results.json").write_text("{}", encoding="utf-8")
        return 0

    monkeypatch.setattr(run, "_run", start)
    return started


@pytest.mark.parametrize(
    ("given", "added"),
    [
        (["--model", "dummy"], ["--tasks", "--output_path", "--log_samples"]),
        (["--model=dummy", "--tasks", "qreal_imageqa", "--log_samples"], ["--output_path"]),
        (
            ["--model", "dummy", "--output_path", "{tmp}/out", "--batch_size", "4"],
            ["--tasks", "--log_samples"],
        ),
    ],
)
def test_arguments_pass_through_and_defaults_are_added(
    given: list[str],
    added: list[str],
    no_harness: list[list[str]],
    small_dataset: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    monkeypatch.chdir(tmp_path)
    given = [word.format(tmp=tmp_path) for word in given]
    folder = run.evaluate(given)
    command = no_harness[0]
    assert command[3 : 3 + len(given)] == given
    assert [word for word in command[3 + len(given) :] if word.startswith("--")] == added
    assert folder.is_dir()


def test_config_file_supplies_what_the_command_line_does_not(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("model: openai\ntasks: [qreal_objectqa]\noutput_path: here\nmodel_args: model_version=m\n")
    found = run.read_arguments(["--config", str(config), "--output_path", "there"])
    assert (found.model, found.tasks, found.output_path) == ("openai", ("qreal_objectqa",), Path("there"))
    assert found.model_args == {"model_version": "m"}


REFUSED: dict[str, tuple[list[str], str]] = {
    "no model": ([], "no model named"),
    "unknown task": (
        ["--model", "dummy", "--tasks", "qreal_objectqa_realism_q3"],
        "unknown task qreal_objectqa_realism_q3",
    ),
    "missing config": (["--config", "/no/file.yaml"], "cannot be read"),
    "missing model folder": (
        ["--model", "qwen2_5_vl", "--model_args", "pretrained=/no/model"],
        "does not exist",
    ),
    "config that is no text": (["--config", "{tmp}/binary.yaml"], "cannot be read"),
    "list of runs": (["--config", "{tmp}/list.yaml"], "holds list, expected one mapping"),
    "output path that is a file": (["--model", "dummy", "--output_path", "{tmp}/list.yaml"], "cannot be made"),
    "key that would be printed": (
        ["--model", "openai", "--model_args", "model_version=m,api_key=sk-1"],
        "set OPENAI_API_KEY instead",
    ),
    "key in a config file": (["--config", "{tmp}/key.yaml"], "set OPENAI_API_KEY instead"),
    "folder that is no model": (
        ["--model", "qwen2_5_vl", "--model_args", "pretrained={tmp}"],
        "has no config.json",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arguments_are_refused_before_the_harness_starts(
    case: str, no_harness: list[list[str]], tmp_path: Path
) -> None:
    given, message = REFUSED[case]
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "list.yaml").write_text("- model: dummy\n")
    (tmp_path / "key.yaml").write_text("{model: openai, model_args: {api_key: sk-1}}\n")
    with pytest.raises(run.RunError, match=message):
        run.evaluate([word.format(tmp=tmp_path) for word in given])
    assert no_harness == []


def test_missing_dataset_is_refused_before_the_harness_starts(
    no_harness: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", "/no/dataset")
    with pytest.raises(DatasetError, match="no such folder"):
        run.evaluate(["--model", "dummy"])
    assert no_harness == []


def test_damaged_dataset_is_refused_before_the_harness_starts(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_dataset(lambda rows: rows["imageqa"]["test"][0].update(image={"bytes": b"x", "path": None}))
    monkeypatch.setenv("QREAL_DATA", str(folder))
    with pytest.raises(run.RunError, match=r"1 problems in its test split(.|\n)*img2: image cannot be decoded"):
        run.evaluate(["--model", "dummy"])
    assert no_harness == []


def test_env_of_a_config_file_counts_for_the_checks(
    no_harness: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", "mini")
    config = tmp_path / "run.yaml"
    config.write_text("model: dummy\nenv: {QREAL_DATA: /no/dataset}\n")
    with pytest.raises(DatasetError, match="/no/dataset"):
        run.evaluate(["--config", str(config)])
    assert no_harness == []


def test_a_set_without_portraits_is_refused_only_for_the_task_that_needs_them(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = small_dataset(lambda rows: [e.update(parts=None) for e in rows["imageqa"]["test"][1]["entities"]])
    monkeypatch.setenv("QREAL_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(run.RunError, match="no portrait with body-part descriptions"):
        run.evaluate(["--model", "dummy"])
    assert no_harness == []
    run.evaluate(["--model", "dummy", "--tasks", "qreal_objectqa"])
    assert len(no_harness) == 1


def test_no_results_is_a_failure_with_the_reason_first(
    small_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], environment: object, log: Path) -> int:
        log.write_text("Traceback (most recent call last):\nKeyError: 'realism'\n", encoding="utf-8")
        return 0

    monkeypatch.setattr(run, "_run", fail)
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    with pytest.raises(run.RunError) as caught:
        run.evaluate(["--model", "dummy", "--output_path", str(tmp_path / "out")])
    assert str(caught.value).startswith("KeyError: 'realism'\n")


def test_a_placeholder_is_no_key() -> None:
    run._check_no_secret({"api_key": "none"})


LOGS: dict[str, tuple[str, str]] = {
    "root cause of a chain": (
        "Traceback (most recent call last):\n  File x\nFileNotFoundError: no data\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\ntenacity.RetryError: RetryError[<Future>]\n"
        "| ERROR | Error during evaluation: RetryError[<Future>]. Please set `--verbosity=DEBUG` to get more.\n",
        "FileNotFoundError: no data",
    ),
    "last chain counts": (
        "ValueError: an early warning\nnext\nnext\nnext\nnext\nRuntimeError: the end\n",
        "RuntimeError: the end",
    ),
    "qualified type": ("torch.cuda.OutOfMemoryError: full\n", "OutOfMemoryError: full"),
    "error line alone": (
        "\x1b[31mERROR\x1b[0m | Error during evaluation: Tasks not found: x. Please set `--verbosity=DEBUG` to get\n",
        "Tasks not found: x",
    ),
    "last words": ("loading\nKilled\n\n", "Killed"),
    "nothing": ("", "the harness said nothing"),
}


@pytest.mark.parametrize("case", LOGS)
def test_failure_reason(case: str) -> None:
    log, reason = LOGS[case]
    assert run.failure_reason(log) == reason


def test_box_space_is_declared_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert declared_space() is Space.NORM1000
    monkeypatch.setenv("QREAL_BOX_SPACE", "unit")
    assert declared_space() is Space.UNIT
    assert choose_space("dummy", None).space is Space.UNIT
    monkeypatch.setenv("QREAL_BOX_SPACE", "percent")
    with pytest.raises(ValueError, match="expected one of pixels, resized_pixels, norm1000, unit"):
        declared_space()


def test_resized_pixels_are_refused_for_a_backend_that_does_not_report_the_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QREAL_BOX_SPACE", "resized_pixels")
    with pytest.raises(ValueError, match="qwen2_5_vl does not report the size"):
        choose_space("qwen2_5_vl", None)


@pytest.mark.parametrize(
    ("model_type", "space"),
    [
        ("llava_next", Space.UNIT),
        ("qwen3_vl", Space.NORM1000),
        ("qwen2_5_vl", Space.NORM1000),
        ("novel", Space.NORM1000),
    ],
)
def test_box_space_follows_the_model_type(model_type: str, space: Space, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(f'{{"model_type": "{model_type}"}}', encoding="utf-8")
    choice = choose_space("huggingface", str(tmp_path))
    assert choice.space is space
    assert model_type in choice.reason
