"""The board: ranks that say no more than the data do, copies, the cache, and the files for programs."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tampering
from doubling import assert_linear
from drawn_references import drawn_references
from scipy.stats import norm
from submitted import JUDGE, simulated, small_references, write_run

from qreal_tasks.benchmark import Style
from qreal_tasks.judge.manifest import JudgeManifest
from qreal_tasks.leaderboard.board.board import BoardError, _ranked, _without_copies, build_board, find_judge
from qreal_tasks.leaderboard.board.cache import CheckCache
from qreal_tasks.leaderboard.board.files import render_csv, render_json
from qreal_tasks.leaderboard.board.paper import list_contradictions, load_paper_models
from qreal_tasks.leaderboard.board.ranks import (
    Rank,
    compute_p_values,
    compute_rank_ranges,
    compute_standard_errors,
    find_differing,
)
from qreal_tasks.leaderboard.board.site import UNKNOWABLE, _files
from qreal_tasks.leaderboard.board.site_rows import describe_model
from qreal_tasks.leaderboard.board.site_tables import build_index_tables
from qreal_tasks.leaderboard.lints import TOO_WELL
from qreal_tasks.leaderboard.result import IMAGEQA_F1, IMAGEQA_JOINT, OBJECTQA_AUC, Result, find_headline, refuse
from qreal_tasks.leaderboard.submission.pack import SubmitterInfo, pack_run
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.metrics.bootstrap import estimate_differences
from qreal_tasks.metrics.objectqa import ObjectQATable
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record

from .conftest import MODELS, RESAMPLES, Made

pytestmark = pytest.mark.slow


def _ranks(made: Made, name: str) -> dict[str, str]:
    return {entry.manifest.name: str(entry.ranks[name]) for entry in made.board.entries if name in entry.ranks}


def test_models_of_one_skill_share_ranks_and_others_do_not(made: Made) -> None:
    found = _ranks(made, OBJECTQA_AUC)
    assert found["Good model"] == "1"
    assert found["Half a model"] == "2"
    assert found["Middle model"] == found["Middle model, again"] == "3–4"
    assert found[MODELS[3][0]] == "5–6" or found[MODELS[3][0]] == "6"


def test_a_half_is_ranked_in_its_half_only(made: Made) -> None:
    assert "Half a model" not in _ranks(made, IMAGEQA_F1)
    assert MODELS[4][0] in _ranks(made, IMAGEQA_F1)
    assert MODELS[4][0] not in _ranks(made, IMAGEQA_JOINT), "not judged"


def test_draws_are_those_of_the_paired_bootstrap(made: Made) -> None:
    """The standard error behind a rank gives the interval that `qreal compare` gives."""
    from qreal_tasks.leaderboard.submission.check import check_submission

    runs = [check_submission(made.submissions / name, made.references, resamples=2).run for name in ("s0", "s1")]
    tables = [
        ObjectQATable([r for t in run.tasks for r in t.records if isinstance(r, JudgmentRecord)]) for run in runs if run
    ]
    by_folder = {entry.result.folder: entry.result for entry in made.board.entries}
    draws = np.array([by_folder[name].draws[OBJECTQA_AUC] for name in ("s0", "s1")], dtype=np.float64)
    expected = estimate_differences(tables, resamples=RESAMPLES, seed=0)[0]["overall", "auc"]
    low, high = np.quantile(draws[0] - draws[1], [0.025, 0.975])
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    values = [(find_headline(by_folder[name], OBJECTQA_AUC) or {})["value"] for name in ("s0", "s1")]
    assert values[0] - values[1] == pytest.approx(expected.value)  # type: ignore[operator]


def test_standard_errors_and_p_values() -> None:
    rng = np.random.default_rng(1)
    draws = rng.normal(0.5, 0.02, (4, 500)) + rng.normal(0, 0.05, 500)
    found = compute_standard_errors(draws)
    for a in range(4):
        for b in range(4):
            assert found[a, b] == pytest.approx(np.std(draws[a] - draws[b]), abs=1e-7)
    point = draws.mean(axis=1)
    p = compute_p_values(point[:, None] - point[None, :], draws)
    assert p[0, 1] == pytest.approx(2 * norm.sf(abs(point[0] - point[1]) / np.std(draws[0] - draws[1])))


def test_undefined_draws_are_left_out_in_pairs() -> None:
    rng = np.random.default_rng(2)
    draws = rng.normal(0.5, 0.02, (3, 400))
    draws[0, :50] = np.nan
    draws[1, 30:90] = np.nan
    both = ~np.isnan(draws[0]) & ~np.isnan(draws[1])
    expected = np.std(draws[0, both] - draws[1, both])
    assert compute_standard_errors(draws)[0, 1] == pytest.approx(expected)


def test_holm_is_the_textbook_procedure() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        k = int(rng.integers(2, 7))
        p = np.triu(rng.random((k, k)) ** 4, 1)
        p = p + p.T + np.eye(k)
        pairs = sorted((p[i, j], i, j) for i in range(k) for j in range(i + 1, k))
        expected = np.zeros((k, k), dtype=bool)
        for step, (value, i, j) in enumerate(pairs):
            if value * (len(pairs) - step) > 0.05:
                break
            expected[i, j] = expected[j, i] = True
        assert (find_differing(p) == expected).all()


def test_equal_models_are_rarely_told_apart() -> None:
    """Under the null the chance of any false difference among ten models stays near 5 %."""
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(400):
        errors = rng.normal(0, 0.02, 10)
        draws = errors[:, None] + rng.normal(0, 0.02, (10, 300))
        wrong += any(rank.best != 1 for rank in compute_rank_ranges(list(errors), draws))
    assert wrong / 400 < 0.09


def test_one_model_and_none() -> None:
    assert compute_rank_ranges([], np.empty((0, 5))) == []
    assert [str(rank) for rank in compute_rank_ranges([0.5], np.full((1, 5), 0.5))] == ["1"]
    same = compute_rank_ranges([0.5, 0.5], np.full((2, 5), 0.5))
    assert [str(rank) for rank in same] == ["1–2", "1–2"]


def test_a_rebuild_checks_nothing_anew_and_says_the_same(made: Made) -> None:
    again = build_board(made.submissions, made.references, CheckCache(made.cache, RESAMPLES))
    assert (again.recomputed, again.from_cache) == (0, len(MODELS) + 1)
    assert render_json(again) == render_json(made.board)


@pytest.mark.parametrize("change", ["submission", "data", "commit", "cache damaged"])
def test_what_a_result_depends_on_is_checked_anew(change: str, made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.submissions / "s5", tmp_path / "submissions" / "s5")
    shutil.copytree(made.cache, tmp_path / "cache")
    references: References = made.references
    if change == "submission":
        tampering.change_manifest(tmp_path / "submissions" / "s5", lambda m: m.update(description="new"))
    elif change == "data":
        references = drawn_references(seed=1, images=60, entities=300)
    elif change == "commit":
        references = replace(references, commit="0" * 40)
    else:
        for path in (tmp_path / "cache").iterdir():
            path.write_bytes(path.read_bytes()[:1000])
    found = build_board(tmp_path / "submissions", references, CheckCache(tmp_path / "cache", RESAMPLES))
    assert (found.recomputed, found.from_cache) == (1, 0)
    assert bool(found.refused) == (change == "data")


def test_a_clock_that_was_set_back_refuses_nothing_for_good(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Early(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Early:
            return cls(2020, 1, 1)

    shutil.copytree(made.submissions / "s5", tmp_path / "submissions" / "s5")
    cache = CheckCache(tmp_path / "cache", RESAMPLES)
    with monkeypatch.context() as patched:
        patched.setattr("qreal_tasks.leaderboard.submission.manifest.datetime", Early)
        (refused,) = build_board(tmp_path / "submissions", made.references, cache).refused
        assert "lies in the future" in refused.problems[0].message
        assert "by the clock here it is 2020-01-01" in refused.problems[0].message
    assert len(build_board(tmp_path / "submissions", made.references, cache).entries) == 1


@pytest.mark.parametrize("error", [NotImplementedError, zlib.error, RecursionError, MemoryError])
def test_a_damaged_file_is_made_again_whatever_it_raises(
    error: type[Exception], made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made.submissions / "s5", tmp_path / "submissions" / "s5")

    def load(*_: object, **__: object) -> None:
        raise error("damaged")

    monkeypatch.setattr(np, "load", load)
    found = build_board(tmp_path / "submissions", made.references, CheckCache(made.cache, RESAMPLES))
    assert (found.recomputed, found.from_cache, len(found.entries)) == (1, 0, 1)


def test_rows_are_in_the_order_of_their_ranks(made: Made) -> None:
    """A value that is higher and known less well may have the wider range, and stands below."""
    ranks = (Rank(2, 4), Rank(1, 3), Rank(1, 2))
    entries = [replace(e, ranks={OBJECTQA_AUC: rank}) for e, rank in zip(made.board.entries, ranks, strict=False)]
    (table, _) = build_index_tables(replace(made.board, entries=tuple(entries)), Style.BENCHMARK)
    shown = [row.cells[0].text for row in table.rows if row.kind == "entry"]
    assert shown == ["1–2", "1–3", "2–4"]


def test_all_copies_are_refused_whatever_their_dates_say(made: Made, tmp_path: Path) -> None:
    for name, date in (("original", "2026-01-01T00:00:00"), ("a-copy", "2025-02-01T00:00:00")):
        shutil.copytree(made.submissions / "s5", tmp_path / name)
        tampering.change_manifest(tmp_path / name, partial(dict.update, created=date, name=name))
    shutil.copytree(made.submissions / "s0", tmp_path / "other")
    found = build_board(tmp_path, made.references, CheckCache(made.cache, RESAMPLES))
    assert [entry.result.folder for entry in found.entries] == ["other"]
    answered = {result.folder: str(result.problems[0]) for result in found.refused}
    assert answered == {
        "a-copy": "copy: objectqa: the answers are those of original; remove all but one",
        "original": "copy: objectqa: the answers are those of a-copy; remove all but one",
    }


def test_a_copy_of_one_half_with_other_masses_is_a_copy(made: Made, tmp_path: Path) -> None:
    """s0 is both halves; its ObjectQA alone, with every mass changed, has another id and the same answers."""
    records = simulated(made.references, MODELS[0][1], seed=0)
    halved = [replace(r, mass=0.5) for r in records if isinstance(r, JudgmentRecord)]
    pack_run(
        write_run(tmp_path / "run", list(halved)),
        tmp_path / "submissions" / "half",
        SubmitterInfo("Half"),
        resamples=RESAMPLES,
    )
    shutil.copytree(made.submissions / "s0", tmp_path / "submissions" / "whole")
    found = build_board(tmp_path / "submissions", made.references, CheckCache(made.cache, RESAMPLES))
    assert found.entries == ()
    assert [str(result.problems[0]) for result in found.refused] == [
        "copy: objectqa: the answers are those of whole; remove all but one",
        "copy: objectqa: the answers are those of half; remove all but one",
    ]


def test_refused_submissions_are_kept_with_reasons(made: Made) -> None:
    (refused,) = made.board.refused
    assert any("is no number of the benchmark" in str(problem) for problem in refused.problems)


def _without_p(record: Record) -> Record:
    """P(Yes) that is missing where the answer is wrong would lift AUC to 1."""
    wrong = isinstance(record, JudgmentRecord) and record.answer != record.reference
    return replace(record, p_yes=None, mass=None) if wrong else record  # type: ignore[arg-type]


def _without_answer(record: Record) -> Record:
    """P(Yes) of the right side where the answer is wrong, beside a text that cannot be held against it."""
    if not isinstance(record, JudgmentRecord) or record.answer == record.reference:
        return record
    return replace(record, raw="", answer=None, reason="empty", p_yes=float(record.reference == "Yes"))


@pytest.mark.parametrize(
    ("leave_out", "why"),
    [
        (_without_p, "of the items have no P(Yes); at most 0.5% may be"),
        (_without_answer, "of the answers could not be read, so that P(Yes) cannot be checked; at most 0.5% may be"),
    ],
)
def test_hard_items_left_out_of_one_question_do_not_rank(
    leave_out: Callable[[Record], Record], why: str, made: Made, tmp_path: Path
) -> None:
    """A few percent of one question are next to nothing in the mean over six."""
    left = 6
    records = []
    for record in simulated(made.references, 0.72):
        changed = leave_out(record) if left and getattr(record, "question", "") == "plausibility_q3" else record
        left -= changed != record
        records.append(changed)
    pack_run(
        write_run(tmp_path / "run", records),
        tmp_path / "submissions" / "picky",
        SubmitterInfo("P"),
        resamples=RESAMPLES,
    )
    found = build_board(tmp_path / "submissions", made.references, CheckCache(tmp_path / "cache", RESAMPLES))
    assert not found.refused, found.refused[0].problems
    (entry,) = found.entries
    assert OBJECTQA_AUC not in entry.ranks
    assert entry.result.unranked == {OBJECTQA_AUC: f"plausibility_q3: 2.0% {why}"}
    assert IMAGEQA_F1 in entry.ranks
    assert any("plausibility_q3: 2.0 % of the" in note for note in entry.result.notes)


OTHER = JUDGE.model_copy(update={"name": "mine", "model": "another-model"})
THIRD = JUDGE.model_copy(update={"name": "third", "model": "a-third-model"})
RENAMED = JUDGE.model_copy(update={"name": "gold-standard"})


@pytest.mark.parametrize(
    ("asked", "named", "expected", "ranked"),
    [
        ((JUDGE, JUDGE, OTHER), None, JUDGE, {"Model 0", "Model 1"}),
        ((OTHER, JUDGE, OTHER), None, JUDGE, {"Model 1"}),  # many submissions do not take over a board
        ((OTHER, RENAMED, OTHER), None, JUDGE, {"Model 1"}),  # the packaged judge under its own name
        ((OTHER, THIRD, OTHER), None, OTHER, {"Model 0", "Model 2"}),
        ((OTHER, JUDGE, OTHER), OTHER, OTHER, {"Model 0", "Model 2"}),
        ((JUDGE, JUDGE, JUDGE), OTHER, OTHER, set()),
    ],
)
def test_joint_scores_of_one_judge_rank(
    asked: tuple[JudgeManifest, ...],
    named: JudgeManifest | None,
    expected: JudgeManifest,
    ranked: set[str],
    tmp_path: Path,
) -> None:
    references = small_references()
    for number, judge in enumerate(asked):
        records = simulated(references, seed=number)
        judged = [replace(r, judge=judge.title) if isinstance(r, GroundingRecord) else r for r in records]
        results = write_run(tmp_path / "runs" / str(number), judged, judge=judge, only="imageqa")
        pack_run(results, tmp_path / "submissions" / str(number), SubmitterInfo(f"Model {number}"), resamples=50)
    found = build_board(tmp_path / "submissions", references, CheckCache(tmp_path / "cache", 50), named)
    assert not found.refused
    assert found.judge == expected.title
    assert {entry.manifest.name for entry in found.entries if IMAGEQA_JOINT in entry.ranks} == ranked
    assert all(IMAGEQA_F1 in entry.ranks for entry in found.entries)
    for entry in found.entries:
        if entry.manifest.name not in ranked:
            assert f"judged by {find_judge(entry.result)}" in entry.result.unranked[IMAGEQA_JOINT]
    assert "gold-standard" not in {str(find_judge(entry.result)).partition("@")[0] for entry in found.entries}


def test_the_csv_holds_every_model_and_no_formula(made: Made) -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(made.board))))
    assert len(rows) == len(MODELS) + 13
    assert {row["source"] for row in rows} == {"submitted", "reported by the paper, not recomputed"}
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())
    good = next(row for row in rows if row["name"] == "Good model")
    assert (good["rank.objectqa_auc.best"], good["rank.objectqa_auc.worst"]) == ("1", "1")
    value, low, high = (float(good[f"objectqa.overall.auc{end}"]) for end in ("", ".low", ".high"))
    assert low < value < high
    paper = next(row for row in rows if row["name"] == "Qwen2.5-VL-7B-Instruct*")
    assert float(paper["imageqa.realism.iou"]) == 0.66
    mean = (0.66 + float(paper["imageqa.plausibility.iou"])) / 2
    assert float(paper["imageqa.mean.iou"]) == pytest.approx(mean), "as the first page shows it"


def test_the_json_is_plain(made: Made) -> None:
    found = json.loads(json.dumps(render_json(made.board), allow_nan=False))
    assert found["entries"][0]["name"] == "Good model"
    assert found["data"] | {"fingerprints": 0} == {
        "name": "org/drawn",
        "fingerprints": 0,
        "images": 60,
        "entities": 300,
    }
    assert all("mean" in model["imageqa"] for model in found["paper"]["models"])
    assert found["paper"]["source"] == "reported by the paper, not recomputed"


def test_the_papers_rows_are_all_there() -> None:
    models = {model.name: model for model in load_paper_models()}
    assert len(models) == 13
    assert models["InternVL2.5-8B*"].imageqa["plausibility"]["llm_score"] == 0.588
    assert models["InternVL2.5-8B^1"].imageqa["plausibility"]["llm_score"] == 0.607
    assert models["GPT-4o"].objectqa["overall"]["auc"] is None
    assert models["Qwen2.5-VL-7B-Instruct"].objectqa["overall"]["acc"] == pytest.approx(
        (0.665 + 0.65 + 0.578 + 0.49 + 0.629 + 0.892) / 6
    )
    assert models["llava-v1.6-mistral-7B"].objectqa["plausibility"]["acc"] is None, "questions 2 to 4 are unreadable"
    assert any(".588" in line and ".608" in line for line in list_contradictions())


def test_an_empty_folder_is_an_error(tmp_path: Path, made: Made) -> None:
    with pytest.raises(BoardError, match="no folder in it"):
        build_board(tmp_path, made.references, CheckCache(tmp_path / "cache"))


def test_two_submissions_whose_names_read_the_same_are_told_apart(made: Made) -> None:
    results = [entry.result for entry in made.board.entries[:3]]
    names = ("Good model", "GOOD-m\u043edel", "Another model")
    named = [
        replace(result, manifest=result.manifest and result.manifest.model_copy(update={"name": name}))
        for result, name in zip(results, names, strict=True)
    ]
    entries = {entry.manifest.name: entry for entry in _ranked(named)}
    first, second = entries[names[0]], entries[names[1]]
    assert (first.namesakes, second.namesakes) == ((second.manifest.id,), (first.manifest.id,))
    assert second.manifest.id in first.notes[0]
    assert first.manifest.id in describe_model(first)
    assert not entries[names[2]].namesakes
    assert entries[names[2]].manifest.id not in describe_model(entries[names[2]])


def test_a_note_that_puts_a_rank_in_doubt_stands_beside_it(made: Made) -> None:
    good, *others = [entry.result for entry in made.board.entries]
    doubted = replace(good, notes=(f"realism_q1: {TOO_WELL}", *good.notes))
    board = replace(made.board, entries=_ranked([doubted, *others]))
    table = build_index_tables(board, Style.BENCHMARK)[0]
    marked = [row.name for row in table.rows if row.kind == "entry" and row.badge]
    assert doubted.manifest is not None
    assert marked == [doubted.manifest.name]
    assert not any(row.badge for row in build_index_tables(made.board, Style.BENCHMARK)[0].rows if row.kind == "entry")
    pages = dict(_files(board, "Board"))
    assert pages["index.html"].count("see its notes") == 2, "both tables of the first page that it is in"
    assert TOO_WELL in pages[f"s/{doubted.manifest.id}.html"]
    assert TOO_WELL in pages["board.json"]


def test_what_no_check_can_know_stands_beside_the_ranking(made: Made) -> None:
    for page in ("index.html", "about.html"):
        answered = (made.site / page).read_text(encoding="utf-8")
        assert UNKNOWABLE in answered, page


def test_many_copies_are_found_in_linear_time_and_named_in_short() -> None:
    def copies(count: int) -> list[Result]:
        return [
            replace(refuse(f"model-{n}"), answers={"objectqa": "the same", "imageqa": f"{n}"}) for n in range(count)
        ]

    assert_linear(_without_copies, copies(2_000), copies(4_000))
    accepted, refused = _without_copies(copies(2_000))
    assert not accepted
    assert "the answers are those of model-0, model-1, " in str(refused[-1].problems[0])
    assert " and 1989 more; remove all but one" in str(refused[-1].problems[0])
