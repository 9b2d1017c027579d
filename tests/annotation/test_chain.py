"""From pictures to records: what comes out of a whole run."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotating import CHAIN_IMAGES, answer, config_for, stage_of, write_pictures
from datasets import Dataset, concatenate_datasets
from PIL import Image, ImageChops
from small_set import write_hub_layout

from annotation.config import dump_config
from annotation.execution.driver import RunOptions, Watcher, discard_failed, init_run, run_stages
from annotation.run.chain import STAGES, stages_after
from annotation.run.folder import RunFolder
from annotation.run.schemas import State
from qreal_tasks.benchmark import BODY_PARTS
from qreal_tasks.dataset.check import check_dataset
from qreal_tasks.dataset.columns import wrong_columns
from qreal_tasks.dataset.schema import FEATURES
from qreal_tasks.dataset.source import locate
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.shards.executors import ExecutorOptions

pytestmark = pytest.mark.slow


def rows_of(run: RunFolder, stage: str) -> list[dict[str, Any]]:
    return [row for shard in run.shard_numbers for row in run.read(stage, shard)]


def test_records_are_rows_of_the_dataset(chain: Any) -> None:
    for config, features in FEATURES.items():
        paths = [str(chain.run.shard_path(config, shard)) for shard in chain.run.shard_numbers]
        dataset = concatenate_datasets([Dataset.from_parquet(path, keep_in_memory=True) for path in paths])
        assert wrong_columns(dataset.features, features) is None
        assert dataset.features == features
        assert len(dataset) >= CHAIN_IMAGES


def test_records_pass_the_check_of_datasets(chain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a dataset in hub layout, split by prompt, with the same check that users run."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = {config: rows_of(chain.run, config) for config in FEATURES}
    prompts = sorted({row["prompt_id"] for row in rows["imageqa"]})
    train = set(prompts[: len(prompts) // 2])
    splits = {
        config: {
            "train": [row for row in rows[config] if row["prompt_id"] in train],
            "test": [row for row in rows[config] if row["prompt_id"] not in train],
        }
        for config in FEATURES
    }
    assert check_dataset(locate(str(write_hub_layout(tmp_path / "dataset", splits)))) == []


def test_pictures_are_the_files_and_crops_their_pixels(chain: Any) -> None:
    files = {path.read_bytes() for path in chain.images.rglob("*.png")}
    images = {row["image_id"]: row for row in rows_of(chain.run, "imageqa")}
    assert {row["image"]["bytes"] for row in images.values()} <= files
    for row in rows_of(chain.run, "objectqa"):
        crop = Image.open(io.BytesIO(row["image"]["bytes"]))
        whole = Image.open(io.BytesIO(images[row["image_id"]]["image"]["bytes"])).convert("RGB")
        x1, y1 = int(row["bbox"][0]), int(row["bbox"][1])
        cut = whole.crop((x1, y1, x1 + crop.width, y1 + crop.height))
        assert crop.format == "PNG"
        assert ImageChops.difference(crop, cut).getbbox() is None
        assert x1 + crop.width >= row["bbox"][2]


def test_drafts_say_who_said_what(chain: Any) -> None:
    drafts = rows_of(chain.run, "drafts")
    done = [row for row in drafts if row["state"] == State.DONE]
    assert len({row["entity_id"] for row in drafts}) == len(drafts)
    assert len(done) == len(rows_of(chain.run, "objectqa"))
    for row in done:
        assert row["judgment_model"] == row["entities_model"] == "scripted-1"
        assert row["judgment_system_fingerprint"] == "fp_1"
        assert row["judgment_prompt_version"].startswith("judgment@2:")
        assert row["detector"].startswith("dino@sha256:")
        assert row["quality_model"].startswith("q_eval@sha256:")
        assert row["quality_prompt"].startswith("quality@1:")
        assert 0 <= row["quality_score"] <= 1
    people = [row for row in done if row["parts"] is not None]
    assert people
    assert all(row["parts"].keys() == set(BODY_PARTS) and row["is_portrait"] for row in people)
    assert any(row["merged_description"] for row in people)


def test_every_call_is_made_once(chain: Any) -> None:
    calls = Counter(stage_of(one) for one in chain.asked)
    assert calls["entities"] == CHAIN_IMAGES
    assert calls["judgment"] == len(rows_of(chain.run, "judgment"))
    people = [row for row in rows_of(chain.run, "detection") if row["is_person"] and row["state"] == State.DONE]
    assert calls["parts"] == len(people)
    assert calls["merge"] <= len(people)  # equal remarks are merged once
    merged = [row for row in rows_of(chain.run, "merge") if row["state"] == State.DONE]
    assert calls["merge"] == len({row["call_key"] for row in merged})


def test_a_judgment_is_shown_crop_frame_and_score(chain: Any) -> None:
    asked = next(one for one in chain.asked if stage_of(one) == "judgment")
    *pictures, text = asked.body["messages"][-1]["content"]
    crop, whole = (one["image_url"] for one in pictures)
    assert crop["url"].startswith("data:image/png")
    assert (crop["detail"], whole["detail"]) == ("high", "low")
    frame = asked_image(whole["url"])
    pixels = np.asarray(frame.convert("RGB"))
    assert ((pixels[..., 0] > 200) & (pixels[..., 1:] < 70).all(axis=-1)).any()
    assert "Quality score: 0." in text["text"]


def asked_image(url: str) -> Image.Image:
    import base64

    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def pixels(image: Image.Image) -> bytes:
    return image.convert("RGB").tobytes()


def small_run(folder: Path, url: str, models: Path, images: Path, **changes: Any) -> RunFolder:
    return init_run(str(images), folder, config_for(url, models, **changes), ExecutorOptions(), Watcher())


def change_config(run: RunFolder, **changes: Any) -> RunFolder:
    config = run.config.model_copy(update=changes)
    run.config_path.write_text(dump_config(config), encoding="utf-8")
    return RunFolder(run.path)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "few", 6)


def test_a_changed_setting_makes_again_what_depends_on_it(tmp_path: Path, models: Path, few: Path) -> None:
    with ScriptedServer(answer) as server:
        run = small_run(tmp_path / "run", server.url, models, few, images_per_shard=3)
        run_stages(run, RunOptions(), Watcher())
        asked = len(server.asked)
        slower = change_config(run, detection=run.config.detection.model_copy(update={"batch_size": 1}))
        assert all(slower.is_done(stage, 0) for stage in STAGES)
        run = change_config(run, detection=run.config.detection.model_copy(update={"max_boxes_per_phrase": 1}))
        stale = [stage for stage in STAGES if not run.is_done(stage, 0)]
        assert stale == ["detection", *stages_after("detection")]
        run_stages(run, RunOptions(), Watcher())
        # Boxes that are left were judged before, and their answers are in the record.
        assert {stage_of(one) for one in server.asked[asked:]} <= {"judgment", "parts", "merge"}
        assert len({row["entity_id"] for row in rows_of(run, "detection")}) == len(rows_of(run, "detection"))


FAULTS = {
    "refused": (completion(None, refusal="I cannot help with that."), State.REFUSED, "I cannot help with that."),
    "filtered answer": (completion(None, finish_reason="content_filter"), State.FILTERED, "content filter"),
    "filtered question": (error(400, code="content_filter"), State.FILTERED, "content filter"),
    "cut off": (completion('{"ent', finish_reason="length"), State.FAILED, "raise max_tokens"),
    "no JSON": (completion("Sorry, here they are"), State.FAILED, "not as asked"),
    "another form": (completion('{"entities": [{"name": "dog"}]}'), State.FAILED, "is_person"),
    "rejected": (error(400, "odd"), State.FAILED, "odd"),
}


def test_faults_are_states_with_a_reason(tmp_path: Path, models: Path) -> None:
    """The images stay in the drafts; what failed is asked again when told to, a decision of the model is not."""
    images, healthy = write_pictures(tmp_path / "images", 1 + len(FAULTS) + 1), 2
    faulty: dict[str, str] = {}
    healed = [False]

    def script(asked: Asked) -> Reply:
        if stage_of(asked) == "entities" and not healed[0]:
            if asked.image_url not in faulty:
                faulty[asked.image_url] = ["", *FAULTS, ""][len(faulty)]
            if fault := faulty[asked.image_url]:
                return FAULTS[fault][0]
        return answer(asked)

    with ScriptedServer(script) as server:
        run = small_run(
            tmp_path / "run", server.url, models, images, images_per_shard=16, language_model={"concurrency": 1}
        )
        run_stages(run, RunOptions(), Watcher())
        fault_of = {pixels(asked_image(url)): fault for url, fault in faulty.items()}
        names = {one.image_id: fault_of[pixels(Image.open(io.BytesIO(one.content)))] for one in run.pictures(0)}
        by_fault = {names[row["image_id"]]: row for row in rows_of(run, "entities")}
        drafts = {row["image_id"]: row for row in rows_of(run, "drafts")}
        for fault, (_, state, reason) in FAULTS.items():
            wrong = by_fault[fault]
            assert wrong["state"] == state, fault
            assert reason in wrong["reason"], fault
            draft = drafts[wrong["image_id"]]
            assert (draft["entity_id"], draft["stage"], draft["state"]) == (None, "entities", state), fault
        assert len(rows_of(run, "imageqa")) == healthy
        failed = sum(state is State.FAILED for _, state, _ in FAULTS.values())
        healed[0], asked = True, len(server.asked)
        assert discard_failed(run) == failed
        run_stages(run, RunOptions(), Watcher())
        again = [stage_of(one) for one in server.asked[asked:]]
        assert again.count("entities") == failed == 4
        assert len(rows_of(run, "imageqa")) == healthy + failed


def test_many_names_or_none_and_odd_ones(tmp_path: Path, models: Path, few: Path) -> None:
    replies = iter(
        [
            [f"dog {number}" for number in range(200)],
            [],
            ["Dog.", "dog", "  ", "?!", "x" * 100, "red\ncat"],
            ["手", "猫"],
            ["<script>alert(1)</script> dog"],
            ["dog"],
        ]
    )

    def script(asked: Asked) -> Reply:
        return answer(asked, lambda chance: next(replies))

    with ScriptedServer(script) as server:
        model = {"concurrency": 1}
        run = small_run(tmp_path / "run", server.url, models, few, language_model=model, detection={"threshold": 0.05})
        run_stages(run, RunOptions(), Watcher())
    rows = rows_of(run, "entities")
    many = next(row for row in rows if len(row["left_out"]) == 180)
    assert len(many["entities"]) == 20
    assert many["left_out"][0]["reason"] == "more than entities.max_entities (20)"
    assert sum(row["state"] == State.NO_ENTITIES for row in rows) == 1
    odd = next(row for row in rows if len(row["left_out"]) == 4)
    assert [one["name"] for one in odd["entities"]] == ["dog", "red cat"]
    assert [one["reason"] for one in odd["left_out"]] == [
        "named twice",
        "no letters",
        "no letters",
        "longer than 80 characters",
    ]
    unknown = [row for row in rows_of(run, "detection") if row["label"] in ("手", "猫")]
    assert {row["reason"] for row in unknown} == {"the detector's vocabulary holds none of its words"}
    drafts = rows_of(run, "drafts")
    assert sum(row["state"] == State.NO_ENTITIES for row in drafts) == 1
    assert {row["state"] for row in drafts if row["label"] in ("手", "猫")} == {State.UNDETECTED}


def test_a_reply_in_another_language_is_kept_with_a_note(tmp_path: Path, models: Path, few: Path) -> None:
    import json

    def script(asked: Asked) -> Reply:
        reply = answer(asked)
        if stage_of(asked) != "judgment":
            return reply
        result = json.loads(reply.body["choices"][0]["message"]["content"])  # type: ignore[index,call-overload]
        return completion(json.dumps({**result, "realism_description": "手", "plausibility_description": "六根手指"}))

    with ScriptedServer(script) as server:
        run = small_run(tmp_path / "run", server.url, models, few)
        run_stages(run, RunOptions(), Watcher())
    drafts = [row for row in rows_of(run, "drafts") if row["state"] == State.DONE]
    assert drafts
    assert {row["notes"] for row in drafts} == {"not in Latin script"}
    assert {row["plausibility_description"] for row in drafts} == {"六根手指"}
