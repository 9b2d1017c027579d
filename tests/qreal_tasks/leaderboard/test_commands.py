"""``qreal submit`` and ``qreal leaderboard`` on a dataset in a folder, read by the real library."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from submitted import simulated, write_run
from typer.testing import CliRunner, Result

from qreal_tasks.cli import app
from qreal_tasks.leaderboard.submission.references import load_references


def qreal(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def dataset(small_dataset: Callable[..., Path]) -> Path:
    return small_dataset()


@pytest.mark.slow
def test_from_a_run_to_a_site(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    references = load_references(str(dataset))
    write_run(tmp_path / "run", simulated(references))
    monkeypatch.chdir(tmp_path)
    done = qreal("submit", "pack", "run", "--name", "A model", "--hardware", "1x H100")
    assert done.exit_code == 0, done.output
    assert "every number recomputed on" in done.output
    (submission,) = (tmp_path / "submissions").iterdir()
    assert submission.name == json.loads((submission / "manifest.json").read_text())["id"]
    done = qreal("leaderboard", "build", "submissions", "site", "--data", dataset)
    assert done.exit_code == 0, done.output
    assert "1 submission, 0 refused (1 checked anew, 0 from the cache)" in done.output
    done = qreal("leaderboard", "build", "submissions", "site", "--data", dataset)
    assert "(0 checked anew, 1 from the cache)" in done.output
    done = qreal("leaderboard", "build", "submissions", "site", "--data", dataset, "--judge", "nobody")
    assert done.exit_code == 1
    assert "no judge is called 'nobody'" in done.output
    done = qreal("leaderboard", "build", "submissions", "site", "--data", dataset, "--judge", "gpt-4o")
    assert done.exit_code == 0, done.output
    assert "A model" in (tmp_path / "site" / "index.html").read_text()
    for path in (tmp_path / "site").rglob("*"):
        assert path.is_dir() or str(tmp_path) not in path.read_text(encoding="utf-8"), f"{path}: a path of this machine"


@pytest.mark.slow
def test_a_copy_of_the_dataset_counts_as_the_same(dataset: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", simulated(load_references(str(dataset))))
    assert qreal("submit", "pack", tmp_path / "run", tmp_path / "s", "--name", "A").exit_code == 0
    shutil.copytree(dataset, tmp_path / "elsewhere" / "copy")
    done = qreal("submit", "check", tmp_path / "s", "--data", tmp_path / "elsewhere" / "copy")
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_another_revision_does_not(small_dataset: Callable[..., Path], dataset: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", simulated(load_references(str(dataset))))
    assert qreal("submit", "pack", tmp_path / "run", tmp_path / "s", "--name", "A").exit_code == 0

    def mend(rows: dict[str, dict[str, list[dict[str, object]]]]) -> None:
        rows["objectqa"]["test"][0]["realism_q1"] = 1 - int(str(rows["objectqa"]["test"][0]["realism_q1"]))

    other = small_dataset(mend)
    done = qreal("submit", "check", tmp_path / "s", "--data", other)
    assert done.exit_code == 1
    for piece in ("refused:", "another revision; run it on that set", "reference answer is "):
        assert piece in done.output


def test_a_dataset_out_of_reach_is_said(dataset: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", simulated(load_references(str(dataset))))
    shutil.rmtree(dataset)
    done = qreal("submit", "pack", tmp_path / "run", tmp_path / "s", "--name", "A")
    assert done.exit_code == 0, done.output
    assert "Not checked against the dataset" in done.output
    assert (tmp_path / "s" / "manifest.json").is_file()


def test_a_run_on_mini_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run", simulated(load_references("mini")))
    done = qreal("submit", "pack", tmp_path / "run", tmp_path / "s", "--name", "A")
    assert done.exit_code == 1
    assert "`mini`" in done.output


def test_mini_under_another_name_is_refused(tmp_path: Path) -> None:
    """A copy of the embedded set is still the set for trying the software."""
    from submitted import on

    mini = load_references("mini")
    write_run(tmp_path / "run", on(simulated(mini), "org/looks-real"))
    packed = qreal("submit", "pack", tmp_path / "run", tmp_path / "s", "--name", "A", "--data", "mini")
    assert packed.exit_code == 1
    assert "These numbers are on `mini`" in packed.output
    assert not (tmp_path / "s").exists()


def test_drawn_pictures_are_taken_for_practice_alone(dataset: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", simulated(load_references("mini")))
    submission, check = tmp_path / "submissions" / "s", ("submit", "check", tmp_path / "submissions" / "s")
    packed = qreal("submit", "pack", tmp_path / "run", submission, "--name", "A", "--practice")
    assert packed.exit_code == 0, packed.output
    assert qreal(*check, "--data", "mini", "--practice").exit_code == 0
    refused = qreal(*check, "--data", "mini")
    assert refused.exit_code == 1
    assert "drawn pictures: made on pictures that `qreal mini` drew" in refused.output
    board = ("leaderboard", "build", tmp_path / "submissions")
    for switches, entries in ((["--practice"], 1), ([], 0)):  # the cache does not carry one over to the other
        out = tmp_path / f"board-of-{entries}"
        built = qreal(*board, out, "--data", "mini", "--cache", tmp_path / "cached", *switches)
        assert built.exit_code == 0, built.output
        content = json.loads((out / "board.json").read_text())
        assert len(content["entries"]) == entries
        pages = [path.read_text() for path in out.rglob("*.html")]
        assert all(("A board for practice." in page) == bool(entries) for page in pages)
        assert all(("<code>qreal mini</code> drew" in page) == bool(entries) for page in pages)
    real = qreal("submit", "check", submission, "--data", dataset, "--practice")
    assert real.exit_code == 1
    assert "--practice is for pictures that `qreal mini` drew" in real.output


def test_a_real_run_is_none_for_practice(dataset: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", simulated(load_references(str(dataset))))
    done = qreal("submit", "pack", tmp_path / "run", tmp_path / "s", "--name", "A", "--practice")
    assert done.exit_code == 1
    assert "--practice is for runs on pictures that `qreal mini` drew" in done.output


def test_the_check_needs_to_know_the_dataset(tmp_path: Path) -> None:
    done = qreal("submit", "check", tmp_path)
    assert done.exit_code == 1
    assert "which dataset? Pass --data org/name" in done.output
    practice = qreal("submit", "check", tmp_path, "--practice")
    assert "which dataset? Pass --data mini" in practice.output


def test_a_submission_that_is_not_there_is_the_only_reason(dataset: Path, tmp_path: Path) -> None:
    done = qreal("submit", "check", tmp_path / "none", "--data", dataset)
    assert done.exit_code == 1
    assert "none does not exist" in done.output
    assert "incomplete" not in done.output


def test_refused_submissions_are_named_in_the_output(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "submissions" / "empty").mkdir(parents=True)
    os.mkdir(os.fsencode(tmp_path / "submissions") + b"/no-utf8-\xff")
    options = ("--data", dataset, "--cache", tmp_path / "cache")
    done = qreal("leaderboard", "build", tmp_path / "submissions", tmp_path / "site", *options)
    assert done.exit_code == 0, done.output
    assert "refused: empty" in done.output
    assert "refused: no-utf8-?" in done.output
    assert "manifest.json is missing" in done.output
    assert "manifest.json is missing" in (tmp_path / "site" / "refused.html").read_text()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("mine", "holds keep.txt and no board.json of an earlier site; name a new or empty folder"),
        ("foreign", "holds board.json, s and no board.json of an earlier site"),
        ("mine/keep.txt", "is no folder; name a new or empty one"),
        ("submissions", "is, holds or lies in"),
        ("submissions/site", "is, holds or lies in"),
        (".", "is, holds or lies in"),
    ],
)
def test_what_is_no_site_is_left_alone(out: str, message: str, dataset: Path, tmp_path: Path) -> None:
    for path, text in (("mine/keep.txt", "x"), ("foreign/board.json", '{"a": 1}'), ("foreign/s/keep", "x")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "submissions" / "empty").mkdir(parents=True)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    done = qreal("leaderboard", "build", tmp_path / "submissions", tmp_path / out, "--data", dataset)
    assert done.exit_code == 1
    assert message in done.output
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_a_clone_of_a_space_serves(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "submissions" / "empty").mkdir(parents=True)
    (tmp_path / "site" / ".git").mkdir(parents=True)
    options = ("--data", dataset, "--cache", tmp_path / "cache")
    for _ in range(2):
        done = qreal("leaderboard", "build", tmp_path / "submissions", tmp_path / "site", *options)
        assert done.exit_code == 0, done.output


def test_no_submission_at_all_is_an_error(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    done = qreal("leaderboard", "build", tmp_path / "submissions", tmp_path / "site", "--data", dataset)
    assert done.exit_code == 1
    assert "no folder in it" in done.output
