"""The page: text stays text, and nothing is loaded from anywhere."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path
from typing import Any

import pytest
from annotating import answer, config_for, stage_of, write_pictures

from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.preview.page import write_preview
from qreal_tasks.benchmark import QUESTIONS
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.shards.executors import ExecutorOptions

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> & \"'"


class Page(html.parser.HTMLParser):
    """What a browser would see: elements, attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def hostile_page(tmp_path: Path, models: Path) -> Page:
    """Names, descriptions, prompts and file names with HTML in them."""

    def script(asked: Asked) -> Reply:
        if stage_of(asked) == "entities":
            return completion(json.dumps({"entities": [{"name": f"dog {HOSTILE}", "is_person": True}] * 2}))
        result = json.loads(answer(asked).body["choices"][0]["message"]["content"])  # type: ignore[call-overload,index]
        hostile = {
            name: HOSTILE if "description" in name or stage_of(asked) == "parts" else result[name] for name in result
        }
        return completion(json.dumps(hostile))

    images = write_pictures(tmp_path / "images", 3)
    for path in list(images.rglob("*.png")):
        path.with_suffix(".txt").write_text(HOSTILE)
        path.rename(path.with_name("<b onclick=x>'\".png"))
    for path in list(images.rglob("*.txt")):
        path.rename(path.with_name("<b onclick=x>'\".txt"))
    with ScriptedServer(script) as server:
        config = config_for(server.url, models, detection={"threshold": 0.01, "second_threshold": 0.01})
        run = init_run(str(images), tmp_path / "run", config, ExecutorOptions(), Watcher())
        run_stages(run, RunOptions(), Watcher())
    assert write_preview(run, tmp_path / "page.html", 50) == 3
    return Page((tmp_path / "page.html").read_text(encoding="utf-8"))


def test_html_is_shown_as_text(hostile_page: Page) -> None:
    tags = {tag for tag, _ in hostile_page.elements}
    assert not tags & {"script", "b onclick", "iframe", "link"}
    assert not [name for _, attributes in hostile_page.elements for name in attributes if name.startswith("on")]
    # Prompt, both descriptions, parts, merged remark.
    assert hostile_page.text.count("<script>alert(1)</script>") >= 8
    assert "<b onclick=x>'\".png" in hostile_page.text
    # In lower case, as names are looked for; given twice, once left out with its own spelling.
    assert f"dog {HOSTILE.lower()}".replace("?", "") in hostile_page.text


def test_nothing_is_loaded_from_elsewhere(hostile_page: Page) -> None:
    sources = [attributes["src"] or "" for tag, attributes in hostile_page.elements if tag == "img"]
    assert len(sources) == 3
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert [attributes["href"] for _, attributes in hostile_page.elements if "href" in attributes] == ["#main"]
    policy = next(a["content"] for tag, a in hostile_page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy or "")


def test_boxes_scores_and_answers_are_on_it(chain: Any, tmp_path: Path) -> None:
    assert write_preview(chain.run, tmp_path / "page.html", 10) == 10
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    boxes = [a["style"] or "" for tag, a in page.elements if (a.get("class") or "").startswith("box mark-")]
    detected = [row for shard in (0, 1) for row in chain.run.read("detection", shard)]
    shown = {picture.image_id for shard in (0, 1) for picture in chain.run.pictures(shard)[: 8 if shard == 0 else 2]}
    expected = [row["bbox"] for row in detected if row["image_id"] in shown and row["bbox"]]
    assert len(boxes) == len(expected)
    left = [float(re.search(r"left: ([\d.]+)%", style)[1]) for style in boxes]  # type: ignore[index]
    assert left == pytest.approx([100 * box[0] / 224 for box in expected], abs=1e-3)
    assert re.search(r"quality \.\d{3}", page.text)
    assert "plausibility flawed" in page.text
    assert all(question.about in page.text for question in QUESTIONS)


def test_a_run_under_way_is_shown_as_far_as_it_has_come(tmp_path: Path, models: Path) -> None:
    images = write_pictures(tmp_path / "images", 4)
    with ScriptedServer(answer) as server:
        run = init_run(str(images), tmp_path / "run", config_for(server.url, models), ExecutorOptions(), Watcher())
        for stages, text in [
            ((), "Entities: pending."),
            (("entities",), "Boxes: pending."),
            (("detection",), "pending"),
        ]:
            run_stages(run, RunOptions(stages=stages), Watcher())
            write_preview(run, tmp_path / "page.html", 2)
            assert text in (tmp_path / "page.html").read_text(encoding="utf-8")
