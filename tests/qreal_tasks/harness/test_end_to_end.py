"""The plain harness command, as installed, on the embedded set: few runs, each through everything."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_set import Rows

from qreal_tasks.benchmark import (
    GROUPS,
    QUESTION_NAMES,
    PromptFrame,
    Style,
    frame_of,
    imageqa_query,
    question,
)
from qreal_tasks.dataset.check import count_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.leaf_tasks import TASKS_FOLDER
from qreal_tasks.llm.completions import EMPTY
from qreal_tasks.models.tiny import write_tiny_qwen2_5_vl
from qreal_tasks.records import JudgmentRecord
from qreal_tasks.results.comparable import CompareError
from qreal_tasks.results.compare import compare_runs
from qreal_tasks.results.run_folder import Run, find_results, read_run, samples_path
from qreal_tasks.results.score import find_differences, score_run

pytestmark = pytest.mark.harness

SCRIPTS = Path(sys.executable).parent
HASHED = Path(__file__).parents[2] / "support" / "hashed_backend.py"
NINE = 9


def harness(
    folder: Path, *arguments: str, tasks: str = "qreal", command: tuple[str, ...] = (), **environment: str
) -> Run:
    """Run the harness to its end and read what it left; its log lies beside the folder."""
    command = command or (str(SCRIPTS / "lmms-eval"),)
    log = folder.with_name(folder.name + ".log")
    with log.open("w", encoding="utf-8") as output:
        subprocess.run(
            [*command, "--tasks", tasks, "--output_path", str(folder), "--log_samples", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            timeout=300,
            check=False,
        )
    assert list(folder.rglob("*_results.json")), log.read_text(encoding="utf-8")[-8000:]
    return read_run(find_results(folder)[-1])


def assert_rescored(run: Run) -> None:
    """All nine leaves are there, and the samples alone give the live numbers."""
    assert len(run.tasks) == NINE
    assert all(task.records for task in run.tasks)
    assert find_differences(run, score_run(run, resamples=0)) == []


def assert_asked_in(style: Style, run: Run) -> None:
    """The records hold what stood around every question, and the harness's own log of prompts shows the same."""
    assert run.style is style
    for task in run.tasks:
        assert {PromptFrame(r.pre_prompt, r.post_prompt) for r in task.records} == {frame_of(style, task.name)}
        logged = samples_path(run.results_path, task.task).read_text(encoding="utf-8").splitlines()
        query = imageqa_query(task.name) if "imageqa" in task.task else question(task.name).text
        asked = {json.loads(line)["input"] for line in logged}
        assert all(text.startswith(query) and (text == query) is (style is Style.PAPER) for text in asked), asked


def live(run: Run) -> dict[str, dict[str, float | None]]:
    return {task.task: dict(task.live) for task in run.tasks}


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_qwen2_5_vl(folder)
    return folder


@pytest.mark.console
def test_always_yes_is_the_share_of_yes(tmp_path: Path) -> None:
    run = harness(tmp_path, "--model", "dummy", "--model_args", "response=Yes")
    assert_rescored(run)
    shares = count_split(locate("mini"), "test").yes_share
    numbers = live(run)
    for name in QUESTION_NAMES:
        found, p = numbers[f"qreal_objectqa_{name}"], shares[name]
        assert found["acc"] == pytest.approx(p, abs=1e-12)
        assert found["precision"] == pytest.approx(p, abs=1e-12)
        assert found["recall"] == 1
        assert found["f1"] == pytest.approx(2 * p / (1 + p), abs=1e-12)
        assert found["auc"] is None
    assert numbers["qreal_imageqa_realism"]["unparsed"] == 1
    results = json.loads(run.results_path.read_text(encoding="utf-8"))["results"]
    assert all("(mini)" in row["alias"] for name, row in results.items() if name.startswith("qreal"))


@pytest.mark.parametrize("style", Style)
def test_stock_qwen_backend_on_a_real_model(style: Style, tmp_path: Path, tiny_model: Path) -> None:
    arguments = f"pretrained={tiny_model},device=cpu,device_map=cpu,min_pixels=3136"
    given = ("--model", "qwen2_5_vl", "--model_args", arguments, "--batch_size", "16", "--limit", "16")
    run = harness(tmp_path, *given, tasks=GROUPS[style])
    assert_rescored(run)
    assert_asked_in(style, run)
    result = {record.raw for task in run.tasks for record in task.records}
    assert {"Yes", "No"} <= result
    assert run.limit == 16


