"""Commands on a full disk and without permission: one line with the file, and what was there stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from refusing import qreal, refused
from small_set import small_rows, write_hub_layout
from submitted import simulated, write_run

from qreal_tasks.leaderboard.submission.references import load_references

COMMANDS: dict[str, tuple[str, str]] = {
    # command, and the file or folder that its line names
    "report": ("score {at}/run --resamples 0 --gallery 0 --html {out}/report.html", "report.html"),
    "comparison": ("compare {at}/run {at}/run --resamples 10 --html {out}/compare.html", "compare.html"),
    "submission": ("submit pack {at}/run {out}/submission --name A", "submission"),
    "submission that is named by its samples": ("submit pack {at}/run --name A", "submissions"),
    "file for the hub": ("submit export {at}/run --hub-results {out} --dataset org/set", ".eval_results"),
    "Every Eval Ever": ("submit export {at}/run --every-eval-ever {out}", "data/qreal-bench"),
    "section of a card": ("submit export {at}/run --model-card {out}/card.md", "card.md"),
    "board": ("leaderboard build {at}/submissions {out}/site --data {at}/set --cache {at}/cache", "out/site"),
    "its cache": ("leaderboard build {at}/submissions {out}/site --data {at}/set --cache {out}/cache", "out/cache"),
    "predictions": ("score --predictions {at}/answers.jsonl --data {at}/set --model m --out {out}/run", "out/run"),
    "prompts": ("data prompts {at}/set {out}/prompts.jsonl", "prompts"),
    "prompts with pictures in them": ("data prompts {at}/set {out}/prompts.jsonl --inline", "prompts.jsonl"),
    "files for VLMEvalKit": ("data export-vlmevalkit {at}/set {out}/kit", "out/kit"),
    "drawn set": ("mini {out}/mini --images 20", "mini"),
    "cache of a data set": ("data info {at}/set", "cache"),
    "answers of a judge": ("judge run {at}/run --cache {out}/judge/cache.sqlite", "out/judge"),
}
OLD = ("report.html", "compare.html", "card.md", ".eval_results/qreal_bench.yaml")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, a run on it, a submission of that and a cache of its check."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("datasets.config.HF_DATASETS_CACHE", folder / "datasets")
        write_hub_layout(folder / "set", small_rows())
        write_run(folder / "run", simulated(load_references(str(folder / "set"))))
        assert qreal("submit", "pack", folder / "run", folder / "submissions" / "a", "--name", "A")[0] == 0
        built = ("leaderboard", "build", folder / "submissions", folder / "site", "--data", folder / "set")
        assert qreal(*built, "--cache", folder / "cache")[0] == 0
        rows = small_rows()["objectqa"]["test"]
        result = [{"entity_id": row["entity_id"], "question": "r1", "prediction": "Yes"} for row in rows]
        (folder / "answers.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in result), encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("refusing", ["no room", "no permission"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_refused_command_says_it_in_a_line_and_leaves_what_was_there(
    command: str, refusing: str, at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, named = COMMANDS[command]
    out = tmp_path / "out"
    for name in OLD if refusing == "no room" else ():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("an older one")
    out.mkdir(exist_ok=True)
    monkeypatch.chdir(out)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    cache: Any = out / "cache" if command == "cache of a data set" else at / "datasets"
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", cache)
    line = refused(refusing, out, *(word.format(at=at, out=out) for word in words.split()))
    assert named in line
    assert ".new" not in line
