"""Submissions of both prompt styles: tables and ranks of their own, and nothing asked with other words."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import tampering
from chromium import Chromium
from drawn_references import drawn_references
from submitted import simulated, small_references, write_run
from two_styles import asked_with_other

from qreal_tasks.benchmark import GROUPS, LEAVES, Style, frame_of, task_of
from qreal_tasks.leaderboard.board.board import Board, build_board
from qreal_tasks.leaderboard.board.cache import CheckCache
from qreal_tasks.leaderboard.board.files import render_csv, render_json
from qreal_tasks.leaderboard.board.site import PAGES, TABLE_PAGES, path_of, write_site
from qreal_tasks.leaderboard.board.site_tables import (
    build_generator_tables,
    build_index_tables,
    build_question_tables,
    build_set_tables,
)
from qreal_tasks.leaderboard.result import HEADLINES
from qreal_tasks.leaderboard.submission.check import check_submission
from qreal_tasks.leaderboard.submission.pack import PackError, SubmitterInfo, pack_run
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.leaf_tasks import TASKS, Half, tasks_of

pytestmark = pytest.mark.slow

RESAMPLES = 100
MODELS = (
    # name, skill, style
    ("Good", 0.9, Style.BENCHMARK),
    ("Weak", 0.55, Style.BENCHMARK),
    ("Best with bare queries", 0.97, Style.PAPER),
    ("Worst with bare queries", 0.6, Style.PAPER),
    ("Middle with bare queries", 0.8, Style.PAPER),
)


@dataclass(frozen=True)
class Made:
    """Where everything of a board with both styles is."""

    references: References
    submissions: Path
    cache: Path
    site: Path
    board: Board


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("styles")
    references = drawn_references(images=40, entities=200)
    for number, (name, skill, style) in enumerate(MODELS):
        records = simulated(references, skill, seed=number, style=style)
        results = write_run(root / "runs" / str(number), records, style=style)
        pack_run(results, root / "submissions" / f"s{number}", SubmitterInfo(name), resamples=RESAMPLES)
    board = build_board(root / "submissions", references, CheckCache(root / "cache", RESAMPLES))
    write_site(board, root / "site")
    return Made(references, root / "submissions", root / "cache", root / "site", board)


@pytest.fixture(scope="module")
def references() -> References:
    return small_references()


def _packed(folder: Path, references: References, style: Style, only: str = "") -> Path:
    results = write_run(folder / "run", simulated(references, style=style), style=style, only=only)
    pack_run(results, folder / "submission", SubmitterInfo("A model"), resamples=RESAMPLES)
    return folder / "submission"


def test_a_style_is_ranked_as_if_the_other_were_not_there(made: Made, tmp_path: Path) -> None:
    assert not made.board.refused, made.board.refused[0].problems
    for style in Style:
        of_style = made.board.asked_with(style)
        assert {entry.manifest.name for entry in of_style} == {name for name, _, its in MODELS if its is style}
        alone = tmp_path / style
        for entry in of_style:
            shutil.copytree(made.submissions / entry.result.folder, alone / entry.result.folder)
        board = build_board(alone, made.references, CheckCache(made.cache, RESAMPLES))
        assert [(e.manifest.id, e.ranks) for e in of_style] == [(e.manifest.id, e.ranks) for e in board.entries]
        assert [str(entry.ranks[HEADLINES[0]]) for entry in of_style] == list("123"[: len(of_style)])


@pytest.mark.parametrize("make", [build_index_tables, build_question_tables, build_set_tables, build_generator_tables])
def test_no_table_has_submissions_of_two_styles(make: Callable[..., list[object]], made: Made) -> None:
    for style in Style:
        expected = {name for name, _, its in MODELS if its is style}
        for table in make(made.board, style):
            assert {row.name for row in table.rows if row.kind == "entry"} == expected  # type: ignore[attr-defined]


def test_the_papers_rows_stand_beside_both_and_are_marked_beside_one(made: Made) -> None:
    board = replace(made.board, entries=())
    for style in Style:
        rows = [row for table in build_index_tables(board, style) for row in table.rows]
        assert rows
        assert {row.about.endswith("; asked otherwise") for row in rows} == {style is Style.BENCHMARK}
        assert all(row.cells[0].text == "–" for row in rows), "never ranked"


def test_files_for_programs_say_the_prompts(made: Made) -> None:
    answered = json.loads(json.dumps(render_json(made.board)))
    assert answered["format"] == 2
    assert {one["name"]: one["prompts"] for one in answered["entries"]} == {name: style for name, _, style in MODELS}
    assert answered["paper"]["prompts"] == "paper"
    assert set(answered["task_versions"]) == set(LEAVES)
    rows = list(csv.DictReader(io.StringIO(render_csv(made.board))))
    of_models = {row["name"]: row["prompts"] for row in rows if row["source"] == "submitted"}
    assert of_models == {name: style for name, _, style in MODELS}
    assert {row["prompts"] for row in rows if row["source"] != "submitted"} == {"paper"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as opened:
        yield opened


def _open(browser: Chromium, site: Path, page: str) -> None:
    address = (site / page).as_uri()
    browser.go(address)
    browser.wait(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")


def test_a_visitor_finds_both_and_stays_with_one(browser: Chromium, made: Made) -> None:
    for style in Style:
        mine = {name for name, _, its in MODELS if its is style}
        for one in TABLE_PAGES:
            _open(browser, made.site, path_of(one.path, style))
            current = browser.run("document.querySelector('nav.asked [aria-current]').textContent")
            assert (
                current
                == {
                    Style.BENCHMARK: "the benchmark's prompts (2)",
                    Style.PAPER: "the paper's bare queries (3)",
                }[style]
            )
            shown = set(browser.run("[...document.querySelectorAll('tr.entry th a')].map(a => a.textContent)"))
            assert shown == mine
            tables = browser.run("[...document.querySelectorAll('nav.sections a')].map(a => a.getAttribute('href'))")
            assert tables == [path_of(path, style) for path, _ in PAGES]
        browser.run("document.querySelector('nav.asked a:not([aria-current]):not(.why)').click()")
        other = path_of("generators.html", next(s for s in Style if s is not style))
        browser.wait(f"location.href.endsWith('/{other}')")
    entry = made.board.asked_with(Style.PAPER)[0]
    _open(browser, made.site, f"s/{entry.manifest.id}.html")
    text = browser.run("document.querySelector('main').innerText")
    assert "the paper's bare queries (qreal_paper), version 2" in text
    assert "Ranked among submissions that were asked with the same prompts" in text
    links = browser.run("[...document.querySelectorAll('nav.sections a')].map(a => a.getAttribute('href'))")
    assert links[:2] == ["../paper-index.html", "../paper-questions.html"]
    assert browser.trouble == []
    assert browser.left == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_of_the_other_style_scrolls_sideways(width: int, browser: Chromium, made: Made) -> None:
    browser.resize(width, 800, mobile=width < 500)
    for one in TABLE_PAGES:
        for style in Style:
            _open(browser, made.site, path_of(one.path, style))
            assert browser.run("document.documentElement.scrollWidth") <= width, (one.path, style)
    browser.resize(1280, 800)


def test_pages_of_a_style_go_with_its_last_submission(made: Made, tmp_path: Path) -> None:
    write_site(made.board, tmp_path / "site")
    assert len(list((tmp_path / "site").glob("paper-*.html"))) == len(TABLE_PAGES)
    for entry in made.board.asked_with(Style.BENCHMARK):
        shutil.copytree(made.submissions / entry.result.folder, tmp_path / "left" / entry.result.folder)
    board = build_board(tmp_path / "left", made.references, CheckCache(made.cache, RESAMPLES))
    write_site(board, tmp_path / "site")
    assert list((tmp_path / "site").glob("paper-*.html")) == []
    first = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'class="asked"' not in first, "nothing to choose from"
    assert "asked otherwise" in first


def test_a_board_of_bare_queries_alone_still_has_its_first_page(made: Made, tmp_path: Path) -> None:
    for entry in made.board.asked_with(Style.PAPER):
        shutil.copytree(made.submissions / entry.result.folder, tmp_path / "left" / entry.result.folder)
    board = build_board(tmp_path / "left", made.references, CheckCache(made.cache, RESAMPLES))
    write_site(board, tmp_path / "site")
    first = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "the benchmark&#39;s prompts (0)" in first
    assert 'href="paper-index.html"' in first


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("half", Half)
def test_a_half_in_a_style_is_a_submission(half: Half, style: Style, references: References, tmp_path: Path) -> None:
    folder = _packed(tmp_path, references, style, only=half)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["format"], manifest["prompts"], manifest["halves"]) == (2, style, [half])
    files = {path.name.removesuffix(".jsonl.gz") for path in (folder / "samples").iterdir()}
    assert files == set(tasks_of(half, style)) == set(manifest["task_versions"])
    assert check_submission(folder, references, resamples=RESAMPLES).problems == ()


def test_what_the_dataset_says_is_the_same_for_both(made: Made) -> None:
    fingerprints = {json.dumps(entry.manifest.data.model_dump(mode="json")) for entry in made.board.entries}
    assert len(fingerprints) == 1
    for half in Half:
        asked = [[made.references.ids(task) for task in tasks_of(half, style)] for style in Style]
        assert asked[0] == asked[1]


def test_a_half_of_another_style_is_no_half(references: References, tmp_path: Path) -> None:
    """Five questions with the bare queries are not made whole by the sixth with the benchmark's prompts."""
    records = [r for r in simulated(references, style=Style.PAPER) if getattr(r, "question", "") != "plausibility_q4"]
    write_run(tmp_path / "run", records, style=Style.PAPER)
    rest = [r for r in simulated(references) if getattr(r, "question", "") == "plausibility_q4"]
    results = write_run(tmp_path / "run", rest)
    message = (
        "objectqa is incomplete: qreal_paper_objectqa_plausibility_q4 did not run.*run --tasks qreal_paper_objectqa$"
    )
    with pytest.raises(PackError, match=message):
        pack_run(results, None, SubmitterInfo("A model"), style=Style.PAPER, resamples=RESAMPLES)