@pytest.mark.parametrize("style", Style)
def test_qreal_hf_gives_p_yes_and_the_input_size(style: Style, tmp_path: Path, tiny_model: Path) -> None:
    arguments = f"pretrained={tiny_model},min_pixels=3136,store={tmp_path / 'answers.sqlite'}"
    given = ("--model", "qreal_hf", "--model_args", arguments, "--limit", "16")
    run = harness(tmp_path, *given, tasks=GROUPS[style], QREAL_BOX_SPACE="resized_pixels")
    assert_rescored(run)
    assert_asked_in(style, run)
    for task in run.tasks:
        for record in task.records:
            if isinstance(record, JudgmentRecord):
                # Random weights end their turn at once now and then.
                assert (record.p_yes is None) is (record.reason == EMPTY) is (record.raw == "")
                assert record.mass is None or 0 < record.mass <= 1
            else:
                # Qwen2.5-VL is fed multiples of 28 pixels; the scenes of the embedded set are 224 x 224.
                assert record.input_size == (224, 224)
    assert any(task.live["auc"] is not None for task in run.tasks if "objectqa" in task.task)
    assert sum(record.reason == EMPTY for task in run.tasks for record in task.records) <= 5


@pytest.fixture(scope="module")
def server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``transformers serve`` holding the tiny model; ended by its own process id."""
    log_path = tmp_path_factory.mktemp("server") / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(SCRIPTS / "transformers"),
        "serve",
        str(tiny_model),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with log_path.open("w") as log:
        process = subprocess.Popen([*command, "--device", "cpu"], stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            assert process.poll() is None, log_path.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        else:
            pytest.fail("transformers serve did not answer within two minutes")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_stock_openai_backend_against_a_real_server(tmp_path: Path, tiny_model: Path, server: str) -> None:
    arguments = f"model_version={tiny_model},base_url={server},api_key=none,timeout=60,num_concurrent=2"
    run = harness(tmp_path / "out", "--model", "openai", "--model_args", arguments, "--limit", "12")
    assert_rescored(run)
    judged = [record for task in run.tasks if "objectqa" in task.task for record in task.records]
    assert {"Yes", "No"} <= {record.raw for record in judged}
    assert all(task.live["auc"] is None for task in run.tasks)


def test_qreal_openai_without_log_probabilities(tmp_path: Path, tiny_model: Path, server: str) -> None:
    """The server of transformers gives none: answers are scored, AUC is not there, and that is said once."""
    arguments = f"model={tiny_model},base_url={server},concurrency=2,store={tmp_path / 'answers.sqlite'}"
    run = harness(tmp_path / "out", "--model", "qreal_openai", "--model_args", arguments, "--limit", "12")
    assert_rescored(run)
    judged = [record for task in run.tasks if "objectqa" in task.task for record in task.records]
    assert {"Yes", "No"} <= {record.raw for record in judged}
    assert all(record.p_yes is None for record in judged if isinstance(record, JudgmentRecord))
    assert all(task.live["acc"] is not None for task in run.tasks if "objectqa" in task.task)
    assert all(task.live["auc"] is None for task in run.tasks)
    log = (tmp_path / "out.log").read_text(encoding="utf-8")
    assert log.count("gives no log-probabilities") == 1, log[-4000:]


def test_qreal_hf_in_two_processes_gives_the_numbers_of_one(tmp_path: Path, tiny_model: Path) -> None:
    torchrun = (str(SCRIPTS / "torchrun"), "--standalone", "--nproc_per_node", "2", "-m", "lmms_eval")
    runs = {}
    for name, command in {"one": (), "two": torchrun}.items():
        arguments = f"pretrained={tiny_model},min_pixels=3136,store={tmp_path / name}.sqlite"
        runs[name] = harness(
            tmp_path / name,
            *("--model", "qreal_hf", "--model_args", arguments),
            tasks="qreal_objectqa",
            command=command,
            ACCELERATE_USE_CPU="true",
            OMP_NUM_THREADS="1",  # as torchrun sets it; the last digits depend on it
        )
    one, two = runs["one"], runs["two"]
    numbers = [live(run) for run in (one, two)]
    # Batches differ, and with them the last digits of probabilities; what is counted or ranked is the same.
    masses = [{task: found.pop("mass") for task, found in of_run.items()} for of_run in numbers]
    assert masses[1] == pytest.approx(masses[0], abs=1e-6)
    assert numbers[1] == numbers[0]
    assert all(task.live["auc"] is not None for task in one.tasks)
    log = (tmp_path / "two.log").read_text(encoding="utf-8")
    shares = re.findall(r"process (\d) asks (\d+) questions about (\d+) pictures", log)
    assert sorted(rank for rank, _, _ in shares) == ["0", "1"]
    # The six questions about a crop are asked in one place, where they share its vision pass.
    assert all(int(questions) == len(QUESTION_NAMES) * int(pictures) for _, questions, pictures in shares)


def test_a_picture_that_is_cut_off_is_unanswered_and_costs_no_other_answer(
    tmp_path: Path, tiny_model: Path, small_dataset: Callable[..., Path]
) -> None:
    """The harness tells Pillow to fill such a picture with grey and say nothing."""

    def cut(rows: Rows) -> None:
        image = rows["objectqa"]["test"][0]["image"]
        noise = np.random.default_rng(0).integers(0, 256, (50, 30, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, "PNG")
        image["bytes"] = buffer.getvalue()[:2000]

    arguments = f"pretrained={tiny_model},min_pixels=3136,store={tmp_path / 'answers.sqlite'}"
    data = str(small_dataset(cut))
    run = harness(tmp_path / "out", "--model", "qreal_hf", "--model_args", arguments, QREAL_DATA=data)
    for task in run.tasks:
        judged = [record for record in task.records if isinstance(record, JudgmentRecord)]
        broken = [record for record in judged if record.answer is None]
        assert [record.entity_id for record in broken] == ["img2#0"] * bool(judged)
        assert all("truncated" in str(record.reason) for record in broken)


def test_two_processes_give_the_numbers_of_one(tmp_path: Path) -> None:
    one = harness(tmp_path / "one", "--model", "hashed", command=(sys.executable, str(HASHED)))
    torchrun = (str(SCRIPTS / "torchrun"), "--standalone", "--nproc_per_node", "2", str(HASHED))
    two = harness(tmp_path / "two", "--model", "hashed", command=torchrun, ACCELERATE_USE_CPU="true")
    assert_rescored(one)
    assert_rescored(two)
    assert live(two) == live(one)
    assert all(task.live["auc"] is not None for task in one.tasks)

    def by_content(run: Run) -> dict[str, set[Any]]:
        return {task.task: {json.dumps(str(record)) for record in task.records} for task in run.tasks}

    assert by_content(two) == by_content(one)


def test_the_plugin_adds_its_tasks_and_changes_no_other() -> None:
    script = (
        "import json, sys\n"
        "from lmms_eval.tasks import TaskManager\n"
        "from qreal_tasks.harness.plugin import manifests\n"
        "manifests(); manifests()\n"
        "after = TaskManager()\n"
        "before = TaskManager.initialize_tasks.__wrapped__(after)\n"
        "same = {k: v for k, v in after.task_index.items() if k in before} == dict(before)\n"
        "print(json.dumps([same, sorted(set(after.all_tasks) - set(before))]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    same, added = json.loads(done.stdout.splitlines()[-1])
    assert same
    assert len(added) == 2 * (NINE + 3)
    assert all(name.startswith("qreal") for name in added)


OWN_WORDS = """\
include: {folder}/qreal_objectqa_realism_q1.yaml
lmms_eval_specific_kwargs:
  default: {{pre_prompt: "", post_prompt: "\\nAnswer with one word, Yes or No."}}
  dummy: {{pre_prompt: "", post_prompt: "\\nYes or No?"}}
