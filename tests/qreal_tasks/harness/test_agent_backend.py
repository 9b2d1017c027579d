"""The agent's backend: what is refused before the harness starts, where its box space comes from, and one whole run."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from saying import write_saying

pytest.importorskip("lmms_eval")

from qreal_tasks.boxes import Space
from qreal_tasks.harness.agent_backend import QRealAgent
from qreal_tasks.harness.backend_arguments import AGENT_ARGUMENTS, HF_ARGUMENTS
from qreal_tasks.harness.box_space import choose_space
from qreal_tasks.harness.eval_command import run
from qreal_tasks.harness.eval_command.arguments import RunError
from qreal_tasks.harness.named_models import check_models
from qreal_tasks.harness.plugin import BACKENDS
from qreal_tasks.models.agent.engine import AgentEngine
from qreal_tasks.models.agent.on_demand import EngineOptions
from qreal_tasks.models.tiny import write_tiny_qwen2_5_vl
from qreal_tasks.records import GroundingRecord
from qreal_tasks.results.run_folder import find_results, read_run
from qreal_tasks.results.score import find_differences, score_run
from qreal_tasks.subtasks import SUBTASKS

pytestmark = pytest.mark.slow


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A Qwen2.5-VL, an InternVL, an adapter of the first, and one that names no base."""
    for name, model_type in {"qwen": "qwen2_5_vl", "internvl": "internvl"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": model_type}))
    for name, base in {"adapter": str(tmp_path / "qwen"), "orphan": None}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    return tmp_path


def test_the_table_names_what_the_engine_takes() -> None:
    own = {"store", "say", "options"}
    taken = set(inspect.signature(AgentEngine).parameters) - own | set(inspect.signature(EngineOptions).parameters)
    assert set(AGENT_ARGUMENTS) - {"store"} == taken - {"device", "batch_size"}
    assert {
        name: AGENT_ARGUMENTS[name] for name in HF_ARGUMENTS if name not in ("pretrained", "adapter", "reasoning_marks")
    } == {
        name: type_ for name, type_ in HF_ARGUMENTS.items() if name not in ("pretrained", "adapter", "reasoning_marks")
    }


def test_the_backend_is_where_the_entry_point_says() -> None:
    module, _, name = BACKENDS["qreal_agent"].rpartition(".")
    assert (module, name) == (QRealAgent.__module__, QRealAgent.__name__)


@pytest.mark.parametrize(
    ("model_args", "space"),
    [
        ({"detect": "{tmp}/qwen"}, Space.RESIZED_PIXELS),
        ({"detect": "{tmp}/internvl"}, Space.NORM1000),
        ({"detect": "{tmp}/adapter"}, Space.RESIZED_PIXELS),
        ({"detect": "{tmp}/adapter", "pretrained": "{tmp}/internvl"}, Space.NORM1000),
        ({"detect": "{tmp}/qwen", "pretrained": "{tmp}/internvl"}, Space.RESIZED_PIXELS),
    ],
    ids=["model", "another family", "adapter", "adapter on another base", "the base of the other two"],
)
def test_box_space_is_the_detecting_models(model_args: dict[str, str], space: Space, folders: Path) -> None:
    filled = {name: value.format(tmp=folders) for name, value in model_args.items()}
    assert choose_space("qreal_agent", filled).space is space


@pytest.mark.parametrize(
    ("model_args", "tasks", "message"),
    [
        ({"pretrained": "{tmp}/qwen"}, "qreal_imageqa", "no detect, filter, describe; expected detect=…,filter=…"),
        ({"detect": "{tmp}/qwen", "filter": "{tmp}/qwen"}, "qreal_imageqa", "no describe; expected"),
        (dict.fromkeys(SUBTASKS, "{tmp}/no"), "qreal_imageqa", "detect: model folder .* does not exist"),
        (
            {**dict.fromkeys(SUBTASKS, "{tmp}/qwen"), "describe": "{tmp}/orphan"},
            "qreal_imageqa",
            "describe: .* names no",
        ),
        (dict.fromkeys(SUBTASKS, "{tmp}/qwen"), "qreal", "answers ImageQA only, not qreal, .*name the tasks"),
        (dict.fromkeys(SUBTASKS, "{tmp}/qwen"), "qreal_objectqa_*", "answers ImageQA only, not qreal_objectqa_\\*"),
    ],
    ids=["no stage", "one stage wanting", "missing folder", "adapter without base", "all tasks", "ObjectQA"],
)
def test_wrong_arguments_are_refused_before_the_harness_starts(
    model_args: dict[str, str], tasks: str, message: str, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_run", lambda *_: pytest.fail("the harness was started"))
    given = ",".join(f"{name}={value.format(tmp=folders)}" for name, value in model_args.items())
    with pytest.raises(RunError, match=message):
        run.evaluate(["--model", "qreal_agent", "--model_args", given, "--tasks", tasks])


def test_good_arguments_are_not_refused(folders: Path) -> None:
    for tasks in (["qreal_imageqa"], ["qreal_imageqa_*"], ["qreal_imageqa_realism", "pope"]):
        check_models("qreal_agent", dict.fromkeys(SUBTASKS, str(folders / "adapter")), tasks)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "detect is missing, expected detect=…"),
        ({"detect": "a", "filter": "b"}, "describe is missing"),
        ({**dict.fromkeys(SUBTASKS, "a"), "adapter": "b"}, "unknown name 'adapter'"),
        ({**dict.fromkeys(SUBTASKS, "a"), "max_pixels": "many"}, "max_pixels is 'many', expected a whole number"),
    ],
)
def test_arguments_are_checked_by_name_and_type(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QRealAgent(**given)


@pytest.mark.harness
def test_a_run_from_the_command_line_to_the_records(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Three real models: detect says two boxes, one of them outside; all are kept, and all described alike."""
    write_tiny_qwen2_5_vl(tmp_path / "tiny")
    texts = {
        "detect": '[{"bbox_2d": [28, 56, 140, 196], "label": "dog"}, {"bbox_2d": [500, 10, 600, 20], "label": "mug"}]',
        "filter": "Yes",
        "describe": "The paws are fused.",
    }
    models = [f"{name}={write_saying(tmp_path / name, tmp_path / 'tiny', text)}" for name, text in texts.items()]
    given = ",".join([*models, "min_pixels=3136", f"store={tmp_path / 'answers.sqlite'}"])
    tasks = "qreal_imageqa_realism,qreal_imageqa_plausibility"
    out = run.evaluate(
        [
            *("--model", "qreal_agent", "--model_args", given, "--tasks", tasks, "--limit", "4"),
            *("--output_path", str(tmp_path / "out")),
        ]
    )
    finished = read_run(find_results(out)[-1])
    assert find_differences(finished, score_run(finished, resamples=0)) == []
    assert len(finished.tasks) == 2
    for task in finished.tasks:
        assert len(task.records) == 4
        for record in task.records:
            assert isinstance(record, GroundingRecord)
            assert (record.space, record.input_size, record.reason) == ("resized_pixels", (224, 224), None)
            assert [(r.label, r.bbox_px, r.description) for r in record.predicted] == [
                ("dog", (28.0, 56.0, 140.0, 196.0), "The paws are fused.")
            ]
    log = capfd.readouterr().out
    assert "qreal: agent, detect: 4 pictures, 4 entities, 4 entities without a usable box" in log
    assert "qreal: agent, filter: 8 questions, 8 kept" in log
    assert "qreal: agent, describe: 8 descriptions" in log