OTHER_WORDS: dict[str, tuple[Style, str, dict[str, str], str]] = {
    "another post-prompt of ObjectQA": (
        *(Style.BENCHMARK, "", {"post_prompt": "\nYes or no?"}),
        r"post_prompt is '\nYes or no?' in 144 samples of qreal_objectqa_realism_q1 and 5 other tasks, expected "
        r"'\nAnswer with one word, Yes or No.'; a run with another post_prompt is comparable only with its like",
    ),
    "of one question": (
        *(Style.BENCHMARK, "plausibility_q2", {"post_prompt": ""}),
        r"post_prompt is '' in 24 samples of qreal_objectqa_plausibility_q2, expected '\nAnswer with one word, Yes or",
    ),
    "a pre-prompt": (
        *(Style.BENCHMARK, "realism_q2", {"pre_prompt": "Look closely. "}),
        "pre_prompt is 'Look closely. ' in 24 samples of qreal_objectqa_realism_q2, expected ''; a run with another",
    ),
    "of a set, the end of a long one": (
        *(Style.BENCHMARK, "realism", {"post_prompt": frame_of(Style.BENCHMARK, "realism").post + " Be brief."}),
        "answer []. Be brief.' in 12 samples of qreal_imageqa_realism, expected '",
    ),
    "a sentence behind a bare query": (
        *(Style.PAPER, "plausibility", {"post_prompt": "\nAnswer with a JSON list."}),
        r"post_prompt is '\nAnswer with a JSON list.' in 12 samples of qreal_paper_imageqa_plausibility, expected ''",
    ),
    "a blank in front of a bare question": (
        *(Style.PAPER, "realism_q1", {"pre_prompt": " "}),
        "pre_prompt is ' ' in 24 samples of qreal_paper_objectqa_realism_q1, expected ''",
    ),
    "the prompts of the other style": (
        *(Style.PAPER, "realism_q1", {"post_prompt": frame_of(Style.BENCHMARK, "realism_q1").post}),
        r"post_prompt is '\nAnswer with one word, Yes or No.' in 24 samples of qreal_paper_objectqa_realism_q1, expec",
    ),
}


