"""Exports: what the hub's library reads back, what Every Eval Ever's schema accepts, and the model card's section."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
from huggingface_hub._eval_results import parse_eval_result_entries
from submitted import JUDGE, on, simulated, small_references, write_run
from two_styles import asked_with_other, mixed_run
from typer.testing import CliRunner

from qreal_tasks.benchmark import Style
from qreal_tasks.cli import app
from qreal_tasks.dataset.eval_yaml import HUB_TASKS, write_eval_yaml
from qreal_tasks.dataset.schema import CONFIGS
from qreal_tasks.leaderboard.exports.every_eval_ever import write_every_eval_ever
from qreal_tasks.leaderboard.exports.export_source import ExportError, ExportSource, load_source
from qreal_tasks.leaderboard.exports.hub import build_hub_entries, write_hub_results
from qreal_tasks.leaderboard.exports.model_card import render_model_card_section
from qreal_tasks.leaderboard.submission.pack import SubmitterInfo, pack_run
from qreal_tasks.records import JudgmentRecord, Record

RESAMPLES = 100
SCHEMAS = "QREAL_EVERY_EVAL_EVER_SCHEMAS"


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return on(simulated(small_references()), "org/q-real@v1")


@pytest.fixture(scope="module")
def run(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    odd = [replace(records[0], raw=records[0].raw + " \ud83d"), *records[1:]]
    write_run(folder, odd, model_args="pretrained=org/model,revision=abc,dtype=bfloat16")
    return folder


@pytest.fixture(scope="module")
def source(run: Path) -> ExportSource:
    return load_source(run, RESAMPLES)


def _schema(name: str) -> dict[str, Any]:
    """Every Eval Ever's own schema: from a checkout, or from its package where that is installed."""
    given = os.environ.get(SCHEMAS)
    package = importlib.util.find_spec("every_eval_ever")
    if not given and not (package and package.submodule_search_locations):
        pytest.skip(f"no schema of Every Eval Ever here: set {SCHEMAS} to every_eval_ever/schemas of a checkout")
    folder = Path(given) if given else Path(package.submodule_search_locations[0]) / "schemas"  # type: ignore[union-attr,index]
    return dict(json.loads((folder / name).read_text(encoding="utf-8")))


def _read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    printed = json.loads(path.read_text(encoding="utf-8"))
    samples = path.with_name(path.name.replace(".json", "_samples.jsonl"))
    return printed, [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]


