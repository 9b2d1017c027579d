"""A drawn set is known for what it is wherever it lies, whatever it is called, and whatever part of it is left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import DatasetDict, load_dataset
from huggingface_hub.errors import LocalEntryNotFoundError
from small_set import small_rows, write_hub_layout
from submitted import simulated, write_run
from typer.testing import CliRunner

from qreal_tasks.cli import app
from qreal_tasks.dataset.check import check_dataset
from qreal_tasks.dataset.drawn import CARD_KEY, CARD_VALUE, is_drawn_id
from qreal_tasks.dataset.schema import CONFIGS
from qreal_tasks.dataset.source import Source, locate
from qreal_tasks.harness import yaml_values
from qreal_tasks.leaderboard.board.board import build_board
from qreal_tasks.leaderboard.board.cache import CheckCache
from qreal_tasks.leaderboard.board.site import write_site
from qreal_tasks.leaderboard.submission.check import check_submission
from qreal_tasks.leaderboard.submission.pack import PackError, SubmitterInfo, pack_run
from qreal_tasks.leaderboard.submission.problems import Rule
from qreal_tasks.leaderboard.submission.references import load_references
from qreal_tasks.mini.read import read_drawn_rows
from qreal_tasks.mini.write import draw_mini
from qreal_tasks.results.run_folder import read_run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("item_id", "expected"),
    [
        ("mini-0123456789ab", True),
        ("mini-0123456789ab#2", True),
        ("copy/mini-0123456789ab", True),
        ("test-mini-0123456789ab", True),
        ("mini-0123456789ab-2", True),
        ("mini-van-0001", False),
        ("mini-0123456789abcdef", False),
        ("gemini-0123456789ab", False),
        ("mini-0123456789a", False),
        ("0123456789ab", False),
        ("", False),
    ],
)
def test_ids_of_drawn_images_and_entities(item_id: str, expected: bool) -> None:
    assert is_drawn_id(item_id) is expected


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_id_of_a_set_of_any_seed_says_so(small_set: Path, split: str) -> None:
    for row in read_drawn_rows(small_set, "objectqa", split):
        assert is_drawn_id(row["image_id"])
        assert is_drawn_id(row["entity_id"])
        assert row["prompt_id"].startswith("mini-7-p")


def bare_card(folder: Path) -> None:
    """A card of somebody else: configs alone."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    kept = [line for line in card.split("---")[1].splitlines() if not line.startswith(CARD_KEY)]
    (folder / "README.md").write_text("\n".join(["---", *kept, "---", "# Real pictures"]), encoding="utf-8")