@pytest.mark.parametrize("case", OTHER_WORDS)
def test_other_words_around_the_questions_are_refused(case: str, references: References, tmp_path: Path) -> None:
    """By ``pack``, and by the check of a submission that was made to look well packed."""
    style, about, words, message = OTHER_WORDS[case]
    honest = simulated(references, style=style)
    only = "objectqa" if case == "another post-prompt of ObjectQA" else ""
    results = write_run(tmp_path / "run", asked_with_other(honest, about, **words), style=style, only=only)
    with pytest.raises(PackError) as refused:
        pack_run(results, tmp_path / "refused", SubmitterInfo("A model"), resamples=RESAMPLES)
    assert message in str(refused.value)
    assert not (tmp_path / "refused").exists()
    folder = _packed(tmp_path / "honest", references, style, only=only)
    for task in tasks_of(Half.OBJECTQA, style) if not about else [task_of(style, about)]:
        tampering.change_samples(folder, task, lambda some: [sample.update(words) for sample in some])
    problems = check_submission(folder, references, resamples=RESAMPLES).problems
    assert {problem.kind for problem in problems} == {"prompts"}
    assert message in problems[0].message


def test_one_sample_asked_otherwise_is_enough(references: References, tmp_path: Path) -> None:
    folder = _packed(tmp_path, references, Style.BENCHMARK)
    task = "qreal_imageqa_human_plausibility"
    tampering.change_samples(folder, task, lambda some: some[0].update(post_prompt="\nOnly hands."))
    problems = check_submission(folder, references, resamples=RESAMPLES).problems
    assert [problem.kind for problem in problems] == ["prompts"]
    assert "is '\\nOnly hands.' in 1 samples of qreal_imageqa_human_plausibility" in str(problems[0])


