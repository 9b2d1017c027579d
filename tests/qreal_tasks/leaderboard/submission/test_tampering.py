"""Ways to cheat or to err in a submission: each is refused with a message of its own, and an honest one passes.

The cheat repacks well: unless a row is about them, the files' hashes and the id follow every change.
"""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tampering
from submitted import pack_simulated, small_references
from tampering import Sample, change_manifest, change_samples, change_scores

from qreal_tasks.leaderboard.submission import samples_file
from qreal_tasks.leaderboard.submission.check import CheckedSubmission, check_submission
from qreal_tasks.leaderboard.submission.references import References

pytestmark = pytest.mark.slow

RESAMPLES = 20
Q1, Q2 = "qreal_objectqa_realism_q1", "qreal_objectqa_plausibility_q2"
REALISM, HUMAN = "qreal_imageqa_realism", "qreal_imageqa_human_plausibility"


@pytest.fixture(scope="module")
def references() -> References:
    return replace(small_references(), commit="0" * 40)


@pytest.fixture(scope="module")
def honest(references: References, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_simulated(tmp_path_factory.mktemp("honest"), references, RESAMPLES)


def test_what_is_private_is_not_repeated_in_the_reason(honest: Path, references: References, tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    shutil.copytree(honest, folder)
    change_manifest(folder, _set("model/arguments", {"dtype": "sk-0123456789abcdef"}))
    result = "\n".join(map(str, check(folder, references).problems))
    assert "looks like a key" in result
    assert "0123456789" not in result


def check(folder: Path, references: References) -> CheckedSubmission:
    return check_submission(folder, references, resamples=RESAMPLES)


def test_an_honest_submission_passes(honest: Path, references: References) -> None:
    found = check(honest, references)
    assert found.problems == ()
    assert found.scores is not None
    assert found.scores.objectqa["overall"].metrics["auc"] is not None


def _first(**changes: Any) -> Callable[[list[Sample]], None]:
    return lambda samples: samples[0].update(changes)


def _with_scores(samples: list[Sample]) -> Sample:
    return next(sample for sample in samples if sample["scores"])


def _with_reference(samples: list[Sample]) -> Sample:
    return next(sample for sample in samples if sample["reference"])


def _in_reference(**changes: Any) -> Callable[[list[Sample]], None]:
    return lambda samples: _with_reference(samples)["reference"][0].update(changes)


def _in_scores(change: Callable[[Sample], object]) -> Callable[[list[Sample]], object]:
    return lambda samples: change(_with_scores(samples))


def _flip(samples: list[Sample]) -> None:
    one = next(sample for sample in samples if sample["answer"] != sample["reference"] and sample["answer"])
    one["answer"] = one["reference"]


def _suit_the_answer(samples: list[Sample]) -> None:
    one = next(sample for sample in samples if sample["answer"] != sample["reference"] and sample["answer"])
    one["reference"] = one["answer"]


def _better_text(samples: list[Sample]) -> None:
    """Text, answer and P(Yes) that all fit, in a file whose numbers were not computed again."""
    one = next(sample for sample in samples if sample["answer"] != sample["reference"] and sample["answer"])
    one.update(raw=one["reference"], answer=one["reference"])


def _invert_p(samples: list[Sample]) -> None:
    for sample in samples:
        sample["p_yes"] = 1 - sample["p_yes"]


def _drop_bad_boxes(samples: list[Sample]) -> None:
    next(sample for sample in samples if sample["predicted"]).update(predicted=[], scores=[], unjudged={})


def _refuse_hard_image(samples: list[Sample]) -> None:
    one = next(sample for sample in samples if sample["predicted"])
    one.update(reason="refused", predicted=[], scores=[], unjudged={})


def _unjudge(samples: list[Sample]) -> None:
    _with_scores(samples).update(scores=None, judge=None, unjudged={})


def _two_halves(manifest: dict[str, Any]) -> None:
    manifest["halves"] = ["objectqa"]
    del manifest["data"]["fingerprints"]["imageqa"]


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *parts, last = path.split("/")

    def change(tree: Any) -> None:
        for part in parts:
            tree = tree[int(part)] if isinstance(tree, list) else tree[part]
        tree[int(last) if isinstance(tree, list) else last] = value

    return change


def _delete(path: str) -> Callable[[dict[str, Any]], None]:
    *parts, last = path.split("/")

    def change(tree: dict[str, Any]) -> None:
        for part in parts:
            tree = tree[part]
        del tree[last]

    return change


def _raw_samples(folder: Path, task: str, data: bytes) -> None:
    (folder / f"samples/{task}.jsonl.gz").write_bytes(data)
    tampering.rehash(folder)


def _gzipped(folder: Path) -> bytes:
    return (folder / f"samples/{Q1}.jsonl.gz").read_bytes()


def _link(folder: Path) -> None:
    outside = folder.parent / "outside.gz"
    outside.write_bytes(_gzipped(folder))
    (folder / f"samples/{Q1}.jsonl.gz").unlink()
    os.symlink(outside, folder / f"samples/{Q1}.jsonl.gz")


def _linked_folder(folder: Path) -> None:
    (folder / "samples").rename(folder.parent / "elsewhere")
    os.symlink(folder.parent / "elsewhere", folder / "samples")


def _archive(folder: Path) -> None:
    with zipfile.ZipFile(folder / "samples.zip", "w") as file:
        file.writestr("../../evil.txt", "out")


def _zip_as_samples(folder: Path) -> None:
    path = folder / f"samples/{Q1}.jsonl.gz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.jsonl", "{}")
    tampering.rehash(folder)


def _many_files(folder: Path) -> None:
    for number in range(30):
        (folder / f"extra{number}.txt").write_text("x")


def _remove_task(folder: Path) -> None:
    (folder / f"samples/{Q2}.jsonl.gz").unlink()
    change_manifest(folder, lambda m: m.update(files=[f for f in m["files"] if Q2 not in f["path"]]))
    tampering.rehash(folder)


def _twice_in_json(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"name"', '"name": "Other", "name"', 1))


def _other_bytes(folder: Path) -> None:
    with (folder / "scores.json").open("a") as file:
        file.write("\n")


def _line(folder: Path, old: str, new: str) -> None:
    lines = gzip.decompress(_gzipped(folder)).decode().replace(old, new, 1)
    _raw_samples(folder, Q1, samples_file.compress(lines.encode("ascii")))


def _each_judge(folder: Path) -> None:
    for task in (REALISM, "qreal_imageqa_plausibility", HUMAN):
        change_samples(folder, task, lambda some: [s.update(judge="gpt-4o@000000000000") for s in some])


def _in(task: str, change: Callable[[list[Sample]], object]) -> Callable[[Path], None]:
    return lambda folder: change_samples(folder, task, change)


def _manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda folder: change_manifest(folder, change)


def _scores(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda folder: change_scores(folder, change)


TAMPERING: dict[str, tuple[Callable[[Path], object], str]] = {
    # numbers
    "metric": (
        _scores(_set("objectqa/realism_q1/metrics/acc", 0.99)),
        "number: scores.json: objectqa.realism_q1.metrics.acc is 0.99, recomputed ",
    ),
    "interval": (
        _scores(_set("imageqa/realism/intervals/f1_at_50/low", 0.9)),
        "scores.json: imageqa.realism.intervals.f1_at_50.low is 0.9, recomputed ",
    ),
    "live number": (_scores(_set(f"live/{Q1}/acc", 0.99)), f"scores.json: live {Q1} acc is 0.99, recomputed "),
    "number as text": (_scores(_set("objectqa/realism_q1/metrics/acc", "0.5")), "metrics.acc is '0.5', recomputed "),
    "number removed": (_scores(_delete("objectqa/realism_q1/metrics/acc")), "metrics.acc is missing, recomputed "),
    "number invented": (_scores(_set("objectqa/realism_q1/metrics/best", 1)), "metrics.best is no number of the bench"),
    "live task removed": (_scores(_delete(f"live/{Q1}")), f"live {Q1} is None, expected the live run's numbers"),
    "fewer resamples": (_scores(_set("resamples", 10)), f"scores.json: resamples is 10, recomputed {RESAMPLES}"),
    # what was read
    "answer flipped": (_in(Q1, _flip), "parsed value: qreal_objectqa_realism_q1 c"),
    "answer of another text": (_in(Q1, _first(raw="No, it is not.", answer="Yes", reason=None)), "its text reads 'No'"),
    "text and answer, not the numbers": (_in(Q1, _better_text), "objectqa.realism_q1.metrics.acc is "),
    "boxes removed": (_in(REALISM, _drop_bad_boxes), "0 predicted boxes that are not the "),
    "box moved": (
        _in(REALISM, lambda s: next(x for x in s if x["predicted"])["predicted"][0].update(bbox_px=[0, 0, 9, 9])),
        "predicted boxes that are not the ",
    ),
    "hard image refused": (_in(REALISM, _refuse_hard_image), "reason is 'refused', its text reads None"),
    "clipped boxes hidden": (_in(REALISM, _first(clipped=3)), "clipped is 3, its text reads 0"),
    # values
    "p_yes above 1": (_in(Q1, _first(p_yes=1.5)), "p_yes is 1.5, expected a probability from 0 to 1"),
    "mass above 1": (_in(Q1, _first(mass=7.0)), "mass is 7.0, expected a probability from 0 to 1"),
    "p_yes without mass": (
        _in(Q1, _first(p_yes=0.5, mass=None)),
        "p_yes is 0.5 and mass is None, expected both or nei",
    ),
    "mass without p_yes": (
        _in(Q1, _first(p_yes=None, mass=0.5)),
        "p_yes is None and mass is 0.5, expected both or nei",
    ),
    "p_yes of no mass": (_in(Q1, _first(p_yes=0.5, mass=0.0)), "p_yes is 0.5 of a mass of 0, expected null for both"),
    "p_yes NaN": (_in(Q1, _first(p_yes=float("nan"))), f"samples/{Q1}.jsonl.gz line 1: no JSON object: NaN is no num"),
    "p_yes inverted": (_in(Q1, _invert_p), "cannot come from the P(Yes) that these answers follow"),
    "space unknown": (_in(REALISM, _first(space="furlongs")), "space is 'furlongs', expected one of pixels, "),
    "no input size": (
        _in(REALISM, lambda s: [x.update(space="resized_pixels") for x in s]),
        "boxes in resized_pixels without input_size cannot be placed",
    ),
    "two spaces in two sets": (
        _in(HUMAN, lambda s: [x.update(space="norm1000") for x in s]),
        "boxes in 'norm1000' (image c",
    ),
    "two input sizes of one size": (
        lambda f: [_in(t, _first(input_size=size))(f) for t, size in ((REALISM, [100, 80]), (HUMAN, [50, 40]))],
        "images of 100x80 have input_size 50x40 (image c",
    ),
    "reason too long": (_in(Q1, _first(raw="", answer=None, reason="a" * 301)), "reason of 301 characters, expected 1"),
    "answer of a million blanks": (
        _in(Q1, _first(raw=" " * (2**20 + 1), answer=None, reason="empty")),
        "raw has 1,048,577 characters, expected at most 1,048,576; no model writes that many",
    ),
    "controls in a reason": (
        _in(Q1, _first(raw="", answer=None, reason="so\u202eos")),
        "reason has a reason with U+202E, a control or invisible character",
    ),
    "key in a reason": (
        _in(Q1, _first(raw="", answer=None, reason="bad key sk-0123456789")),
        "private text: qreal_objectqa_realism_q1 ",
    ),
    "home folder in a reason": (
        _in(Q1, _first(raw="", answer=None, reason="no file /home/me/x")),
        "reason has a reason with what looks like a path; pack it again",
    ),
    "address in a reason of the judge": (
        _in(REALISM, _in_scores(lambda s: s.update(unjudged={"no route to 10.0.0.7": 1}))),
        "unjudged has a reason with what looks like an address; pack it again",
    ),
    "line break in a reason of the judge": (
        _in(REALISM, _in_scores(lambda s: s.update(unjudged={"a\nb": 1}))),
        "unjudged has a reason with U+000A, a control or invisible character",
    ),
    "reason of the judge too long": (
        _in(REALISM, _in_scores(lambda s: s.update(unjudged={"a" * 301: 1}))),
        "unjudged has a reason of 301 characters, expected 1 to 300",
    ),
    "what the judge's server wrote": (
        _in(REALISM, _in_scores(lambda s: s.update(judge_said={"refused": "see /home/me"}))),
        "holds what the judge's server wrote, which no submission holds",
    ),
    "reasoning marks on one sample": (
        _in(Q1, _first(reasoning_marks=[["<a>", "</a>"]])),
        "one run has one model, run all tasks with the same",
    ),
    "reasoning marks without characters": (
        _in(REALISM, _first(reasoning_marks=[["", "x"]])),
        "reasoning_marks.0.0: String should have at least 1 character",
    ),
    "reasoning marks that cut an answer away": (
        _in(Q1, lambda s: [x.update(reasoning_marks=[["~", "Yes"]]) for x in s]),
        "its text reads",
    ),
    "two spaces": (_in(REALISM, _first(space="norm1000")), "one run has one declared space"),
    # completeness
    "sample missing": (_in(Q1, lambda s: s.pop()), f"incomplete: {Q1}: sample c3-img4#1 is missing"),
    "sample repeated": (_in(Q1, lambda s: s.append(dict(s[0]))), "sample 'c0-img2#0' occurs 2 times; keep one"),
    "sample extra": (
        _in(Q1, lambda s: s.append({**s[0], "entity_id": "c0-img2#9"})),
        "sample 'c0-img2#9' is not in the test split of org/set",
    ),
    "unknown image": (
        _in(REALISM, lambda s: s.append({**s[0], "image_id": "elsewhere"})),
        "sample 'elsewhere' is not in the test split",
    ),
    "no portrait": (
        _in(HUMAN, lambda s: s.append({**s[0], "image_id": "c0-img2"})),
        f"{HUMAN}: sample 'c0-img2' is not in the test split",
    ),
    "task missing": (_remove_task, f"{Q2}: no samples, but objectqa is said to be complete"),
    "half hidden": (_manifest(_two_halves), f"{REALISM}: samples of a task that is in no half of the manifest"),
    "records of another task": (
        _in(Q1, lambda s: [x.update(question="plausibility_q4") for x in s]),
        "a record of 'plausibility_q4', expected realism_q1",
    ),
    # references
    "reference answer": (_in(Q1, _suit_the_answer), f"reference: {Q1} c"),
    "reference box": (
        _in(REALISM, _in_reference(bbox_px=[0.0, 0.0, 100.0, 80.0])),
        "reference box is (0.0, 0.0, 100.0, 80.0), the dataset says (",
    ),
    "reference description": (
        _in(REALISM, _in_reference(description="easy")),
        "reference description is 'easy', the dataset says 'The fur looks painted.'",
    ),
    "reference label": (_in(REALISM, _in_reference(label="cat")), "reference label is 'cat', the dataset says '"),
    "reference entity removed": (
        _in(REALISM, lambda s: _with_reference(s).update(reference=[])),
        "0 reference entities, the dataset has ",
    ),
    "generator": (_in(Q1, _first(generator="other")), "generator is 'other', the dataset says 'gen0'"),
    "is_portrait": (_in(Q1, _first(is_portrait=True)), "is_portrait is True, the dataset says False"),
    "label": (_in(Q1, _first(label="cat")), "label is 'cat', the dataset says 'dog'"),
    "size": (_in(REALISM, _first(width=200)), "width is 200, the dataset says 100"),
    # data and versions
    "another revision": (
        _manifest(_set("data/fingerprints/objectqa", "0" * 64)),
        "data: objectqa: references of org/set (000000000000) are not those of org/set (",
    ),
    "another set": (_manifest(_set("data/name", "org/other")), "samples on 'org/set', the manifest says 'org/other'"),
    "another commit": (
        _manifest(_set("data/revision", "1" * 40)),
        "data: another data revision: packed at 111111111111, org/set is at 000000000000; run it on that revision",
    ),
    "drawn": (_manifest(_set("data/name", "mini")), "drawn pictures: made on pictures that `qreal mini` drew, all or"),
    "limit": (_manifest(_set("limit", 8)), "limit is 8: a run cut by --limit is no benchmark result"),
    "task version": (
        _manifest(_set(f"task_versions/{Q1}", "0.9")),
        f"version: {Q1} is version '0.9', expected '2.0'; run it with this release",
    ),
    "prompt version": (_in(Q1, _first(prompt_version="0")), "prompt version '0', expected '2'; run it with this rel"),
    "prompt version of the manifest": (_manifest(_set("prompt_version", "0")), "version: prompt version '0', expected"),
    "record version": (_in(Q1, _first(version=1)), "record version 1, expected 2: written by another release"),
    # form
    "unknown field": (_manifest(_set("rank", 1)), "manifest.json: rank is no field of a manifest; leave it out"),
    "missing field": (_manifest(_delete("model")), "manifest.json: model is missing"),
    "wrong type": (_manifest(_set("record_version", "1")), "record_version is '1': Input should be a valid integer"),
    "other format": (_manifest(_set("format", 1)), "format is 1, expected 2: written by another release; run and"),
    "created on no day": (_manifest(_set("created", "2026-02-30T00:00:00")), "': is no date and time ("),
    "created in the future": (_manifest(_set("created", "9998-01-01T00:00:00")), "': lies in the future; expected"),
    "other order": (_in(Q1, lambda s: s.reverse()), f"samples/{Q1}.jsonl.gz: other order, spaces or spellings than"),
    "another space": (lambda f: _line(f, ":", ": "), f"samples/{Q1}.jsonl.gz: other order, spaces or spellings than"),
    "empty line": (lambda f: _line(f, "\n", "\n\n"), f"samples/{Q1}.jsonl.gz: other order, spaces or spellings than"),
    "more keys than any file has": (
        _manifest(lambda m: m.update({f"key {number}": 0 for number in range(samples_file.MOST_KEYS)})),
        "manifest.json: no JSON: an object has 10,0",
    ),
    "key twice": (_twice_in_json, "manifest.json: no JSON: key 'name' occurs twice"),
    "unknown column": (_in(Q1, _first(bonus=1)), "bonus: Unexpected keyword argument, found 1"),
    "column missing": (_in(Q1, lambda s: s[0].pop("label")), "line 1: label: "),
    "column of another type": (_in(Q1, _first(is_portrait="maybe")), "line 1: is_portrait: "),
    "controls in the name": (_manifest(_set("name", "A\u202emodel")), "name is 'A\\u202emodel': holds U+202E"),
    "half a surrogate in the name": (_manifest(_set("name", "A\ud800")), "name is 'A\\ud800': "),
    "name too long": (_manifest(_set("name", "A" * 81)), "String should have at most 80 characters"),
    "blank name": (_manifest(_set("name", " ")), "name is ' ': is blank"),
    "id of a path": (_manifest(_set("id", "../../x-0123456789ab")), "id is '../../x-0123456789ab': "),
    "id of other samples": (_manifest(_set("id", "a-model-0123456789ab")), "does not belong to these samples"),
    "file listed twice": (
        _manifest(lambda m: m["files"].append({**m["files"][0], "sha256": "0" * 64})),
        "manifest: manifest.json: files names 'samples/qreal_imageqa_human_plausibility.jsonl.gz' 2 times",
    ),
    # what is private
    "path of the model": (_manifest(_set("model/name", "/data/me/model")), "model.name holds what looks like a path; "),
    "key as an argument": (
        _manifest(_set("model/arguments", {"api_key": "abc"})),
        "model.arguments.api_key is 'api_key': is no argument that is published",
    ),
    "key in an argument": (
        _manifest(_set("model/arguments", {"system_prompt": "use sk-0123456789abcdef"})),
        "model.arguments.system_prompt holds what looks like a key; leave it out",
    ),
    "address of the model": (_manifest(_set("model/name", "gpu7:8000")), "model.name holds what looks like an address"),
    "path of the judge": (
        _manifest(_set("judge/model", "/data/me/judge")),
        "judge: the judge's model says where it li",
    ),
    "address of the judge's server": (
        _manifest(_set("judge/base_url", "http://gpu7:8000/v1")),
        "judge: the judge's base_url says where a server of one's own is; pack the run again",
    ),
    "key in the description": (
        _manifest(_set("description", "use sk-0123456789abcdef")),
        "description holds what looks like a key; leave it out",
    ),
    # judge
    "score above 1": (_in(REALISM, _in_scores(lambda s: s.update(scores=[2.0] * len(s["scores"])))), "score is 2.0, "),
    "score too many": (_in(REALISM, _in_scores(lambda s: s["scores"].append(1.0))), " scores for "),
    "unjudged miscounted": (_in(REALISM, _in_scores(lambda s: s.update(unjudged={"refused": 4}))), "unjudged counts 4"),
    "images left unjudged": (_in(REALISM, _unjudge), f"judge: {REALISM}: 11 of 12 images are judged"),
    "another judge": (_each_judge, "scores of 'gpt-4o@000000000000', but the manifest's judge hashes to gpt-4o@"),
    "judge edited": (_manifest(_set("judge/temperature", 1.0)), "but the manifest's judge hashes to gpt-4o@"),
    "judge removed": (_manifest(_set("judge", None)), "but no judge in the manifest"),
    "controls in the judge's name": (
        _manifest(_set("judge/name", "gpt\u202e-4o")),
        "name is 'gpt\\u202e-4o': holds U+202E",
    ),
    "judge's name too long": (_manifest(_set("judge/name", "a" * 81)), "String should have at most 80 characters"),
    "line break in the judge's model": (_manifest(_set("judge/model", "a\nb")), "model is 'a\\nb': holds a line break"),
    "judge malformed": (_manifest(_set("judge/prompt", {})), "judge: the manifest's judge is none: "),
    "score for saying nothing": (
        _in(REALISM, lambda s: _say_nothing(_with_scores(s))),
        "a pair with an empty description has score 1.0, expected 0",
    ),
    # files
    "scores edited after packing": (_other_bytes, "scores.json is not the file that was packed"),
    "manifest missing": (lambda f: (f / "manifest.json").unlink(), "folder: manifest.json is missing; pack the run"),
    "scores missing": (lambda f: (f / "scores.json").unlink(), "scores.json is missing; pack the run again"),
    "oversize": (
        lambda f: (f / "manifest.json").write_text(" " * 300_000),
        "manifest.json has 300,000 bytes, expected",
    ),
    "too many files": (_many_files, "files or more, expected at most 20"),
    "link to a file": (_link, f"'samples/{Q1}.jsonl.gz' is a link; links are not followed"),
    "link to a folder": (_linked_folder, "'samples' is a link; links are not followed"),
    "path out of the folder": (
        _manifest(_set("files/0/path", "../../etc/passwd")),
        "files names '../../etc/passwd', which is no file of a submission and is not opened",
    ),
    "archive": (_archive, "'samples.zip' is an archive; archives are never unpacked"),
    "archive under a good name": (_zip_as_samples, f"samples/{Q1}.jsonl.gz: no gzipped JSON lines (Not a gzipped file"),
    "pickle": (
        lambda f: (f / "samples.pkl").write_bytes(pickle.dumps({})),
        "'samples.pkl' can hold code; pickles and programs are never opened",
    ),
    "pickle under a good name": (
        lambda f: _raw_samples(f, Q1, samples_file.compress(pickle.dumps({}))),
        f"samples/{Q1}.jsonl.gz line 1: no JSON object: ",
    ),
    "strange file": (lambda f: (f / "notes.txt").write_text("hi"), "'notes.txt' is no file of a submission"),
    "truncated": (lambda f: _raw_samples(f, Q1, _gzipped(f)[:-20]), f"samples/{Q1}.jsonl.gz: ends too soon"),
    "damaged": (
        lambda f: _raw_samples(f, Q1, _gzipped(f)[:30] + b"\x00" * 40 + _gzipped(f)[70:]),
        f"damaged file: samples/{Q1}.jsonl.gz: ",
    ),
    "nested too deep": (
        lambda f: _raw_samples(f, Q1, samples_file.compress(b'{"a":' * 100_000)),
        f"samples/{Q1}.jsonl.gz line 1: no JSON object: ",
    ),
}


def _say_nothing(sample: Sample) -> None:
    """Descriptions emptied in text and in what was read, scores kept high."""
    result = json.loads(sample["raw"])
    for entity in result:
        entity["description"] = ""
    for region in sample["predicted"]:
        region["description"] = ""
    sample.update(raw=json.dumps(result), scores=[1.0] * len(sample["scores"]))


@pytest.mark.parametrize("case", TAMPERING)
def test_it_is_refused_with_a_message_of_its_own(
    case: str, honest: Path, references: References, tmp_path: Path
) -> None:
    tamper, message = TAMPERING[case]
    folder = tmp_path / "submission"
    shutil.copytree(honest, folder)
    tamper(folder)
    result = "\n".join(map(str, check(folder, references).problems))
    assert message in result, result or "passed"


def test_a_bomb_is_refused_before_it_fills_the_memory(
    honest: Path, references: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples_file, "MOST_BYTES", 4 * 2**20)
    folder = tmp_path / "submission"
    shutil.copytree(honest, folder)
    (folder / f"samples/{Q1}.jsonl.gz").write_bytes(samples_file.compress(b"\n" * 64 * 2**20))
    result = "\n".join(map(str, check(folder, references).problems))
    assert f"samples/{Q1}.jsonl.gz: unpacks to more than 4 MiB" in result
    monkeypatch.setattr(samples_file, "MOST_BYTES", 128 * 2**20)
    assert "lines, expected at most 200,000" in "\n".join(map(str, check(folder, references).problems))


def test_all_problems_are_said_at_once(honest: Path, references: References, tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    shutil.copytree(honest, folder)
    change_scores(folder, _set("objectqa/realism_q1/metrics/acc", 0.99))
    change_samples(folder, Q2, lambda s: s.pop())
    change_samples(folder, REALISM, _in_reference(description="easy"))
    change_manifest(folder, _set("prompt_version", "0"))
    result = "\n".join(map(str, check(folder, references).problems))
    for piece in ("metrics.acc is 0.99", f"{Q2}: sample", "reference description is 'easy'", "prompt version '0'"):
        assert piece in result


def test_many_problems_of_a_kind_are_counted(honest: Path, references: References, tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    shutil.copytree(honest, folder)
    change_samples(folder, Q1, lambda some: [sample.update(label="cat") for sample in some])
    result = list(map(str, check(folder, references).problems))
    assert sum(line.startswith("reference:") for line in result) == 6
    assert "reference: … and 19 more of this kind" in result


def test_markup_in_names_is_allowed(honest: Path, references: References, tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    shutil.copytree(honest, folder)
    change_manifest(folder, lambda m: m.update(name="<script>alert(1)</script>", description="<img src=x onerror=a()>"))
    assert check(folder, references).problems == ()
