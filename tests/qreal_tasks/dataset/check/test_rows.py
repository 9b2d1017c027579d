"""What is wrong with the values of rows, and what a split holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from small_set import Rows

from qreal_tasks.dataset.check import check_dataset, count_split
from qreal_tasks.dataset.source import DatasetError, locate

pytestmark = pytest.mark.slow


def test_info_counts_as_the_paper_does(small_dataset: Callable[..., Path]) -> None:
    found = count_split(locate(str(small_dataset())), "test")
    assert (found.images, found.entities, found.portraits, found.with_parts) == (3, 6, 1, 1)
    assert found.yes_share["plausibility_q1"] == pytest.approx(1 / 2)
    assert found.yes_share["plausibility_q4"] == pytest.approx(2 / 6)
    assert found.generators == {"gen0": 2, "gen1": 1}


def _entity(rows: Rows, split: str = "test", number: int = 0) -> dict[str, Any]:
    return rows["objectqa"][split][number]


def _listed(rows: Rows, split: str = "test", image: int = 0, index: int = 0) -> dict[str, Any]:
    entity: dict[str, Any] = rows["imageqa"][split][image]["entities"][index]
    return entity


def _both(rows: Rows, **values: Any) -> None:
    """Change the first test entity in both configs alike."""
    _entity(rows).update(values)
    _listed(rows).update(values)


def _listed_everywhere(rows: Rows, **values: Any) -> None:
    for split in rows["imageqa"].values():
        for image in split:
            for entity in image["entities"]:
                entity.update(values)


def _invert_flags(rows: Rows) -> None:
    for split in rows["imageqa"].values():
        for image in split:
            for entity in image["entities"]:
                entity["realism_flawed"] = not entity["realism_flawed"]


def _shared(rows: Rows, **values: Any) -> None:
    """Change both entities of the first test image in objectqa alone."""
    for number in (0, 1):
        _entity(rows, number=number).update(values)


def _repeat_image(rows: Rows) -> None:
    rows["imageqa"]["test"].append(dict(rows["imageqa"]["test"][0]))


def _move_to_train(rows: Rows) -> None:
    rows["objectqa"]["train"].append(rows["objectqa"]["test"].pop(0))


CHANGES: dict[str, tuple[Callable[[Rows], object], str, str]] = {
    "reversed box": (lambda r: _both(r, bbox=[40.0, 10.0, 10.0, 50.0]), "box", "no area"),
    "box without area": (lambda r: _both(r, bbox=[10.0, 10.0, 10.0, 50.0]), "box", "no area"),
    "box outside the image": (
        lambda r: _both(r, bbox=[10.0, 10.0, 400.0, 50.0]),
        "box",
        "outside its image of 100 x 80",
    ),
    "not a number in a box": (
        lambda r: _both(r, bbox=[float("nan"), 10.0, 40.0, 50.0]),
        "box",
        "four finite numbers",
    ),
    "no answer": (lambda r: _both(r, realism_q1=None), "null", "realism_q1 is null"),
    "no generator": (lambda r: r["imageqa"]["test"][0].update(generator=None), "null", "generator is null"),
    "no flaw": (lambda r: _listed(r).update(realism_flawed=None), "null", "realism_flawed is null"),
    "no id": (lambda r: _entity(r).update(entity_id=None), "null", "entity_id is null"),
    "no width": (lambda r: r["imageqa"]["test"][0].update(width=None), "null", "width is null"),
    "no entities": (lambda r: r["imageqa"]["test"][0].update(entities=None), "null", "entities is null"),
    "null entity": (lambda r: r["imageqa"]["test"][0]["entities"].append(None), "null", "null"),
    "quality above 1": (lambda r: _both(r, quality_score=7.0), "quality_score", "expected 0 to 1"),
    "empty label": (lambda r: _both(r, label=" "), "label", "label is empty"),
    "undecodable image": (
        lambda r: _entity(r).update(image={"bytes": b"no picture", "path": None}),
        "image",
        "cannot be decoded",
    ),
    "no image": (lambda r: _entity(r).update(image=None), "image", "image is null"),
    "wrong size": (
        lambda r: r["imageqa"]["test"][0].update(width=99),
        "size",
        "100 x 80 px but width and height say 99",
    ),
    "id twice": (lambda r: r["objectqa"]["test"].append(dict(_entity(r))), "duplicate id", "appears twice"),
    "image id twice": (_repeat_image, "duplicate id", "appears twice"),
    "entity listed under another image": (
        lambda r: _listed(r).update(entity_id="img4#9"),
        "entity of another image",
        "listed under image img2",
    ),
    "entity without image": (
        lambda r: _entity(r).update(image_id="img9"),
        "unknown image",
        "img9 is not in imageqa",
    ),
    "entity that imageqa lacks": (
        lambda r: _entity(r).update(entity_id="img2#7"),
        "unknown entity",
        "not among",
    ),
    "crop and image in different splits": (_move_to_train, "split", "is in train but its image is in test"),
    "answers that disagree": (
        lambda r: _entity(r).update(plausibility_q3=1),
        "disagreement",
        "plausibility_q3 is 1 here",
    ),
    "prompt in both splits": (
        lambda r: r["imageqa"]["train"][0].update(prompt_id="prompt-test-2"),
        "prompt in both splits",
        "split by prompt",
    ),
    "flags that are inverted": (
        _invert_flags,
        "flag",
        "realism_flawed is True, expected False: the answers are realism_q1 Yes, realism_q2 Yes",
    ),
    "flag where an answer is No": (
        lambda r: _listed(r).update(realism_flawed=False),
        "flag",
        "realism_flawed is False, expected True: the answers are realism_q1 No, realism_q2 Yes",
    ),
    "flags that are true everywhere": (
        lambda r: _listed_everywhere(r, realism_flawed=True),
        "flag",
        "realism_flawed is True, expected False",
    ),
    "flags of the other dimension": (
        lambda r: _listed(r, index=1).update(plausibility_flawed=False),
        "flag",
        "plausibility_q1 Yes",
    ),
    "portrait in one config": (
        lambda r: _shared(r, is_portrait=True),
        "disagreement",
        "is_portrait is True here and False for image img2",
    ),
    "generator of another row": (
        lambda r: _shared(r, generator="gen7"),
        "disagreement",
        "generator is 'gen7' here and 'gen0' for image img2",
    ),
    "prompt of another row": (
        lambda r: _shared(r, prompt_id="prompt-test-4"),
        "disagreement",
        "prompt_id is 'prompt-test-4' here",
    ),
    "labels that disagree": (lambda r: _entity(r).update(label="cat"), "disagreement", "label is 'cat' here and 'dog'"),
    "scores that disagree": (lambda r: _entity(r).update(quality_score=None), "disagreement", "None here and 0.5"),
    "descriptions that disagree": (
        lambda r: _entity(r).update(realism_description="The fur is fine."),
        "disagreement",
        "realism_description is 'The fur is fine.' here",
    ),
    "boxes that disagree by a pixel": (
        lambda r: _entity(r).update(bbox=[10.0, 10.0, 40.0, 51.0]),
        "disagreement",
        "bbox is [10.0, 10.0, 40.0, 51.0] here and [10.0, 10.0, 40.0, 50.0]",
    ),
    "entity that objectqa lacks": (
        lambda r: r["objectqa"]["test"].pop(0),
        "entity without crop",
        "has no row in objectqa",
    ),
    "flaw without description": (
        lambda r: _listed(r, index=1).update(plausibility_description=""),
        "description",
        "plausibility_description is empty",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_every_kind_of_damage_is_named(case: str, small_dataset: Callable[..., Path]) -> None:
    change, kind, message = CHANGES[case]
    problems = check_dataset(locate(str(small_dataset(change))))
    fitting = [p for p in problems if p.kind == kind and message in p.message]
    assert fitting, f"expected a {kind} problem with {message!r}, found {[str(p) for p in problems]}"
    assert fitting[0].item
    assert fitting[0].split in str(fitting[0])


def test_half_of_objectqa_is_missed(small_dataset: Callable[..., Path]) -> None:
    def halve(rows: Rows) -> None:
        rows["objectqa"] = {split: listed[::2] for split, listed in rows["objectqa"].items()}

    problems = check_dataset(locate(str(small_dataset(halve))))
    missing = [(p.config, p.split, p.row, p.item) for p in problems if p.kind == "entity without crop"]
    assert len(missing) == len(problems) == 5
    assert missing[0] == ("imageqa", "train", 0, "img0#1")


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: _entity(rows).update(plausibility_description=None),
        lambda rows: _listed(rows).update(plausibility_description=None),
    ],
)
def test_no_description_is_no_description(change: Callable[[Rows], None], small_dataset: Callable[..., Path]) -> None:
    """Null in one config and empty in the other say the same, of an entity without a flaw."""

    def both_empty_first(rows: Rows) -> None:
        _both(rows, plausibility_description="", plausibility_q2=0)
        _listed(rows)["plausibility_flawed"] = False
        change(rows)

    assert check_dataset(locate(str(small_dataset(both_empty_first)))) == []


def test_a_null_is_said_once_and_nothing_follows_from_it(small_dataset: Callable[..., Path]) -> None:
    """A row that lacks a value is not looked at further, but its ids are known."""
    problems = check_dataset(locate(str(small_dataset(lambda rows: rows["imageqa"]["test"][0].update(generator=None)))))
    assert [str(p) for p in problems] == ["imageqa/test row 0, img2: generator is null, expected a value"]
    problems = check_dataset(locate(str(small_dataset(lambda rows: _entity(rows).update(label=None)))))
    assert [str(p) for p in problems] == ["objectqa/test row 0, img2#0: label is null, expected a value"]


def test_a_column_that_the_files_of_one_split_lack_is_said_once(small_dataset: Callable[..., Path]) -> None:
    folder = small_dataset()
    path = folder / "data" / "objectqa" / "test-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).drop_columns("label"), path)
    assert [str(p) for p in check_dataset(locate(str(folder)))] == [
        "objectqa/test: in every row: label is null, expected a value; do the files of this split lack the column?"
    ]


def test_one_flaw_in_every_entity_is_said_once(small_dataset: Callable[..., Path]) -> None:
    problems = check_dataset(locate(str(small_dataset(lambda rows: _listed_everywhere(rows, realism_flawed=None)))))
    assert [(p.split, p.row) for p in problems if p.kind == "null"] == [("train", None), ("test", None)]


def test_info_names_a_null_instead_of_failing_on_it(small_dataset: Callable[..., Path]) -> None:
    folder = small_dataset(lambda rows: rows["imageqa"]["test"][0].update(generator=None))
    with pytest.raises(DatasetError, match="imageqa/test row 0, img2: generator is null"):
        count_split(locate(str(folder)), "test")