def _relabelled(folder: Path, style: Style, frames: bool) -> None:
    """Every file, task and, with ``frames``, record as if the submission had been asked in ``style``."""
    for task, (its, name) in LEAVES.items():
        path = folder / f"samples/{task}.jsonl.gz"
        if its is not style and path.exists():
            path.rename(folder / f"samples/{task_of(style, name)}.jsonl.gz")
    renamed = {task: task_of(style, name) for task, (_, name) in LEAVES.items()}

    def manifest(answered: dict[str, object]) -> None:
        versions, files = answered["task_versions"], answered["files"]
        assert isinstance(versions, dict)
        assert isinstance(files, list)
        answered["prompts"] = style
        answered["task_versions"] = {renamed[task]: version for task, version in versions.items()}
        for file in files:
            task = Path(file["path"]).name.removesuffix(".jsonl.gz")
            file["path"] = file["path"].replace(task, renamed.get(task, task))

    def scores(answered: dict[str, dict[str, object]]) -> None:
        answered["live"] = {renamed[task]: numbers for task, numbers in answered["live"].items()}

    tampering.change_manifest(folder, manifest)
    tampering.change_scores(folder, scores)
    if frames:
        for task in tasks_of(Half.OBJECTQA, style) + tasks_of(Half.IMAGEQA, style):
            own = frame_of(*LEAVES[task])
            words = {"pre_prompt": own.pre, "post_prompt": own.post}
            samples = tampering.samples(folder, task)
            tampering.write_samples(folder, task, [sample | words for sample in samples])


MISLABELLED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another style in the manifest": (
        lambda f: tampering.change_manifest(f, lambda m: m.update(prompts="paper")),
        "prompts: manifest.json: prompts is paper, but there are samples of qreal_objectqa_realism_q1 and of 8 other "
        "tasks, which ask in the other style; a submission is of one style, pack the run again",
    ),
    "no style in the manifest": (
        lambda f: tampering.change_manifest(f, lambda m: m.pop("prompts")),
        "manifest: manifest.json: prompts is missing",
    ),
    "a style that is none": (
        lambda f: tampering.change_manifest(f, lambda m: m.update(prompts="both")),
        "manifest: manifest.json: prompts is 'both': Input should be 'benchmark' or 'paper'",
    ),
    "names of tasks alone": (
        lambda f: _relabelled(f, Style.PAPER, frames=False),
        r"prompts: post_prompt is '\nAnswer with one word, Yes or No.' in 144 samples of qreal_paper_objectqa_",
    ),
    "samples of both styles": (
        lambda f: shutil.copy(
            f / "samples/qreal_objectqa_realism_q1.jsonl.gz", f / "samples/qreal_paper_objectqa_realism_q1.jsonl.gz"
        ),
        "prompts: manifest.json: prompts is benchmark, but there are samples of qreal_paper_objectqa_realism_q1, which",
    ),
}


@pytest.mark.parametrize("case", MISLABELLED)
def test_a_submission_under_another_style_is_refused(case: str, references: References, tmp_path: Path) -> None:
    change, message = MISLABELLED[case]
    folder = _packed(tmp_path, references, Style.BENCHMARK)
    change(folder)
    answered = "\n".join(map(str, check_submission(folder, references, resamples=RESAMPLES).problems))
    assert message in answered, answered or "passed"


def test_a_copy_under_another_style_is_a_copy(made: Made, tmp_path: Path) -> None:
    """Relabelled to the last word it passes the check by itself; beside what it was taken from it does not stand."""
    for name in ("taken", "original"):
        shutil.copytree(made.submissions / "s0", tmp_path / name)
    _relabelled(tmp_path / "taken", Style.PAPER, frames=True)
    assert check_submission(tmp_path / "taken", made.references, resamples=RESAMPLES).problems == ()
    board = build_board(tmp_path, made.references, CheckCache(made.cache, RESAMPLES))
    assert board.entries == ()
    assert {result.folder: str(result.problems[0]) for result in board.refused} == {
        "original": "copy: objectqa: the answers are those of taken; remove all but one",
        "taken": "copy: objectqa: the answers are those of original; remove all but one",
    }


def test_every_leaf_has_a_half_and_a_group() -> None:
    assert set(TASKS) == set(LEAVES)
    for style, group in GROUPS.items():
        assert [len(tasks_of(half, style)) for half in Half] == [6, 3]
        assert all(task.startswith(f"{group}_{half}_") for half in Half for task in tasks_of(half, style))