def test_hub_entries_round_trip_through_its_library(source: ExportSource, tmp_path: Path) -> None:
    path = write_hub_results(source, tmp_path, url="https://example.org/report")
    assert path == tmp_path / ".eval_results" / "qreal_bench.yaml"
    read = parse_eval_result_entries(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert read == build_hub_entries(source, url="https://example.org/report")
    assert eval_result_entries_to_yaml(read) == yaml.safe_load(path.read_text(encoding="utf-8"))
    assert all(isinstance(entry, EvalResultEntry) for entry in read)
    assert len({entry.task_id for entry in read}) == len(read) == len(HUB_TASKS)
    first = read[0]
    assert (first.dataset_id, first.dataset_revision, first.date) == ("org/q-real", "v1", "2026-01-01")
    assert first.value == source.groups["objectqa.overall"]["auc"]["value"]
    assert "'2026-01-01'" in path.read_text(encoding="utf-8"), "a date without quotes would be read as a date"
    assert JUDGE.title in next(entry.notes or "" for entry in read if entry.task_id == "imageqa_joint")


def test_every_reported_task_is_in_the_datasets_file(source: ExportSource, tmp_path: Path) -> None:
    write_eval_yaml(tmp_path / "eval.yaml")
    printed = yaml.safe_load((tmp_path / "eval.yaml").read_text(encoding="utf-8"))
    assert set(printed) == {"name", "description", "evaluation_framework", "tasks"}
    assert all(set(task) == {"id", "config", "split"} for task in printed["tasks"])
    assert {task["config"] for task in printed["tasks"]} == set(CONFIGS)
    assert {entry.task_id for entry in build_hub_entries(source)} <= {task["id"] for task in printed["tasks"]}


def test_a_folder_is_no_dataset_of_the_hub(source: ExportSource) -> None:
    local = replace(source, data="q-real")
    with pytest.raises(ExportError, match="is no dataset of the hub; name it with --dataset org/name"):
        build_hub_entries(local)
    assert build_hub_entries(local, "org/other")[0].dataset_id == "org/other"


@pytest.mark.parametrize(
    ("data", "given", "expected"),
    [
        ("org/q-real@v1", None, ("org/q-real", "c0ffee")),
        ("org/q-real@v1", "org/q-real", ("org/q-real", "c0ffee")),
        ("org/q-real@v1", "org/q-real@v2", ("org/q-real", "v2")),
        ("org/q-real@v1", "org/other", ("org/other", None)),
        ("org/q-real@v1", "org/other@v3", ("org/other", "v3")),
        ("q-real", "org/other", ("org/other", None)),
    ],
)
def test_a_given_revision_wins(
    data: str, given: str | None, expected: tuple[str, str | None], source: ExportSource
) -> None:
    """And the commit that the submission names is that of its own dataset."""
    assert replace(source, data=data, commit="c0ffee").dataset(given) == expected


def test_a_name_that_cannot_be_published_is_said(records: list[Record], tmp_path: Path) -> None:
    write_run(tmp_path, records, model_args="model=gpu7:8000")
    with pytest.raises(ExportError, match=r"_results\.json: name holds what looks like an address; leave it out"):
        load_source(tmp_path, RESAMPLES)


@pytest.mark.parametrize("partial", ["limit", "mini", "drawn"])
def test_what_is_no_result_is_not_reported(partial: str, records: list[Record], tmp_path: Path) -> None:
    some = on(records, "mini") if partial == "mini" else records
    if partial == "drawn":
        some = [replace(record, image_id=f"mini-0123456789ab-{record.image_id}") for record in records]
    write_run(tmp_path, some, limit=8.0 if partial == "limit" else None)
    source = load_source(tmp_path, RESAMPLES)
    with pytest.raises(ExportError, match="no benchmark result"):
        build_hub_entries(source, "org/real")
    with pytest.raises(ExportError, match="no benchmark result"):
        write_every_eval_ever(source, tmp_path / "out")
    assert "no benchmark result" in render_model_card_section(source.run, source.groups)


def test_every_eval_ever_is_valid(source: ExportSource, tmp_path: Path) -> None:
    printed, lines = _read(write_every_eval_ever(source, tmp_path))
    schema, of_lines = _schema("eval.schema.json"), _schema("instance_level_eval.schema.json")
    assert schema["version"] == printed["schema_version"]
    jsonschema.validate(printed, schema)
    validator = jsonschema.Draft7Validator(of_lines)
    assert [error.message for line in lines for error in validator.iter_errors(line)] == []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**printed, "unknown": 1}, schema)


def test_every_eval_ever_says_what_the_run_says(source: ExportSource, tmp_path: Path) -> None:
    path = write_every_eval_ever(source, tmp_path)
    printed, lines = _read(path)
    details = printed["detailed_evaluation_results"]
    samples = tmp_path / details["file_path"]
    assert hashlib.sha256(samples.read_bytes()).hexdigest() == details["checksum"]
    assert len(lines) == details["total_rows"]
    assert printed["model_info"]["id"] == "org/model"
    assert printed["model_info"]["additional_details"]["deployment_type"] == "self_deployed"
    results = {result["evaluation_result_id"]: result for result in printed["evaluation_results"]}
    assert len(results) == len(printed["evaluation_results"])
    for result_id, result in results.items():
        group, _, metric = result_id.rpartition(".")
        assert result["score_details"]["score"] == source.groups[group][metric]["value"]
        config = result["metric_config"]
        assert config["min_score"] <= result["score_details"]["score"] <= config["max_score"]
    judged = results["imageqa.realism.llm_score"]["metric_config"]["llm_scoring"]
    assert judged["judges"][0]["model_info"]["id"] == JUDGE.model
    assert all(line["evaluation_id"] == printed["evaluation_id"] for line in lines)
    assert {line["evaluation_result_id"] for line in lines} <= set(results)
    of_q1 = [line["evaluation"]["score"] for line in lines if line["evaluation_result_id"] == "objectqa.realism_q1.acc"]
    assert sum(of_q1) / len(of_q1) == pytest.approx(results["objectqa.realism_q1.acc"]["score_details"]["score"])


