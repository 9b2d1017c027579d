"""Every snippet of ``docs/python.md`` runs, and prints what stands below it; so does the notebook."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from judging import scored
from PIL import Image
from predicted import WRITERS, rows_of

import qreal_tasks as qreal
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.results.run_folder import newest_results, read_run

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "python.md").read_text(encoding="utf-8")
NOTEBOOK = DOCS / "python.ipynb"
ADDRESS = "http://localhost:8000/v1"
"""Of the server in the page, and in the manifest that it uses."""

_BLOCKS = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
_LOCAL = 'qreal.Model("my-model") as model'
"""What loads torch; the fast test takes the page without that block."""

DOG = json.dumps([{"bbox_2d": [100, 250, 400, 750], "label": "dog", "description": "The fur is flat."}])


def reply_to(asked: Asked) -> Reply:
    """A judge that gives .75, and a model that finds one dog and says No to everything."""
    if isinstance(asked.body["messages"][-1]["content"], str):
        return scored(0.75)
    return completion("No", {"No": 0.75, "Yes": 0.25}) if "one word" in asked.text else completion(DOG)


@pytest.fixture
def folder(runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder of a reader, with a server at the address of the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "judgements.sqlite"))
    Path("runs").mkdir()
    for name, run in zip("AB", runs, strict=True):
        Path("runs", name).symlink_to(run)
    Path("answers.csv").write_bytes(WRITERS["a.csv"](rows_of(read_run(newest_results(runs[0])))))
    for name in ("dog", "cat"):
        Image.new("RGB", (100, 80), "teal").save(f"{name}.png")
    with ScriptedServer(reply_to) as server:
        monkeypatch.setattr(f"{__name__}.ADDRESS_HERE", server.url)
        manifest = (DOCS.parent / "configs" / "eval" / "judge-local.yaml").read_text(encoding="utf-8")
        Path("judge.yaml").write_text(manifest.replace(ADDRESS, server.url), encoding="utf-8")
        yield tmp_path


ADDRESS_HERE = ""
"""Where that server really is."""


def run_page(blocks: list[tuple[str, str]]) -> dict[str, Any]:
    """All blocks in one namespace; each prints what the page says, where it says something."""
    names: dict[str, Any] = {}
    for code, expected in blocks:
        out = io.StringIO()
        with redirect_stdout(out):
            exec(compile(code.replace(ADDRESS, ADDRESS_HERE), "docs/python.md", "exec"), names)
        if expected:
            assert out.getvalue() == expected, code
    return names


def test_the_page_but_for_the_model_in_memory(folder: Path) -> None:
    blocks = [(code, text) for code, text in _BLOCKS.findall(PAGE) if _LOCAL not in code]
    assert len(blocks) == PAGE.count("```python") - 1
    names = run_page(blocks)
    assert names["always_yes"].scores(resamples=0).objectqa["realism_q1"]["recall"].value == 1
    assert qreal.load_run(folder / "runs" / "mine").model == "My model"
    assert len(names["missed"]) > 0
    assert len(names["made_up"]) > 0
    assert {one.score for one in names["many"]} == {0.75}
    assert names["judged"].scores(resamples=0).imageqa["realism"]["llm_score"].value == pytest.approx(0.75)
    assert names["dog"].is_flawed("realism") is True


@pytest.mark.slow
def test_a_model_in_memory(folder: Path) -> None:
    from saying import write_saying

    from qreal_tasks.models.tiny import write_tiny_qwen2_5_vl

    write_tiny_qwen2_5_vl(Path("tiny"))
    write_saying(Path("my-model"), Path("tiny"), DOG.replace("[100, 250, 400, 750]", "[10, 20, 40, 60]"))
    [block] = [(code, "") for code, _ in _BLOCKS.findall(PAGE) if _LOCAL in code]
    names = run_page([("import qreal_tasks as qreal", ""), block])
    assert [entity.label for entity in names["found"].entities] == ["dog"]
    # It writes its boxes to the six questions too, which is neither Yes nor No.
    answers = names["found"].entities[0].answers
    assert len(answers) == 6
    assert all(one.answer is None and one.reason and one.p_yes is None for one in answers.values())
    assert [len(one.entities) for one in names["several"]] == [1, 1]
    assert Image.open("dog-with-boxes.png").size == (100, 80)


def cells(kind: str) -> list[str]:
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == kind]


def test_the_notebook_holds_no_outputs_and_nothing_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    notebook = json.loads(text)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert len(text) < 20_000
    assert not re.search(r"/(tmp|root|home|work|Users)/", text)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QREAL_DATA", raising=False)
    names: dict[str, Any] = {}
    for number, code in enumerate(cells("code"), start=1):
        exec(compile(code, f"docs/python.ipynb, code cell {number}", "exec"), names)
    assert len(names["answers"]) == 6 * sum(len(row["entities"]) for row in names["rows"])
    assert names["comparison"].comparison.runs[0].objectqa.keys() >= {"realism_q1", "plausibility_q4"}
    assert names["drawn"].size == names["found"].image.size
