"""``qreal annotate`` as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from annotating import CHAIN_IMAGES, answer, config_for, write_pictures
from typer.testing import CliRunner

from annotation.commands import annotate_app
from annotation.config import dump_config, load_annotation_config
from annotation.errors import AnnotationError
from annotation.run.folder import RunFolder
from annotation.run.items import count_images_by_shard
from annotation.status.progress import Pace, ProgressLog, read_paces
from annotation.status.status import read_status
from qreal_tasks.llm.scripted_server import ScriptedServer, error
from qreal_tasks.shards import parquet_files as shards

CONFIGS = Path(__file__).parents[2] / "configs" / "annotation"
OF_RUNS = sorted(path for path in CONFIGS.glob("*.yaml") if path.name != "publish.yaml")  # that one is for `publish`


def call(*arguments: object) -> Any:
    return CliRunner(env={"COLUMNS": "200"}).invoke(annotate_app, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path) -> Any:
    def write(url: str, **changes: Any) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(dump_config(config_for(url, **changes)))
        return path

    return write


def test_init_pilot_dry_run_rest_status_preview(tmp_path: Path, models: Path, config: Any) -> None:
    images, run = write_pictures(tmp_path / "images", 10), tmp_path / "run"
    (images / "broken.png").write_bytes(b"")
    with ScriptedServer(answer) as server:
        path = config(server.url, models=models, images_per_shard=4)
        made = call("init", images, run, "--config", path)
        assert made.exit_code == 0, made.output
        assert "rejected: broken.png: the file is empty (0 bytes)" in made.output
        assert "11 inputs: 10 accepted, 1 rejected" in made.output
        dry = call("run", run, "--dry-run")
        assert dry.exit_code == 0, dry.output
        assert "judgment" in dry.output
        assert "expected 5.79 an image" in dry.output
        assert "$" in dry.output
        assert server.asked == []
        pilot = call("run", run, "--images", 3)
        assert pilot.exit_code == 0, pilot.output
        status = call("status", run)
        assert status.exit_code == 0, status.output
        assert "11 inputs: 10 accepted, 1 rejected" in status.output
        assert f"entities  │ {count_images_by_shard(RunFolder(run))[0]}/10 images" in status.output  # the first shard
        assert "intake: 1 image rejected: the file is empty (0 bytes)" in status.output
        assert "Cost so far: $" in status.output
        page = call("preview", run, "--images", 2)
        assert page.exit_code == 0, page.output
        assert (run / "preview.html").is_file()
        rest = call("run", run)
        assert rest.exit_code == 0, rest.output
        asked = len(server.asked)
        again = call("run", run, "--retry-failed")
        assert again.exit_code == 0
        assert len(server.asked) == asked
        assert "0 failed images and entities are done again" in again.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scorer", "arguments", "result"),
    [
        pytest.param("q-eval-score", ["--dry-run"], 1, id="before the cost is shown"),
        pytest.param("q-eval-score", ["--stage", "entities"], 0, id="not where nothing is scored"),
        pytest.param("none", ["--dry-run"], 0, id="without a score"),
        pytest.param("api", ["--dry-run"], 0, id="graded by the language model"),
    ],
)
def test_the_licence_of_the_scorer_is_said_once(
    tmp_path: Path, config: Any, scorer: str, arguments: list[str], result: int
) -> None:
    images, run = write_pictures(tmp_path / "images", 3), tmp_path / "run"
    with ScriptedServer(answer) as server:
        call("init", images, run, "--config", config(server.url, quality={"scorer": scorer}))
        found = call("run", run, *arguments)
    assert found.exit_code == 0, found.output
    assert found.output.count("weights AGI-Eval-Official/Q-Eval-Score, licence not seen") == result


def test_gpt_4o_is_grounded_on_the_papers_scorer() -> None:
    quality = load_annotation_config(CONFIGS / "gpt-4o.yaml").quality
    assert (quality.scorer, quality.model) == ("q-eval-score", "AGI-Eval-Official/Q-Eval-Score")


def test_a_stop_is_one_message_and_a_status(tmp_path: Path, config: Any) -> None:
    images, run = write_pictures(tmp_path / "images", 3), tmp_path / "run"
    with ScriptedServer(lambda _: error(401, "no")) as server:
        call("init", images, run, "--config", config(server.url))
        stopped = call("run", run)
    assert stopped.exit_code == 1
    assert "qreal annotate run: " in stopped.output
    assert "refuses the key" in stopped.output
    assert "Traceback" not in stopped.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere"], "is no run of annotation"),
        (["status", "nowhere"], "is no run of annotation"),
        (
            ["init", ".", "run", "--config", "none.yaml"],
            "none.yaml: No such file or directory (examples are in configs/annotation/)",
        ),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, monkeypatch: Any, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    found = call(*arguments)
    assert found.exit_code == 1
    assert message in found.output


def test_an_unknown_stage_names_the_known_ones(chain: Any) -> None:
    found = call("run", chain.run.path, "--stage", "detecton")
    assert found.exit_code == 1
    assert "no stage is called detecton, expected entities, detection" in found.output


def test_a_stage_whose_inputs_are_missing_is_told(tmp_path: Path, config: Any) -> None:
    images, run = write_pictures(tmp_path / "images", 3), tmp_path / "run"
    call("init", images, run, "--config", config("http://127.0.0.1:9/v1"))
    found = call("run", run, "--stage", "judgment")
    assert found.exit_code == 1
    assert "judgment needs quality, which is missing or out of date for 3 of 3 images" in found.output


def test_nothing_usable_is_an_error(tmp_path: Path, config: Any) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"no")
    found = call("init", tmp_path / "images", tmp_path / "run", "--config", config("http://127.0.0.1:9/v1"))
    assert found.exit_code == 1
    assert "none of 1 inputs can be annotated" in found.output


@pytest.mark.parametrize("path", OF_RUNS, ids=lambda path: path.name)
def test_example_configs_are_valid(path: Path, tmp_path: Path) -> None:
    found = load_annotation_config(path)
    (tmp_path / "again.yaml").write_text(dump_config(found))
    assert load_annotation_config(tmp_path / "again.yaml") == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("language_model: {}", "language_model.model is missing"),
        ("language_model: {model: m}\ndetecton: {}", "detecton is no field; did you mean detection?"),
        ("language_model: {model: no}", 'YAML reads no as false; write "no" in quotes'),
        ("language_model: {model: m}\nimages_per_shard: 1e2", "YAML reads 1e2 as text; write 100"),
        ("language_model: {model: m, base_url: 'http://u:p@h/v1'}", "language_model.base_url: expected http"),
        ("language_model: {model: m}\ndetection: {threshold: 2}", "detection.threshold is 2"),
        ("language_model: {model: m, prices: {input: 1}}", "expected input, output, cached_input"),
        ("- a", "the file is ['a']: expected keys and values: images_per_shard, intake, language_model, "),
        ("a: [", "cannot be read"),
    ],
)
def test_a_wrong_config_is_explained(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(AnnotationError) as raised:
        load_annotation_config(tmp_path / "config.yaml")
    assert message in str(raised.value)
    assert "u:p" not in str(raised.value)


@pytest.mark.slow
def test_help_and_language_model_stages_need_neither_torch_nor_ray() -> None:
    """``pip install .[annotate]`` must be enough for them; importing torch would show that it is not."""
    code = (
        "import sys; sys.argv = ['qreal', 'annotate', '--help']\n"
        "from qreal_tasks.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'ray', 'transformers', 'datasets', 'pyarrow', 'openai'} & set(sys.modules), 'help'\n"
        "import annotation.execution.driver, annotation.preview.page\n"
        "import annotation.status.estimate, annotation.status.status\n"
        "loaded = {'torch', 'ray', 'transformers', 'lmms_eval', 'trl', 'peft'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr


def test_status_counts_and_paces(chain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = read_status(chain.run)
    by_stage = {stage.stage: stage for stage in status.stages}
    for stage in status.stages:
        assert stage.is_total
        assert stage.done == stage.total
    for name in ("intake", "entities", "detection", "drafts", "imageqa"):
        assert by_stage[name].total == CHAIN_IMAGES
    for name in ("quality", "judgment", "parts", "merge"):
        assert by_stage[name].total == shard_rows(chain.run, name)
    assert by_stage["entities"].states == {"done": CHAIN_IMAGES}
    assert by_stage["objectqa"].rows == shard_rows(chain.run, "objectqa")
    assert by_stage["judgment"].spent is not None
    assert status.spent_usd == pytest.approx(sum(s.spent.cost_usd for s in status.stages if s.spent))
    assert by_stage["detection"].seconds_left == 0
    clock = iter([4e9, 0.0, 2e9, 1e9])
    monkeypatch.setattr("time.time", lambda: next(clock))
    log = ProgressLog(tmp_path / "progress.jsonl")
    log.begin("detection")
    log.done("detection", 0, 6)
    log.done("detection", 1, 2)
    with (tmp_path / "progress.jsonl").open("a") as file:
        file.write('{"stage": "detec')  # a crash in the middle of a line
        file.write('\n{"stage": "detection", "shard": 2, "at": 9e9}\n')  # as earlier versions wrote it
    found = read_paces(tmp_path / "progress.jsonl")["detection"]
    assert found.items == 8
    assert 0 <= found.seconds < 60, "set back or ahead, the clock of the machine does not count"
    assert Pace(8, 4.0).seconds_for(10) == 5.0
    assert Pace(0, 4.0).seconds_for(10) is None


def test_status_knows_how_many_entities_there_are_as_far_as_they_are_found(
    tmp_path: Path, models: Path, config: Any
) -> None:
    images, run = write_pictures(tmp_path / "images", 6), tmp_path / "run"
    with ScriptedServer(answer) as server:
        call("init", images, run, "--config", config(server.url, models=models, images_per_shard=3))
        assert call("run", run, "--images", 3).exit_code == 0
        by_stage = {stage.stage: stage for stage in read_status(RunFolder(run)).stages}
        n_found = shard_rows(RunFolder(run), "judgment", 1)
        judged = by_stage["judgment"]
        assert (judged.done, judged.total, judged.is_total) == (n_found, n_found, False)
        assert judged.seconds_left is None
        assert (by_stage["detection"].done, by_stage["detection"].total) == (3, 6)
        assert by_stage["detection"].seconds_left is not None
        assert f"{n_found}/{n_found}+ entities" in call("status", run).output


def shard_rows(run: Any, stage: str, most: int | None = None) -> int:
    return sum(shards.count_rows(run.shard_path(stage, shard)) for shard in run.shard_numbers[:most])
