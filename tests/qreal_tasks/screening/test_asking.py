"""Which model is asked what, and what identifies that: files and words that change a number, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from scripted_screening import AnsweringEngine, picture

from qreal_tasks.api.asking import Model
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.screening.asking import AskingSettings, PictureAsker, TwoModels, identify_asking


def settings(**changes: Any) -> AskingSettings:
    return AskingSettings.model_validate({"model": "m", "server": "http://127.0.0.1:9/v1", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"server": "http://elsewhere:8000/v1"},
        {"options": {"concurrency": 8, "timeout_s": 3}},
        {"sets": ["realism", "plausibility", "realism"]},
    ],
)
def test_where_and_how_fast_a_model_is_asked_is_no_part(changes: dict[str, Any]) -> None:
    assert identify_asking(settings(**changes)) == identify_asking(settings())


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "another"},
        {"sets": ["realism"]},
        {"detect": False},
        {"prompts": "paper"},
        {"box_space": "unit"},
        {"options": {"max_pixels": 1000}},
        {"crop_model": {"model": "small", "server": "http://127.0.0.1:9/v1"}},
    ],
)
def test_what_decides_a_number_is_a_part(changes: dict[str, Any]) -> None:
    found = identify_asking(settings(**changes))
    assert found != identify_asking(settings())
    assert json.loads(json.dumps(found)) == found


@pytest.mark.slow
def test_a_folder_is_known_by_its_files_wherever_it_is(tmp_path: Path) -> None:
    from qreal_tasks.models.tiny.qwen import write_tiny_qwen2_5_vl

    write_tiny_qwen2_5_vl(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "moved")
    one, moved = (identify_asking(AskingSettings(model=str(tmp_path / name))) for name in ("one", "moved"))
    assert one == moved
    weights = tmp_path / "moved" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert identify_asking(AskingSettings(model=str(tmp_path / "moved"))) != one


def test_crops_go_to_the_other_model_and_its_answers_come_back_in_place() -> None:
    finding, judging = AnsweringEngine(), AnsweringEngine(lambda one: Response("No", one.choices, p=(0.25, 0.75)))
    asking = settings(server=None)
    whole = PictureAsker(asking, Model(finding))
    crops = PictureAsker(asking, Model(TwoModels(Model(finding), Model(judging))))
    pictures = [picture(1), picture(2)]
    alone, both = whole.ask(pictures), crops.ask(pictures)
    assert [[one.box_px for one in found.entities] for found in both] == [
        [one.box_px for one in found.entities] for found in alone
    ]
    assert {one.p_yes for found in both for entity in found.entities for one in entity.answers.values()} == {0.25}
    assert all(isinstance(one, Request) and one.choices for one in judging.asked)
    assert sum(bool(one.choices) for one in finding.asked) == len(judging.asked) > 0
