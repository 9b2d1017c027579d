"""LLM-Score filled into a finished run, against numbers worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from written_run import PREFIX, write_run

from qreal_tasks.judge.pairs import Judgement, Pair, unjudged
from qreal_tasks.judge.records import judge_records
from qreal_tasks.records import GroundingRecord, Region
from qreal_tasks.results.reasons import explain_unjudged as unjudged_pairs
from qreal_tasks.results.rejudge import count_scores_of_others, rejudge
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import find_differences, score_run

BOX, HALF, AWAY = (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 5.0), (12.0, 12.0, 18.0, 18.0)
SAID = {"right": 1.0, "near": 0.5, "wrong": 0.0, "mute": None}
"""What the judge makes of a predicted description; None is a pair it could not answer."""


def record(image_id: str, predicted: list[tuple[tuple[float, ...], str]], references: int = 1) -> GroundingRecord:
    regions = [Region("dog", box, description) for box, description in predicted]  # type: ignore[arg-type]
    raw = json.dumps([{"bbox_2d": r.bbox_px, "label": r.label, "description": r.description} for r in regions])
    boxes = [BOX, AWAY][:references]
    return GroundingRecord(
        *("realism", image_id, "g", False, 20, 20, "pixels", None, raw, None, tuple(regions), {}, 0),
        *(tuple(Region("dog", b, "painted", f"{image_id}#{n}") for n, b in enumerate(boxes)), "1", "", "", "mini"),
    )


def images() -> list[GroundingRecord]:
    """Two pairs, one of them unjudged; one right box and description; a box that is too small; clean; nothing."""
    return [
        record("i0", [(BOX, "near"), (AWAY, "mute")], references=2),
        record("i1", [(BOX, "right")]),
        record("i2", [(HALF, "right")]),  # IoU .5, which is not above .5
        record("i3", [(BOX, "wrong")], references=0),
        record("i4", []),
    ]


def judge(pairs: Sequence[Pair]) -> list[Judgement]:
    assert {pair.reference for pair in pairs} <= {"painted"}
    return [Judgement(SAID[pair.predicted], None if SAID[pair.predicted] is not None else "refused") for pair in pairs]


def judging(records: Sequence[GroundingRecord]) -> list[GroundingRecord]:
    return judge_records(records, judge, "scripted 0123")


def reread(folder: Path) -> Run:
    return read_run(find_results(folder)[-1])


def test_scores_by_hand(tmp_path: Path) -> None:
    folder = write_run(tmp_path, images())
    assert reread(folder).tasks[1].live["llm_score"] is None
    assert rejudge(reread(folder), judging, {"name": "scripted"}) == 5
    run = reread(folder)
    assert find_differences(run, score_run(run, resamples=0)) == []
    live = run.tasks[1].live
    # Images with a judged pair: i0 .5, i1 1, i2 1.
    assert live["llm_score"] == pytest.approx((0.5 + 1 + 1) / 3)
    # Judged pairs with IoU > .5 give .5 + 1; max(N, M) is 2 - 1 unjudged, 1, 1, and 1 for the image without a box.
    assert live["joint_score"] == pytest.approx(1.5 / (1 + 1 + 1 + 1))
    assert live["unjudged"] == pytest.approx(1 / 4)
    assert score_run(run, resamples=0).imageqa["realism"].metrics["llm_score_gated"] == pytest.approx((0.5 + 1) / 2)
    assert run.judges == ("scripted 0123",)
    assert next(r.unjudged for r in run.tasks[1].records if isinstance(r, GroundingRecord)) == {"refused": 1}
    assert json.loads(run.results_path.read_text())["qreal_judge"] == {"name": "scripted"}


def test_an_unjudged_pair_is_no_zero(tmp_path: Path) -> None:
    """As a 0 it would make i0 .25 and the whole 2.25 / 3; without it, only the judged pair counts."""
    folder = write_run(tmp_path, images())
    rejudge(reread(folder), judging, {})
    with_unjudged = reread(folder).tasks[1].live["llm_score"]
    without = [record("i0", [(BOX, "near")], references=2), *images()[1:]]
    folder = write_run(tmp_path / "without", without)
    rejudge(reread(folder), judging, {})
    assert reread(folder).tasks[1].live["llm_score"] == pytest.approx(with_unjudged)


def test_judging_again_replaces_and_a_failure_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    folder = write_run(tmp_path, images())
    rejudge(reread(folder), judging, {})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def broken(records: Sequence[GroundingRecord]) -> list[GroundingRecord]:
        raise RuntimeError("quota used up")

    with pytest.raises(RuntimeError, match="quota"):
        rejudge(reread(folder), broken, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    rejudge(
        reread(folder),
        lambda records: judge_records(records, lambda pairs: [Judgement(0.25)] * len(pairs), "other"),
        {},
    )
    assert reread(folder).tasks[1].live["llm_score"] == pytest.approx(0.25)
    assert reread(folder).judges == ("other",)


def test_a_judge_that_scores_nothing_does_not_take_the_place_of_one_that_did(tmp_path: Path) -> None:
    folder = write_run(tmp_path, images())
    rejudge(reread(folder), judging, {})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def mute(records: Sequence[GroundingRecord]) -> list[GroundingRecord]:
        return judge_records(records, lambda pairs: [unjudged("malformed JSON", "About .5")] * len(pairs), "mute")

    with pytest.raises(ValueError, match=r"none of the 4 pairs: 4 pairs got a reply .* 'About .5'. The run keeps"):
        rejudge(reread(folder), mute, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    fresh = write_run(tmp_path / "fresh", images())
    with pytest.raises(ValueError, match="none of the 4 pairs: 4 pairs got a reply"):
        rejudge(reread(fresh), mute, {"name": "mute"})
    run = reread(fresh)
    assert run.judges == ("mute",), "a judge was asked, and the run does not say so"
    assert run.tasks[1].live["unjudged"] == 1
    assert run.tasks[1].live["llm_score"] is None
    scores = score_run(run, resamples=0)
    assert find_differences(run, scores) == []
    assert unjudged_pairs(scores, "realism").endswith("for example: 'About .5'")
    assert rejudge(run, judging, {}) == 5


def test_whose_scores_are_replaced(tmp_path: Path) -> None:
    folder = write_run(tmp_path, images())
    assert count_scores_of_others(reread(folder), "new 01") == {}
    rejudge(reread(folder), judging, {})
    assert count_scores_of_others(reread(folder), "new 01") == {"scripted 0123": 3}
    assert count_scores_of_others(reread(folder), "scripted 0123") == {}


def test_judging_hides_no_changed_sample(tmp_path: Path) -> None:
    folder = write_run(tmp_path, images())
    path = folder / f"{PREFIX}_samples_qreal_imageqa_realism.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[2]["records"]["reference"][0]["bbox_px"] = HALF  # as the model's box: IoU 1
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    changed = find_differences(reread(folder), score_run(reread(folder), resamples=0))
    assert changed
    rejudge(reread(folder), judging, {})
    assert set(changed) <= set(find_differences(reread(folder), score_run(reread(folder), resamples=0)))


def test_half_a_surrogate_pair_in_the_log_is_no_obstacle(tmp_path: Path) -> None:
    folder = write_run(tmp_path, images())
    path = folder / f"{PREFIX}_samples_qreal_imageqa_realism.jsonl"
    path.write_text(path.read_text().replace('"doc_id": 0', '"resps": "half \\ud83d", "doc_id": 0'))
    assert rejudge(reread(folder), judging, {}) == 5
    assert json.loads(path.read_text().splitlines()[0])["resps"] == "half \ud83d"


def test_a_run_without_imageqa_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path, images())
    results = json.loads((folder / f"{PREFIX}_results.json").read_text())
    del results["results"]["qreal_imageqa_realism"]
    (folder / f"{PREFIX}_results.json").write_text(json.dumps(results))
    with pytest.raises(ValueError, match="no ImageQA samples"):
        rejudge(reread(folder), judging, {})
