"""Files of prompts: the words and pixels of the live tasks, and ids that say how to read the answers."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from PIL import Image
from refusing import qreal
from small_set import encoded, small_rows, write_hub_layout

from qreal_tasks.benchmark import GROUPS, IMAGEQA_SETS, LEAVES, QUESTION_NAMES, Style
from qreal_tasks.boxes import Space
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.harness import hooks
from qreal_tasks.images import as_rgb
from qreal_tasks.leaf_tasks import TASKS_FOLDER, Half
from qreal_tasks.prompt_files.chat_formats import MAX_TOKENS
from qreal_tasks.prompt_files.picture_files import CROPS, IMAGES, picture_name
from qreal_tasks.prompt_files.prompt_id import PromptId, parse_prompt_id
from qreal_tasks.samples import in_human_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small set, with a transparent picture and one with a profile among them."""
    rows = small_rows()
    glass = Image.new("RGBA", (100, 80), (200, 0, 0, 90))
    rows["imageqa"]["test"][0]["image"] = encoded(glass)
    return write_hub_layout(tmp_path_factory.mktemp("data"), rows)


def write(data: Path, out: Path, *arguments: str) -> list[dict[str, Any]]:
    status, result = qreal("data", "prompts", data, out, *arguments)
    assert status == 0, result
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def asked_live(data: Path, style: Style) -> Iterator[tuple[str, str, Image.Image]]:
    """Id, words and picture of every prompt, as the hooks of the harness give them."""
    before = "paper_" if style is Style.PAPER else ""
    for config, names, key in (("objectqa", QUESTION_NAMES, "entity_id"), ("imageqa", IMAGEQA_SETS, "image_id")):
        for row in load_split(locate(str(data)), config, "test"):
            for name in names:
                if name != "human_plausibility" or in_human_set(row):
                    text = getattr(hooks, f"{before}text_{name}")(row)
                    yield f"{GROUPS[style]}_{config}_{name}:{row[key]}", text, hooks.visual(row)[0]


@pytest.mark.parametrize("style", Style)
def test_words_and_pixels_are_those_of_the_tasks(style: Style, data: Path, tmp_path: Path) -> None:
    found = write(data, tmp_path / "p.jsonl", "--prompts", style)
    expected = list(asked_live(data, style))
    assert [line["id"] for line in found] == [prompt_id for prompt_id, _, _ in expected]
    for line, (_, text, picture) in zip(found, expected, strict=True):
        image, words = line["messages"][0]["content"]
        assert words == {"type": "text", "text": text}
        with Image.open(unquote(urlsplit(image["image_url"]["url"]).path)) as stored:
            assert (stored.mode, stored.size) == ("RGB", picture.size)
            assert stored.tobytes() == picture.tobytes()
            assert stored.info == {}


