"""Whatever a submission holds, the check ends with problems and not with an exception: one stranger breaks no board."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from submitted import pack_simulated, small_references
from tampering import rehash, samples

from qreal_tasks.benchmark import Style
from qreal_tasks.leaderboard.board.board import build_board
from qreal_tasks.leaderboard.board.cache import CheckCache
from qreal_tasks.leaderboard.submission.check import CheckedSubmission, check_folder, check_submission
from qreal_tasks.leaderboard.submission.claims import build_scores, find_wrong_claims, find_wrong_live
from qreal_tasks.leaderboard.submission.reading import SubmissionFolder, read_folder
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.leaderboard.submission.samples_file import compress
from qreal_tasks.leaf_tasks import Half, tasks_of

pytestmark = pytest.mark.slow

RESAMPLES = 10
MUTATIONS = 80
DEEP: Any = [0]
for _ in range(400):
    DEEP = [DEEP]
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63, 10**400, -0.0, 1e308, "", " ", "Yes", "\ud800", "\x00", "‮", "../x", "a" * 5000),
    *([], {}, [None], [[]], {"a": None}, {"": {}}, DEEP, [1e308] * 4, ["Yes"]),
)


@pytest.fixture(scope="module")
def references() -> References:
    return small_references(2)


@pytest.fixture(scope="module")
def honest(references: References, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_simulated(tmp_path_factory.mktemp("honest"), references, RESAMPLES)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from _places(value, (*path, key))


def _mangled(tree: Any, rng: random.Random) -> tuple[Any, str]:
    """One place of the tree removed, or with an odd value, or with an odd neighbour."""
    changed = copy.deepcopy(tree)
    path = rng.choice(list(_places(changed)))
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    how = rng.choice(("odd", "odd", "odd", "removed", "added"))
    if how == "odd":
        inside[path[-1]] = rng.choice(ODD)
    elif how == "removed":
        del inside[path[-1]]
    elif isinstance(inside, dict):
        inside["odd"] = rng.choice(ODD)
    else:
        inside.append(rng.choice(ODD))
    return changed, f"{how} {path}"


def _write(folder: Path, name: str, rng: random.Random) -> str:
    if name.endswith(".json"):
        changed, what = _mangled(json.loads((folder / name).read_text(encoding="utf-8")), rng)
        (folder / name).write_text(json.dumps(changed), encoding="utf-8")
    else:
        records = samples(folder, name)
        number = rng.randrange(len(records))
        records[number], what = _mangled(records[number], rng)
        text = "".join(f"{json.dumps(record)}\n" for record in records)
        (folder / f"samples/{name}.jsonl.gz").write_bytes(compress(text.encode("ascii")))
    if name != "manifest.json":
        rehash(folder)
    return f"{name}: {what}"


def test_no_mangled_field_raises(honest: Path, references: References, tmp_path: Path) -> None:
    rng = random.Random(0)
    names = ["manifest.json", "scores.json", *(t for half in Half for t in tasks_of(half, Style.BENCHMARK))]
    passed = []
    for number in range(MUTATIONS):
        folder = tmp_path / str(number)
        shutil.copytree(honest, folder)
        what = _write(folder, names[number % len(names)], rng)
        try:
            found = check_submission(folder, references, resamples=RESAMPLES)
        except Exception as error:
            raise AssertionError(f"mutation {number}, {what}: {type(error).__name__}: {error}") from error
        if not found.problems:
            passed.append(what)
        shutil.rmtree(folder)
    assert len(passed) < MUTATIONS // 5, passed


NUMBERS: tuple[Any, ...] = (0, -1, 2**63, 10**400, -(10**400), -0.0, 1e308, -1e308, True, None)
"""For every place that holds a number."""


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _odd_numbers(tree: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The tree with each of its numbers replaced by each odd one, in place; the path of the number and the odd one."""
    for path in [path for path in _places(tree) if type(_at(tree, path)) in (int, float)]:
        inside, honest = _at(tree, path[:-1]), _at(tree, path)
        for value in NUMBERS:
            inside[path[-1]] = value
            if value != honest or type(value) is bool:
                yield path, value
        inside[path[-1]] = honest