def test_every_eval_ever_is_the_same_each_time(source: ExportSource, tmp_path: Path) -> None:
    paths = [write_every_eval_ever(source, tmp_path / name) for name in ("a", "b")]
    assert paths[0].name == paths[1].name
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        *("..", "../..", "a/..", "../b", "./.", ".hidden/.x", "a/b/../../../c", "/etc/passwd", "C:\\x\\..\\y"),
        *("<script>/<img src=x>", "a b/c:d", "a\tb", "%2e%2e/%2f", "模型/七"),
    ],
)
def test_no_name_leads_out_of_the_folder(name: str, source: ExportSource, tmp_path: Path) -> None:
    """Of a submission the name is checked before; here the file names stand for themselves."""
    named = replace(source, model=source.model.model_copy(update={"name": name}))
    path = write_every_eval_ever(named, tmp_path / "out")
    place = path.relative_to(tmp_path / "out")
    assert len(place.parts) == 5  # data, collection, developer, model, file
    assert not any(part.startswith(".") or set(part) & set('\\/:<>"|?*\t ') for part in place.parts)
    assert [found.name for found in tmp_path.iterdir()] == ["out"]


def test_half_a_surrogate_pair_is_replaced(source: ExportSource, tmp_path: Path) -> None:
    _, lines = _read(write_every_eval_ever(source, tmp_path))
    assert not any("\ud83d" in text for line in lines for text in line["output"]["raw"])
    assert any("\ufffd" in text for line in lines for text in line["output"]["raw"])


def test_a_submission_exports_what_its_run_exports(run: Path, source: ExportSource, tmp_path: Path) -> None:
    results = next(run.glob("*_results.json"))
    pack_run(results, tmp_path / "submission", SubmitterInfo("A model"), resamples=RESAMPLES)
    packed = load_source(tmp_path / "submission", RESAMPLES)
    assert packed.groups == source.groups
    assert build_hub_entries(packed) == build_hub_entries(source)
    paths = [write_every_eval_ever(s, tmp_path / n) for s, n in ((source, "run"), (packed, "submission"))]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_damaged_submission_is_not_exported(run: Path, tmp_path: Path) -> None:
    pack_run(next(run.glob("*_results.json")), tmp_path / "submission", SubmitterInfo("A model"), resamples=RESAMPLES)
    (tmp_path / "submission" / "scores.json").write_text("{}")
    with pytest.raises(ExportError, match=r"scores\.json is not the file that was packed"):
        load_source(tmp_path / "submission", RESAMPLES)


def test_the_model_card_has_both_tables(source: ExportSource, records: list[Record], tmp_path: Path) -> None:
    text = render_model_card_section(source.run, source.groups)
    assert text.startswith("## Q-Real Bench\n")
    assert "| ObjectQA | AUC | Accuracy |" in text
    assert "| ImageQA | F1 at .5 | Joint |" in text
    assert f"judged by `{JUDGE.title}`" in text
    overall = next(line for line in text.splitlines() if line.startswith("| overall |"))
    assert overall.count("|") == 8
    write_run(tmp_path, [record for record in records if isinstance(record, JudgmentRecord)])
    half = load_source(tmp_path, RESAMPLES)
    assert "ImageQA" not in render_model_card_section(half.run, half.groups)


def test_the_command_writes_all_three(run: Path, tmp_path: Path) -> None:
    arguments = [
        "--hub-results",
        str(tmp_path),
        "--every-eval-ever",
        str(tmp_path),
        "--model-card",
        str(tmp_path / "c.md"),
    ]
    done = CliRunner().invoke(app, ["submit", "export", str(run), *arguments])
    assert done.exit_code == 0, done.output
    assert (tmp_path / ".eval_results" / "qreal_bench.yaml").is_file()
    assert (tmp_path / "c.md").read_text().startswith("## Q-Real Bench")
    assert len(list(tmp_path.rglob("*_samples.jsonl"))) == 1
    assert CliRunner().invoke(app, ["submit", "export", str(run)]).exit_code == 1


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that asked the paper's bare queries."""
    folder = tmp_path_factory.mktemp("bare")
    records = on(simulated(small_references(), style=Style.PAPER), "org/q-real@v1")
    write_run(folder, records, style=Style.PAPER, model_args="pretrained=org/model,revision=abc")
    return folder


def test_the_hub_ranks_no_bare_queries(bare: Path, tmp_path: Path) -> None:
    source = load_source(bare, RESAMPLES)
    message = (
        "asked the paper's bare queries, and the hub's tasks stand for the benchmark's prompts.*Run --tasks qreal,"
    )
    with pytest.raises(ExportError, match=message):
        build_hub_entries(source)
    done = CliRunner().invoke(app, ["submit", "export", str(bare), "--hub-results", str(tmp_path)])
    assert done.exit_code == 1
    assert "never ranked together" in done.output
    assert list(tmp_path.iterdir()) == []