@pytest.mark.parametrize("space", Space)
def test_the_sentence_about_boxes_is_that_of_the_declared_space(
    space: Space, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_BOX_SPACE", space)
    family = ("--family", "qwen2_5_vl") if space is Space.RESIZED_PIXELS else ()
    only = ("--only", "realism", "--only", "realism_q1")
    found = write(data, tmp_path / "p.jsonl", "--box-space", space, *family, *only)
    expected = {prompt_id: text for prompt_id, text, _ in asked_live(data, Style.BENCHMARK)}
    for line in found:
        prompt_id = parse_prompt_id(line["id"])
        assert prompt_id is not None
        text = line["messages"][0]["content"][1]["text"]
        assert text == expected[f"{prompt_id.task}:{prompt_id.sample_id}"]
        assert prompt_id.space == (space if "_imageqa_" in prompt_id.task else None)
    assert {line["id"].partition("@")[0].partition(":")[0] for line in found} == {
        "qreal_objectqa_realism_q1",
        "qreal_imageqa_realism",
    }


def test_pictures_of_a_family_have_the_size_that_it_sees(data: Path, tmp_path: Path) -> None:
    found = write(data, tmp_path / "p.jsonl", "--family", "qwen2_5_vl", "--only", "realism", "--format", "swift")
    assert found
    for line in found:
        prompt_id = parse_prompt_id(line["id"])
        assert prompt_id is not None
        assert (prompt_id.space, prompt_id.input_size) == (Space.RESIZED_PIXELS, (112, 84))
        with Image.open(line["images"][0]) as stored:
            assert stored.size == prompt_id.input_size


def test_lines_of_ms_swift(data: Path, tmp_path: Path) -> None:
    chat = write(data, tmp_path / "p.jsonl")
    swift = write(data, tmp_path / "s.jsonl", "--format", "swift")
    for line, other in zip(swift, chat, strict=True):
        assert line["id"] == other["id"]
        text = other["messages"][0]["content"][1]["text"]
        assert line["messages"] == [{"role": "user", "content": f"<image>{text}"}]
        assert [Path(one).is_file() for one in line["images"]] == [True]


def test_pictures_in_the_lines(data: Path, tmp_path: Path) -> None:
    found = write(data, tmp_path / "p.jsonl", "--inline", "--only", "plausibility")
    assert [one.name for one in tmp_path.iterdir()] == ["p.jsonl"]
    rows = load_split(locate(str(data)), "imageqa", "test")
    for line, row in zip(found, rows, strict=True):
        url = line["messages"][0]["content"][0]["image_url"]["url"]
        picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        assert picture.tobytes() == as_rgb(row["image"]).tobytes()


def test_a_second_file_takes_the_place_of_the_first(data: Path, tmp_path: Path) -> None:
    write(data, tmp_path / "p.jsonl")
    found = write(data, tmp_path / "p.jsonl", "--only", "realism")
    assert len(found) == 3
    assert sorted(one.name for one in tmp_path.iterdir()) == ["p-pictures", "p.jsonl"]
    assert [one.name for one in (tmp_path / "p-pictures").iterdir()] == ["images"]


def test_a_folder_of_others_stays(data: Path, tmp_path: Path) -> None:
    (tmp_path / "p-pictures").mkdir()
    (tmp_path / "p-pictures" / "mine.txt").write_text("mine", encoding="utf-8")
    status, result = qreal("data", "prompts", data, tmp_path / "p.jsonl")
    assert status == 1
    assert "is not empty" in result
    assert sorted(one.name for one in tmp_path.iterdir()) == ["p-pictures"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--only", "q1"), "--only q1: expected one of realism_q1"),
        (("--box-space", "pixel"), "'pixel': expected one of pixels"),
        (("--box-space", "resized_pixels"), "give family="),
        (("--family", "gpt"), "family=gpt is not known"),
        (("--max-pixels", "100000"), "pictures are sent in their own size"),
        (("--format", "csv"), "--format csv: expected openai or swift"),
    ],
)
def test_what_cannot_be_asked(arguments: tuple[str, ...], expected: str, data: Path, tmp_path: Path) -> None:
    status, result = qreal("data", "prompts", data, tmp_path / "p.jsonl", *arguments)
    assert status == 1
    assert expected in result
    assert list(tmp_path.iterdir()) == []


def test_the_tokens_of_an_answer_are_those_of_the_tasks() -> None:
    for half, name in ((Half.OBJECTQA, "_objectqa"), (Half.IMAGEQA, "_imageqa")):
        text = (TASKS_FOLDER / name).read_text(encoding="utf-8").replace("!function", "")
        assert yaml.safe_load(text)["generation_kwargs"]["max_new_tokens"] == MAX_TOKENS[half]


def test_ids_are_read_back() -> None:
    for task in LEAVES:
        for sample in ("img-7#0", "a:b@c", "ü (1x2):", "7"):
            for space, size in ((None, None), (Space.UNIT, None), (Space.RESIZED_PIXELS, (1036, 784))):
                prompt_id = PromptId(task, sample, space, size)
                assert parse_prompt_id(str(prompt_id)) == prompt_id
    for other in ("", "7", "qreal_objectqa_realism_q9:a", "qreal_imageqa_realism@mm:a", "qreal_imageqa_realism"):
        assert parse_prompt_id(other) is None


def test_names_of_pictures_differ_and_are_plain() -> None:
    ids = ["a", "A", "a b", "a/b", "a#b", "", "x" * 500, "ü", "ж", "../../etc"]
    names = {picture_name(folder, one) for folder in (CROPS, IMAGES) for one in ids}
    assert len(names) == 2 * len(ids)
    assert {name.count("/") for name in names} == {1}
    assert max(map(len, names)) < 120
    assert all(name.isascii() and ".." not in name for name in names)