"""


def test_a_post_prompt_of_ones_own_is_asked_recorded_and_compared_only_with_its_like(tmp_path: Path) -> None:
    """As users of the harness do it: a YAML of their own, with words for one backend."""
    task, own = "qreal_objectqa_realism_q1", tmp_path / "tasks"
    own.mkdir()
    (own / f"{task}.yaml").write_text(OWN_WORDS.format(folder=TASKS_FOLDER), encoding="utf-8")
    given = ("--model", "dummy", "--model_args", "response=Yes", "--limit", "4")
    runs = [
        harness(tmp_path / "theirs", *given, "--include_path", str(own), tasks=task),
        harness(tmp_path / "ours", *given, tasks=task),
    ]
    asked = [{record.post_prompt for record in run.tasks[0].records} for run in runs]
    assert asked == [{"\nYes or No?"}, {"\nAnswer with one word, Yes or No."}]
    with pytest.raises(CompareError, match=r"realism_q1: post_prompt is '\\nYes or No\?' in run dummy \(theirs\)"):
        compare_runs(runs, resamples=10)


def test_include_path_is_a_way_without_the_plugin() -> None:
    folder = subprocess.run([str(SCRIPTS / "qreal"), "tasks-path"], capture_output=True, text=True, check=True).stdout
    assert (Path(folder.strip()) / "qreal.yaml").is_file()


@pytest.mark.console
def test_help_imports_neither_torch_nor_the_harness() -> None:
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom qreal_tasks.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print([m for m in ('torch', 'lmms_eval', 'transformers', 'datasets') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_failed_run_ends_with_its_reason_and_a_status(tmp_path: Path, tiny_model: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    (broken / "model.safetensors").write_bytes(b"not weights")
    done = subprocess.run(
        [
            *(
                str(SCRIPTS / "qreal"),
                "eval",
                "--model",
                "qwen2_5_vl",
                "--tasks",
                "qreal_objectqa_realism_q1",
            ),
            *("--model_args", f"pretrained={broken},device=cpu,device_map=cpu"),
            *("--output_path", str(tmp_path / "out")),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("qreal eval: ")
    assert "SafetensorError" in done.stderr.splitlines()[0]