def test_no_number_of_the_scores_raises(honest: Path, references: References) -> None:
    checked = check_submission(honest, references, resamples=RESAMPLES)
    assert checked.run is not None
    assert checked.scores is not None
    ours = build_scores(checked.run, checked.scores, RESAMPLES)
    live = json.loads(json.dumps(ours["live"]))
    for path, value in _odd_numbers(live):
        assert find_wrong_live(live, checked.run, checked.scores), (path, value)
    settings = {"settings": {"resamples": ours["resamples"], "seed": ours["seed"]}}
    for table in (settings, ours["objectqa"], ours["imageqa"]):
        for name, group in table.items():
            claimed = json.loads(json.dumps({name: group}))
            for path, value in _odd_numbers(claimed):
                assert find_wrong_claims(claimed, {name: group}), (path, value)


@pytest.mark.parametrize("task", ["qreal_objectqa_realism_q1", "qreal_imageqa_realism"])
def test_no_number_of_a_record_raises(task: str, honest: Path, references: References) -> None:
    folder = read_folder(honest)
    some = samples(honest, task)
    one = next(one for one in some if one.get("scores") or "question" in one)
    one |= {"input_size": [100, 80], "dropped": {"odd": 1}, "unjudged": {"odd": 1}} if "scores" in one else {}
    for path, value in _odd_numbers(one):
        lines = "".join(f"{json.dumps(sample)}\n" for sample in some)
        files = {**folder.files, f"samples/{task}.jsonl.gz": compress(lines.encode("ascii"))}
        try:
            check_folder("odd", SubmissionFolder(files, ()), references, resamples=2)
        except Exception as error:
            raise AssertionError(f"{path} = {value!r:.20}: {type(error).__name__}: {error}") from error


def test_a_check_that_raises_refuses_its_submission_only(
    honest: Path, references: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fine", "odd"):
        shutil.copytree(honest, tmp_path / "submissions" / name)

    def check(name: str, *arguments: Any, **options: Any) -> CheckedSubmission:
        if name == "odd":
            raise ZeroDivisionError("by nothing")
        return check_folder(name, *arguments, **options)

    monkeypatch.setattr("qreal_tasks.leaderboard.board.cache.check_folder", check)
    for _ in range(2):  # not kept: the second build finds it anew
        board = build_board(tmp_path / "submissions", references, CheckCache(tmp_path / "cache", RESAMPLES))
        assert [entry.result.folder for entry in board.entries] == ["fine"]
        (refused,) = board.refused
        assert str(refused.problems[0]) == "check: stopped by ZeroDivisionError: by nothing; report it"


def test_a_folder_that_cannot_be_read_is_refused(
    honest: Path, references: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fine", "locked"):
        shutil.copytree(honest, tmp_path / "submissions" / name)

    def read(folder: Path) -> SubmissionFolder:
        if folder.name == "locked":
            raise PermissionError(13, "Permission denied", str(folder))
        return read_folder(folder)

    monkeypatch.setattr("qreal_tasks.leaderboard.board.board.read_folder", read)
    board = build_board(tmp_path / "submissions", references, CheckCache(tmp_path / "cache", RESAMPLES))
    assert [entry.result.folder for entry in board.entries] == ["fine"]
    (refused,) = board.refused
    assert str(refused.problems[0]) == "folder: locked: cannot be read (Permission denied); make its files readable"


@pytest.mark.parametrize("how", ["cut", "flipped", "zeroed"])
def test_no_mangled_byte_raises(how: str, honest: Path, references: References, tmp_path: Path) -> None:
    rng = random.Random(1)
    paths = sorted(str(path.relative_to(honest)) for path in honest.rglob("*") if path.is_file())
    for number in range(8):
        folder = tmp_path / str(number)
        shutil.copytree(honest, folder)
        path = folder / rng.choice(paths)
        data = bytearray(path.read_bytes())
        at = rng.randrange(len(data))
        if how == "cut":
            del data[at:]
        elif how == "flipped":
            data[at] ^= 1 << rng.randrange(8)
        else:
            data[at : at + 64] = bytes(64)
        path.write_bytes(data)
        assert check_submission(folder, references, resamples=RESAMPLES).problems, (path, at)


def test_a_board_survives_them(honest: Path, references: References, tmp_path: Path) -> None:
    rng = random.Random(2)
    shutil.copytree(honest, tmp_path / "submissions" / "honest")
    for number in range(8):
        folder = tmp_path / "submissions" / f"odd{number}"
        shutil.copytree(honest, folder)
        _write(folder, ("manifest.json", "scores.json")[number % 2], rng)
    board = build_board(tmp_path / "submissions", references, CheckCache(tmp_path / "cache", RESAMPLES))
    assert len(board.entries) == 1, "copies with the same samples are not counted twice"
    assert len(board.refused) == 8
    again = build_board(tmp_path / "submissions", references, CheckCache(tmp_path / "cache", RESAMPLES))
    assert again.refused == board.refused
