"""Which family a model is of: from its name, from what a server says is behind the name, or because it is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from resizing_server import models_list

from qreal_tasks.boxes import Space
from qreal_tasks.llm.http import MAX_ANSWER_BYTES
from qreal_tasks.llm.scripted_server import Reply, ScriptedServer, completion
from qreal_tasks.models.families import (
    FAMILIES,
    find_box_space,
    find_family_by_name,
    find_family_by_type,
    find_named_family,
)
from qreal_tasks.models.server.served_model import served_family

NAMES = {
    "qwen2_vl": ["Qwen2-VL", "Qwen/Qwen2-VL-7B-Instruct", "qwen2vl"],
    "qwen2_5_vl": [
        *("Qwen2.5-VL", "qwen2_5_vl", "qwen2.5vl:7b", "qwen25vl", "qwen2-5-vl", "Qwen/Qwen2.5-VL-7B-Instruct-AWQ"),
        *("/models/Qwen2.5-VL-7B-Instruct/", "D:\\models\\qwen2.5-vl-3b", "/data/Qwen2.5-VL/checkpoint-300"),
        "/cache/models--Qwen--Qwen2.5-VL-7B-Instruct/snapshots/0123abcd",
    ],
    "qwen3_vl": ["qwen3-vl", "Qwen/Qwen3-VL-30B-A3B-Instruct", "qwen3-vl-plus"],
    "qwen3_5": ["Qwen/Qwen3.5-27B", "qwen3.6-plus", "qwen3_5"],
    "internvl": ["InternVL2_5-8B", "OpenGVLab/InternVL3-8B-hf", "InternVL3_5-8B", "/data/qwen2.5-vl/InternVL3-8B"],
    "llava": ["llava-v1.6", "llava-hf/llava-v1.6-mistral-7b-hf", "llava-1.5-7b-hf", "llava_v1_6", "llava:13b"],
    "gemini": ["gemini-2.5-pro", "google/gemini-2.5-flash", "models/gemini-1.5-pro", "Gemini-3-Pro"],
    "glm4v": ["GLM-4.5V", "zai-org/GLM-4.1V-9B-Thinking", "glm-4.6v-flash"],
    "minicpmv": ["openbmb/MiniCPM-V-4_5", "MiniCPM-o-2_6"],
    "deepseek_vl2": ["deepseek-ai/deepseek-vl2-small"],
    None: [
        *("gpt-4o", "judge", "", "Qwen2.5-72B", "Qwen3-8B", "Qwen3-5B", "qwen-vl-max", "llava-onevision-qwen2-7b-ov"),
        *("Video-LLaVA-7B", "gemma-3-27b-it", "Molmo-7B-D", "Kimi-VL-A3B", "myqwen2.5-vl", "qwen2.5-omni-7b"),
        *("InternVL3-distilled-from-Qwen2.5-VL", "InternVL-Chat-V1-2", "llava-next-video-7b"),
        *("gemini-embedding-001", "google/gemini-embedding-exp"),
    ],
}


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, names in NAMES.items() for name in names])
def test_families_by_name(family: str | None, name: str) -> None:
    found = find_family_by_name(name)
    assert (found and found.name) == family


def test_every_family_is_found_by_its_name_and_types_and_says_where_from() -> None:
    assert set(NAMES) - {None} == {family.name for family in FAMILIES}
    for family in FAMILIES:
        assert find_named_family(family.name) is family
        assert all(
            find_family_by_type(kind) is family and find_named_family(kind) is family for kind in family.model_types
        )
        assert len(family.source) > 10
    kinds = [kind for family in FAMILIES for kind in family.model_types]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(
    ("model_type", "space"),
    [
        ("qwen2_vl", Space.NORM1000),
        ("qwen2_5_vl", Space.RESIZED_PIXELS),
        ("qwen3_vl", Space.NORM1000),
        ("internvl", Space.NORM1000),
        ("internvl_chat", Space.NORM1000),
        ("llava", Space.UNIT),
        ("llava_next", Space.UNIT),
        ("llava_onevision", Space.NORM1000),
    ],
)
def test_spaces_by_type(model_type: str, space: Space) -> None:
    assert find_box_space(model_type) is space


Server = Callable[[Path], Reply]

BEHIND: dict[str, tuple[Server, str | None, str]] = {
    "a hub id behind an alias": (
        lambda _: models_list({"id": "judge", "root": "Qwen/Qwen2.5-VL-7B-Instruct", "parent": None}),
        "qwen2_5_vl",
        "judge is Qwen/Qwen2.5-VL-7B-Instruct",
    ),
    "a path of another machine": (
        lambda _: models_list({"id": "judge", "root": "/there/InternVL3-8B"}),
        "internvl",
        "judge is /there/InternVL3-8B",
    ),
    "a folder of this machine with any name": (
        lambda folder: models_list({"id": "judge", "root": str(folder / "tuned")}),
        "qwen2_5_vl",
        "tuned, a qwen2_5_vl",
    ),
    "a folder whose config is of another family than its name": (
        lambda folder: models_list({"id": "judge", "root": str(folder / "Qwen2.5-VL-like")}),
        None,
        "Qwen2.5-VL-like, a novel",
    ),
    "an adapter and its base": (
        lambda _: models_list(
            {"id": "base", "root": "Qwen/Qwen2.5-VL-7B-Instruct"},
            {"id": "judge", "root": "/there/adapters/7", "parent": "base"},
        ),
        "qwen2_5_vl",
        "judge is Qwen/Qwen2.5-VL-7B-Instruct",
    ),
    "an adapter whose base is not listed": (
        lambda _: models_list({"id": "judge", "root": "/there/adapters/7", "parent": "Qwen/Qwen2-VL-2B"}),
        "qwen2_vl",
        "judge is Qwen/Qwen2-VL-2B",
    ),
    "bases in a ring": (
        lambda _: models_list({"id": "judge", "root": "x", "parent": "y"}, {"id": "y", "root": "y", "parent": "judge"}),
        None,
        "judge, x, y",
    ),
    "only others": (lambda _: models_list({"id": "other", "root": "Qwen/Qwen2.5-VL-7B-Instruct"}), None, "judge"),
    "no root": (lambda _: models_list({"id": "judge"}), None, "judge"),
    "no such page": (lambda _: Reply({"detail": "Not Found"}, status=404), None, "judge"),
    "an error": (lambda _: Reply("busy", status=503), None, "judge"),
    "no JSON": (lambda _: Reply("<html>"), None, "judge"),
    "another form": (lambda _: Reply({"data": {"id": "judge"}}), None, "judge"),
    "rows of another form": (lambda _: Reply({"data": [1, {"root": "x"}, {"id": 5}, None]}), None, "judge"),
    "a list": (lambda _: Reply("[]"), None, "judge"),
    "a list without end": (lambda _: Reply(b'{"data": [' + b" " * (MAX_ANSWER_BYTES + 1)), None, "judge"),
    "a connection that breaks off": (lambda _: Reply(drop=True), None, "judge"),
    "a list nested without end": (lambda _: Reply(b"[" * 10**5), None, "judge"),
    "another model in sheep's clothing": (
        lambda _: models_list({"id": "judge", "root": {"path": "Qwen2.5-VL"}, "parent": 3}),
        None,
        "judge",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BEHIND)
def test_what_is_behind_the_name_of_a_server(case: str, tmp_path: Path) -> None:
    server, family, told_by = BEHIND[case]
    for name, model_type in {"tuned": "qwen2_5_vl", "Qwen2.5-VL-like": "novel"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": model_type}), encoding="utf-8")
    with ScriptedServer(lambda _: completion("Yes"), models=server(tmp_path)) as served:
        found = served_family("judge", served.url)
    assert (found.family and found.family.name) == family
    assert found.told_by.endswith(told_by)


def test_what_is_behind_a_name_counts_more_than_the_name() -> None:
    with ScriptedServer(
        lambda _: completion("Yes"), models=models_list({"id": "qwen2.5-vl", "root": "OpenGVLab/InternVL3-8B"})
    ) as served:
        found = served_family("qwen2.5-vl", served.url)
    assert found.family is not None
    assert (found.family.name, found.told_by) == ("internvl", "qwen2.5-vl is OpenGVLab/InternVL3-8B")


@pytest.mark.parametrize(
    ("given", "family"),
    [
        ({"model": "qwen2.5-vl"}, "qwen2_5_vl"),
        ({"model": "judge"}, None),
        ({"model": "judge", "family": "internvl_chat"}, "internvl"),
        ({"model": "qwen2.5-vl", "family": "Qwen3-VL"}, "qwen3_vl"),
        ({"model": "google/gemini-2.5-pro", "base_url": None}, "gemini"),
        ({"model": "qwen2.5-vl", "base_url": "http://user:secret@127.0.0.1:9/v1"}, "qwen2_5_vl"),
    ],
)
def test_no_server_is_needed(given: dict[str, Any], family: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not have started; that is said when it is asked a question."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    found = served_family(**{"base_url": "http://127.0.0.1:9/v1", **given}).family
    assert (found and found.name) == family


def test_the_address_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(
        lambda _: completion("Yes"), models=models_list({"id": "judge", "root": "OpenGVLab/InternVL3-8B"})
    ) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url + "/")
        found = served_family("judge").family
    assert found is not None
    assert found.name == "internvl"


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match=r"family=qwen9 is not known, expected one of qwen2_vl, .*set QREAL_BOX_SPACE"):
        served_family("judge", family="qwen9")
