"""The same answers through ``qreal eval`` and through ``--predictions``: the same prompts, records and numbers."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from predicted import (
    WRITERS,
    answers_of,
    as_named,
    assert_equal_runs,
    page_of,
    read,
    rows_of,
    write_kit_results,
    write_rows,
    write_swift_results,
)
from refusing import qreal

from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, token
from qreal_tasks.results.run_folder import newest_results

pytestmark = pytest.mark.harness

SPACE = "norm1000_yx"


@dataclass(frozen=True)
class Live:
    """A run on the embedded set by a model behind a server, and what the server was asked."""

    folder: Path
    asked: frozenset[tuple[str, str]]
    """Words, and a digest of the picture."""


def digest(picture: Image.Image) -> str:
    return hashlib.sha256(picture.convert("RGB").tobytes() + repr(picture.size).encode()).hexdigest()


def answer(asked: Asked) -> Reply:
    """An answer that differs from prompt to prompt, with what is hard to store in it."""
    seed = hashlib.sha256((asked.text + digest(asked.image)).encode()).digest()
    if "one word" in asked.text:
        p_yes = int.from_bytes(seed[:4]) / 2**32
        output = "Yes" if p_yes > 0.5 else "No"
        entry = token(output, 0.9 * max(p_yes, 1 - p_yes), {"Yes": 0.9 * p_yes, "No": 0.9 * (1 - p_yes)})
        text, logprobs = ("It is hard to say." if seed[4] < 12 else output), {"content": [entry]}
        logprobs = {"content": []} if seed[4] < 12 else logprobs
        return Reply({"choices": [{"message": {"content": text}, "finish_reason": "stop", "logprobs": logprobs}]})
    boxes = [
        {
            "box_2d": [b[0], b[1], b[0] + 200 + b[2], b[1] + 200 + b[3]],
            "label": 'a "dog"; x',
            "description": "é,\tno\r\n",
        }
        for b in (seed[at : at + 4] for at in range(0, 4 * (seed[31] % 4), 4))
    ]
    text = f"Here:\r\n\n```json\n{json.dumps(boxes, ensure_ascii=False)}\n```" if seed[5] > 12 else "I cannot,\nsorry."
    return Reply({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    folder = tmp_path_factory.mktemp("live")
    with ScriptedServer(answer) as server:
        arguments = f"model=any,base_url={server.url},concurrency=8,store={folder / 'answers.sqlite'}"
        command = (str(Path(sys.executable).parent / "qreal"), "eval", "--model", "qreal_openai")
        done = subprocess.run(
            [*command, "--model_args", arguments, "--tasks", "qreal", "--output_path", str(folder / "run")],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "OPENAI_API_KEY": "none", "QREAL_BOX_SPACE": SPACE, "QREAL_DATA": "mini"},
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        asked = frozenset((one.text, digest(one.image)) for one in server.asked)
    return Live(newest_results(folder / "run").parent, asked)


def export(kind: str, out: Path, *arguments: str) -> None:
    status, output = qreal("data", kind, "mini", out, "--box-space", SPACE, *arguments)
    assert status == 0, output


def score(tmp_path: Path, *paths: Path) -> Path:
    given = [word for path in paths for word in ("--predictions", path)]
    status, output = qreal(
        "score", *given, "--data", "mini", "--model", "m", "--out", tmp_path / "run", "--resamples", "0"
    )
    assert status == 0, output
    return tmp_path / "run"


def test_prompts_and_pictures_are_those_that_were_asked(live: Live, tmp_path: Path) -> None:
    export("prompts", tmp_path / "p.jsonl", "--inline")
    found = set()
    for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines():
        image, words = json.loads(line)["messages"][0]["content"]
        picture = Image.open(io.BytesIO(base64.b64decode(image["image_url"]["url"].partition(",")[2])))
        found.add((words["text"], digest(picture)))
    assert found == live.asked


@pytest.mark.parametrize("name", WRITERS)
def test_in_every_format(name: str, live: Live, tmp_path: Path) -> None:
    path = write_rows(tmp_path / name, rows_of(read(live.folder)))
    assert_equal_runs(live.folder, score(tmp_path, path))


@pytest.mark.parametrize("suffix", ["xlsx", "tsv", "json"])
def test_through_vlmevalkit(suffix: str, live: Live, tmp_path: Path) -> None:
    export("export-vlmevalkit", tmp_path / "kit")
    answers = answers_of(read(live.folder))
    paths = [write_kit_results(file, answers, suffix) for file in sorted((tmp_path / "kit").glob("QReal_*.tsv"))]
    assert_equal_runs(live.folder, score(tmp_path, *paths), probabilities=False)


def test_through_swift_infer(live: Live, tmp_path: Path) -> None:
    export("prompts", tmp_path / "p.jsonl", "--format", "swift")
    path = write_swift_results(tmp_path / "p.jsonl", answers_of(read(live.folder)), tmp_path / "result.jsonl")
    assert_equal_runs(live.folder, score(tmp_path, path), probabilities=False)


def test_the_report_is_the_same_page(live: Live, tmp_path: Path) -> None:
    folder = score(tmp_path, write_rows(tmp_path / "a.parquet", rows_of(read(live.folder))))
    first = read(live.folder)
    expected = page_of(first, tmp_path / "live.html")
    assert page_of(as_named(read(folder), first), tmp_path / "found.html") == expected