def test_every_eval_ever_has_a_benchmark_for_each_style(source: ExportSource, bare: Path, tmp_path: Path) -> None:
    found = {}
    for one in (source, load_source(bare, RESAMPLES)):
        path = write_every_eval_ever(one, tmp_path)
        printed, lines = _read(path)
        names = {line["evaluation_name"] for line in lines}
        results = printed["evaluation_results"]
        ids = {result["metric_config"]["metric_id"] for result in results}
        named = {result["evaluation_name"] for result in results}
        found[one.run.style] = (path.relative_to(tmp_path).parts[1], printed["evaluation_id"], names, ids, named)
        for line in lines[:3]:
            told = line["input"]["raw"].endswith("Answer with one word, Yes or No.")
            assert told == (one.run.style is Style.BENCHMARK)
    plain, paper = found[Style.BENCHMARK], found[Style.PAPER]
    assert (plain[0], paper[0]) == ("qreal-bench", "qreal-bench-paper")
    assert plain[1] != paper[1]
    assert not any(a & b for a, b in zip(plain[2:], paper[2:], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("style", Style)
def test_one_folder_of_both_styles_has_two_exports(style: Style, source: ExportSource, tmp_path: Path) -> None:
    folder = mixed_run(tmp_path / "run", small_references())
    path = write_every_eval_ever(load_source(folder, RESAMPLES, style), tmp_path / "out")
    printed, _ = _read(path)
    assert printed["eval_library"]["additional_details"]["prompts"].endswith("version 2")
    prefix = {Style.BENCHMARK: "qreal_objectqa", Style.PAPER: "qreal_paper_objectqa"}[style]
    assert printed["evaluation_results"][0]["evaluation_name"].startswith(prefix)


@pytest.mark.parametrize("words", [{"post_prompt": "\nYes or no?"}, {"pre_prompt": "`Look.`\n"}])
def test_other_words_are_no_result(words: dict[str, str], records: list[Record], tmp_path: Path) -> None:
    write_run(tmp_path, asked_with_other(records, "realism_q1", **words))
    source = load_source(tmp_path, RESAMPLES)
    for write in (build_hub_entries, lambda one: write_every_eval_ever(one, tmp_path / "out")):
        with pytest.raises(ExportError, match=r"comparable only with its like\. Run it again with the prompts of the"):
            write(source)
    card = render_model_card_section(source.run, source.groups)
    assert "**Asked with other words:**" in card
    assert "`Look" not in card, "ends no backticks"


def test_a_card_says_what_was_asked(source: ExportSource, bare: Path) -> None:
    assert "asked with the benchmark's prompts (qreal), version 2;" in render_model_card_section(
        source.run, source.groups
    )
    paper = load_source(bare, 10)
    assert "asked with the paper's bare queries (qreal_paper), version 2;" in render_model_card_section(
        paper.run, paper.groups
    )


def test_of_a_submission_no_other_style_can_be_named(bare: Path, tmp_path: Path) -> None:
    pack_run(next(bare.glob("*_results.json")), tmp_path / "packed", SubmitterInfo("A model"), resamples=RESAMPLES)
    assert load_source(tmp_path / "packed", RESAMPLES, Style.PAPER).run.style is Style.PAPER
    with pytest.raises(ExportError, match="a submission with the prompts paper, --prompts says benchmark"):
        load_source(tmp_path / "packed", RESAMPLES, Style.BENCHMARK)


@pytest.mark.slow
def test_the_judge_of_the_other_style_is_not_named(tmp_path: Path) -> None:
    """Both styles in one folder, the bare queries judged last and by another judge."""
    other = JUDGE.model_copy(update={"name": "other", "temperature": 1.0})
    folder = mixed_run(tmp_path, small_references())
    results = next(folder.glob("*_results.json"))
    for path in folder.glob("*_samples_qreal_paper_*"):
        path.write_text(path.read_text(encoding="utf-8").replace(JUDGE.title, other.title), encoding="utf-8")
    printed = json.loads(results.read_text(encoding="utf-8"))
    results.write_text(json.dumps({**printed, "qreal_judge": other.model_dump(mode="json")}), encoding="utf-8")
    judges = {style: (load_source(folder, 10, style).judge or {}).get("name") for style in Style}
    assert judges == {Style.BENCHMARK: None, Style.PAPER: "other"}
    packed = {
        style: pack_run(results, tmp_path / style, SubmitterInfo("A"), style=style, resamples=10).manifest.judge
        for style in Style
    }
    assert {style: (judge or {})["name"] for style, judge in packed.items()} == {
        Style.BENCHMARK: JUDGE.name,  # a packaged one, known by its title
        Style.PAPER: "other",
    }