def rows_of(folder: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    return {
        config: {split: read_drawn_rows(folder, config, split) for split in ("train", "test")} for config in CONFIGS
    }


def as_copy(drawn: Path, target: Path) -> Path:
    """Under another name, with another card."""
    shutil.copytree(drawn, target)
    bare_card(target)
    return target


def as_saved(drawn: Path, target: Path) -> Path:
    """By ``save_to_disk``, which keeps no card."""
    for config in CONFIGS:
        DatasetDict(load_dataset(str(drawn), config, cache_dir=str(target / "cache"))).save_to_disk(target / config)
    return target


def as_part(drawn: Path, target: Path) -> Path:
    """Three images of each split and what is on them."""
    rows = rows_of(drawn)
    for split in ("train", "test"):
        kept = rows["imageqa"][split][:3]
        names = {row["image_id"] for row in kept}
        rows["imageqa"][split] = kept
        rows["objectqa"][split] = [row for row in rows["objectqa"][split] if row["image_id"] in names]
    return write_hub_layout(target, rows)


def as_mixture(drawn: Path, target: Path) -> Path:
    """One drawn image among others."""
    rows, real = rows_of(drawn), small_rows()
    image = rows["imageqa"]["test"][0]
    real["imageqa"]["test"].append(image)
    real["objectqa"]["test"] += [r for r in rows["objectqa"]["test"] if r["image_id"] == image["image_id"]]
    return write_hub_layout(target, real)


def as_drawn(drawn: Path, target: Path) -> Path:
    """As ``qreal mini`` wrote it."""
    shutil.copytree(drawn, target)
    return target


FORMS: dict[str, Callable[[Path, Path], Path]] = {
    form.__name__: form for form in (as_drawn, as_copy, as_saved, as_part, as_mixture)
}


@pytest.fixture(params=FORMS)
def drawn_form(request: pytest.FixtureRequest, small_set: Path, tmp_path: Path) -> Path:
    return FORMS[request.param](small_set, tmp_path / "looks-real")


def test_a_source_is_known_before_anything_runs_on_it(drawn_form: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate(str(drawn_form)).is_drawn
    monkeypatch.setenv("QREAL_DATA", str(drawn_form))
    assert yaml_values.alias_qreal_objectqa == "qreal_objectqa (mini)"


def test_submissions_on_it_are_refused(drawn_form: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    references = load_references(str(drawn_form))
    assert references.is_drawn
    results = write_run(tmp_path / "run", simulated(references))
    assert read_run(results).is_drawn
    with pytest.raises(PackError, match="These numbers are on `mini`"):
        pack_run(results, tmp_path / "submission", SubmitterInfo("A"))
    # A submission that was packed by other means.
    monkeypatch.setattr("qreal_tasks.leaderboard.submission.pack._require_submittable", lambda run, practice: None)
    pack_run(results, tmp_path / "submission", SubmitterInfo("A"))
    checked = check_submission(tmp_path / "submission", references)
    assert [problem.kind for problem in checked.problems] == [Rule.DRAWN]
    assert "made on pictures that `qreal mini` drew" in str(checked.problems[0])


def test_the_board_of_it_has_no_row_of_the_paper(small_set: Path, tmp_path: Path) -> None:
    folder = as_copy(small_set, tmp_path / "looks-real")
    (tmp_path / "submissions" / "one").mkdir(parents=True)
    board = build_board(tmp_path / "submissions", load_references(str(folder)), CheckCache(tmp_path / "cache"))
    assert (board.is_drawn, board.paper) == (True, ())
    write_site(board, tmp_path / "site")
    assert json.loads((tmp_path / "site" / "board.json").read_text())["paper"]["models"] == []
    for page in ("index.html", "questions.html", "sets.html", "about.html"):
        text = (tmp_path / "site" / page).read_text(encoding="utf-8")
        assert "the paper's rows" not in text, page
        assert "The paper's rows" not in text, page
        assert ("These numbers are on <code>mini</code>" in text) == (page != "about.html"), page
    assert "reported by the paper" not in (tmp_path / "site" / "board.csv").read_text()


def test_a_set_of_others_is_not_taken_for_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_hub_layout(tmp_path / "mini-set", small_rows())
    assert not locate(str(folder)).is_drawn
    assert not load_references(str(folder)).is_drawn
    monkeypatch.setenv("QREAL_DATA", str(folder))
    assert yaml_values.alias_qreal_objectqa == "qreal_objectqa"
    # ... but a card that says so is believed.
    card = folder / "README.md"
    card.write_text(card.read_text().replace("---\n", f"---\n{CARD_KEY}: {CARD_VALUE}\n", 1))
    assert locate(str(folder)).is_drawn
    assert load_references(str(folder)).is_drawn


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (f"---\n{CARD_KEY}: {CARD_VALUE}\n---\n# A set\n", True),
        ("---\nlicense: mit\n---\n# A set\n", False),
        ("# Without front matter\n", False),
        (f"---\n{CARD_KEY}: [\n---\n", False),
        (None, False),
    ],
)
def test_of_a_hub_set_the_card_is_asked(
    card: str | None, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def download(
        repo_id: str, *, repo_type: str, revision: str | None, allow_patterns: list[str], local_files_only: bool
    ) -> str:
        assert local_files_only, "no network in tests"
        asked.append((repo_id, revision))
        assert (allow_patterns, repo_type) == (["README.md", ".huggingface.yaml"], "dataset")
        if card is None:
            raise LocalEntryNotFoundError("not in the cache")
        (tmp_path / "README.md").write_text(card)
        return str(tmp_path)

    monkeypatch.setattr("qreal_tasks.dataset.hub.snapshot_download", download)
    source: Source = locate("org/name@v2")
    assert source.is_drawn is expected
    assert source.is_drawn is expected
    assert asked == [("org/name", "v2")], "asked once"


@pytest.mark.parametrize(("images", "seed"), [(100, 1), (25, 2), (23, 77)])
def test_the_check_finds_no_problem_in_any_drawn_set(images: int, seed: int, tmp_path: Path) -> None:
    folder = draw_mini(tmp_path / "set", images, seed).folder
    assert check_dataset(locate(str(folder))) == []


def test_the_command_says_what_the_numbers_are_on(small_set: Path, tmp_path: Path) -> None:
    folder = as_copy(small_set, tmp_path / "looks-real")
    told = CliRunner().invoke(app, ["data", "info", str(folder)])
    assert told.exit_code == 0, told.output
    assert "These numbers are on `mini`" in " ".join(told.output.split())
