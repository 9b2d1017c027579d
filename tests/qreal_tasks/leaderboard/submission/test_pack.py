"""From a run to a submission: what is refused, what is left out, and that equal input gives equal bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from submitted import JUDGE, on, simulated, small_references, write_run

from qreal_tasks.judge.manifest import OWN_SERVER
from qreal_tasks.leaderboard.submission.check import check_submission
from qreal_tasks.leaderboard.submission.pack import PackError, SubmitterInfo, pack_run, slug
from qreal_tasks.leaderboard.submission.references import References, fingerprint
from qreal_tasks.leaf_tasks import Half
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record

RESAMPLES = 50


@pytest.fixture(scope="module")
def references() -> References:
    return small_references()


@pytest.fixture(scope="module")
def records(references: References) -> list[Record]:
    return simulated(references)


def _pack(folder: Path, records: list[Record], name: str = "A model", **run: Any) -> Path:
    results = write_run(folder / "run", records, **run)
    pack_run(results, folder / "submission", SubmitterInfo(name), resamples=RESAMPLES)
    return folder / "submission"


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_input_gives_equal_bytes(records: list[Record], tmp_path: Path) -> None:
    first = _pack(tmp_path / "a", records)
    second = _pack(tmp_path / "b", list(reversed(records)))
    assert _bytes(first) == _bytes(second)


@pytest.mark.parametrize("half", Half)
def test_one_half_alone_is_a_submission(
    half: Half, records: list[Record], references: References, tmp_path: Path
) -> None:
    folder = _pack(tmp_path, records, only=half.value)
    found = check_submission(folder, references, resamples=RESAMPLES)
    assert found.problems == ()
    assert found.manifest is not None
    assert found.manifest.halves == [half]
    assert (found.manifest.judge is None) == (half is Half.OBJECTQA)


def test_no_path_address_or_key_leaves_the_machine(
    records: list[Record], references: References, tmp_path: Path
) -> None:
    arguments = (
        "pretrained=/data/home/me/qwen,adapter=/data/home/me/runs/final,base_url=http://10.0.0.7:8000/v1,"
        "api_key=sk-very-secret,dtype=bfloat16,max_new_tokens=64,offload_folder=/data/home/me/tmp,"
        "store=answers.sqlite,user=me-myself,image_detail=gpu7.lab:8000,quantization=hf_abcdefghijklmnop,"
        "chat_template=/data/home/me/chat.jinja"
    )
    folder = _pack(tmp_path, on(records, "/data/home/me/q-real"), model_args=arguments)
    packed = b"".join(_bytes(folder).values())
    for private in (b"/data", b"home", b"10.0.0.7", b"sk-very", b"answers.sqlite", b"me-myself", b"gpu7", b"hf_abc"):
        assert private not in packed
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["model"]["name"] == "qwen"
    assert manifest["model"]["adapter"] == {"name": "final", "sha256": None}
    assert manifest["model"]["arguments"] == {
        "chat_template": "chat.jinja",
        "dtype": "bfloat16",
        "max_new_tokens": "64",
    }
    assert manifest["data"]["name"] == "q-real"
    assert check_submission(folder, references, resamples=RESAMPLES).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"pretrained=org/model,system_prompt={'Be brief. ' * 30}", {"system_prompt": ("Be brief. " * 20).strip()}),
        ("pretrained=org/model,system_prompt=Be brief.\n\tBe right.\x07", {"system_prompt": "Be brief.  Be right."}),
        ({"pretrained": "org/model", "dtype": "auto", "attn_implementation": None}, {"dtype": "auto"}),
        ("pretrained=org/model,system_prompt=\x00", {}),
    ],
)
def test_ordinary_arguments_are_packed(given: Any, kept: dict[str, str], records: list[Record], tmp_path: Path) -> None:
    folder = _pack(tmp_path, records, model_args=given)
    assert json.loads((folder / "manifest.json").read_text())["model"]["arguments"] == kept


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "hardware", "message"),
    [
        ("model=gpu7:8000", None, "^name holds what looks like an address; leave it out, or give only the last name"),
        ("model=org/model,revision=a\nb", None, "^revision is 'a.*holds a line break; leave it out$"),
        (f"model={'m' * 201}", None, "^name is 'm+.*: String should have at most 200 characters$"),
        ("model=org/model", "1x H100\nrented", "^hardware is '1x H100.*holds a line break; leave it out$"),
    ],
)
def test_what_a_manifest_cannot_hold_is_said_in_a_line(
    arguments: str, hardware: str | None, message: str, records: list[Record], tmp_path: Path
) -> None:
    results = write_run(tmp_path / "run", records, model_args=arguments)
    with pytest.raises(PackError, match=message):
        pack_run(results, tmp_path / "submission", SubmitterInfo("A model", hardware=hardware), resamples=RESAMPLES)


def test_of_a_judge_nothing_says_where_it_lies(records: list[Record], references: References, tmp_path: Path) -> None:
    judge = JUDGE.model_copy(update={"model": "/data/home/me/judge", "base_url": "http://localhost:8000/v1"})
    judged = [replace(r, judge=judge.title) if isinstance(r, GroundingRecord) else r for r in records]
    folder = _pack(tmp_path, judged, judge=judge)
    result = json.loads((folder / "manifest.json").read_text())["judge"]
    assert (result["model"], result["base_url"]) == ("judge", OWN_SERVER)
    assert check_submission(folder, references, resamples=RESAMPLES).problems == ()


def test_what_the_judges_server_wrote_is_not_published(
    records: list[Record], references: References, tmp_path: Path
) -> None:
    result = {"refused": "see /home/me/keys"}
    odd = [replace(r, judge_said=result) if isinstance(r, GroundingRecord) else r for r in records]
    folder = _pack(tmp_path / "odd", odd)
    assert _bytes(folder) == _bytes(_pack(tmp_path / "plain", records))
    assert check_submission(folder, references, resamples=RESAMPLES).problems == ()


def test_reasons_are_published_without_keys_addresses_and_paths(
    records: list[Record], references: References, tmp_path: Path
) -> None:
    private = "request failed: key sk-0123456789ab at http://10.0.0.7:8000/v1, see /home/me/log"
    odd = [
        replace(r, raw="", answer=None, p_yes=None, mass=None, reason=private)
        if isinstance(r, JudgmentRecord)
        else replace(r, unjudged={private: len(r.scores)}, scores=(None,) * len(r.scores))
        if r.scores
        else r
        for r in records
    ]
    folder = _pack(tmp_path, odd)
    lines = b"".join(gzip.decompress(data) for name, data in _bytes(folder).items() if name.endswith(".gz"))
    assert b"request failed: key <key> at <address>, see <path>" in lines
    for text in (b"sk-0", b"10.0.0.7", b"/home"):
        assert text not in lines
    assert check_submission(folder, references, resamples=RESAMPLES).problems == ()


def test_judges_under_two_paths_share_no_answers() -> None:
    """They have one title, since a path is not published; what is kept on one machine tells them apart."""
    one, two = (JUDGE.model_copy(update={"model": f"/data/{name}/final"}) for name in "ab")
    assert one.title == two.title != JUDGE.title
    assert one.exact_hash != two.exact_hash
    assert JUDGE.exact_hash == JUDGE.hash, "of what is no path"


def test_an_adapter_is_named_by_its_content(records: list[Record], tmp_path: Path) -> None:
    digests = []
    for number, weights in enumerate((b"one", b"one", b"two")):
        adapter = tmp_path / f"adapter{number}"
        adapter.mkdir()
        (adapter / "adapter_model.safetensors").write_bytes(weights)
        folder = _pack(tmp_path / str(number), records, model_args=f"pretrained=org/base,adapter={adapter}")
        digests.append(json.loads((folder / "manifest.json").read_text())["model"]["adapter"]["sha256"])
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(("result", "kept"), [("0.7.3", True), ("v0.7.3.dev1", True), ("my-branch@fec4429", False)])
def test_a_checkouts_branch_is_no_version(result: str, kept: bool, records: list[Record], tmp_path: Path) -> None:
    results = write_run(tmp_path, records)
    results.write_text(results.read_text().replace('"lmms_eval_version": "0.7.3"', f'"lmms_eval_version": "{result}"'))
    manifest = pack_run(results, tmp_path / "submission", SubmitterInfo("A model"), resamples=RESAMPLES).manifest
    assert (manifest.backend.harness == result) == kept


def test_half_a_surrogate_pair_survives(records: list[Record], references: References, tmp_path: Path) -> None:
    odd = [replace(r, raw=r.raw + " \ud83d") if isinstance(r, JudgmentRecord) and r.answer else r for r in records]
    folder = _pack(tmp_path, odd)
    found = check_submission(folder, references, resamples=RESAMPLES)
    assert found.problems == ()
    assert found.run is not None
    assert any(record.raw.endswith("\ud83d") for task in found.run.tasks for record in task.records)


def _shortened(records: list[Record]) -> list[Record]:
    return [r for r in records if not (isinstance(r, JudgmentRecord) and r.question == "plausibility_q4")]


def _judged(record: Record) -> JudgmentRecord:
    assert isinstance(record, JudgmentRecord)
    return record


REFUSED: dict[str, tuple[Callable[[list[Record]], list[Record]], dict[str, Any], str]] = {
    "mini": (lambda rs: on(rs, "mini"), {}, "`mini`"),
    "limit": (lambda rs: rs, {"limit": 8.0}, "started with --limit 8, so it is partial"),
    "question missing": (_shortened, {}, "objectqa is incomplete: qreal_objectqa_plausibility_q4 did not run"),
    "set missing": (
        lambda rs: [r for r in rs if not (isinstance(r, GroundingRecord) and r.set_name == "plausibility")],
        {},
        "imageqa is incomplete: qreal_imageqa_plausibility did not run",
    ),
    "two datasets": (lambda rs: [replace(rs[0], data="org/other"), *rs[1:]], {}, "samples are of 2 datasets"),
    "another prompt": (lambda rs: [replace(rs[0], prompt_version="0"), *rs[1:]], {}, "prompt version 0, this release"),
    "answer edited": (
        lambda rs: [replace(_judged(rs[0]), raw="Yes and No", answer="Yes", reason=None), *rs[1:]],
        {},
        "the samples or the results were changed after the run",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_result_is_not_packed(case: str, records: list[Record], tmp_path: Path) -> None:
    change, run, message = REFUSED[case]
    with pytest.raises(PackError, match=message):
        _pack(tmp_path, change(records), **run)
    assert not (tmp_path / "submission").exists()


def test_live_numbers_must_be_those_of_the_samples(records: list[Record], tmp_path: Path) -> None:
    results = write_run(tmp_path, records)
    result = json.loads(results.read_text())
    result["results"]["qreal_imageqa_realism"]["f1_at_50,none"] = 0.99
    results.write_text(json.dumps(result))
    with pytest.raises(PackError, match=r"qreal_imageqa_realism f1_at_50: live 0\.99, recomputed"):
        pack_run(results, tmp_path / "submission", SubmitterInfo("A model"), resamples=RESAMPLES)


def test_another_task_version_is_refused(records: list[Record], tmp_path: Path) -> None:
    results = write_run(tmp_path, records)
    result = json.loads(results.read_text())
    result["versions"]["qreal_imageqa_realism"] = 0.5
    results.write_text(json.dumps(result))
    with pytest.raises(PackError, match=r"qreal_imageqa_realism ran as version 0\.5, this release computes 2\.0"):
        pack_run(results, tmp_path / "submission", SubmitterInfo("A model"), resamples=RESAMPLES)


def _without_manifest(results: Path, title: str) -> Path:
    """As plain lmms-eval leaves it: the judge's name and hash in the samples, and no manifest in the results."""
    result = json.loads(results.read_text())
    del result["qreal_judge"]
    results.write_text(json.dumps(result))
    for path in results.parent.glob("*_samples_*"):
        path.write_text(path.read_text().replace(JUDGE.title, title))
    return results


def test_a_packaged_judge_is_known_by_its_name(records: list[Record], references: References, tmp_path: Path) -> None:
    results = _without_manifest(write_run(tmp_path, records), JUDGE.title)
    pack_run(results, tmp_path / "submission", SubmitterInfo("A model"), resamples=RESAMPLES)
    assert check_submission(tmp_path / "submission", references, resamples=RESAMPLES).problems == ()


@pytest.mark.parametrize("title", ["gpt-4o@000000000000", "mine@0123456789ab"])
def test_an_unknown_judge_is_asked_for(title: str, records: list[Record], tmp_path: Path) -> None:
    results = _without_manifest(write_run(tmp_path, records), title)
    with pytest.raises(PackError, match=f"do not hold the manifest of the judge {title}"):
        pack_run(results, tmp_path / "submission", SubmitterInfo("A model"), resamples=RESAMPLES)


def test_two_judges_are_one_too_many(records: list[Record], tmp_path: Path) -> None:
    results = write_run(tmp_path, records)
    path = next(tmp_path.glob("*_samples_qreal_imageqa_realism.jsonl"))
    path.write_text(path.read_text().replace(JUDGE.title, "other@0123456789ab"))
    with pytest.raises(PackError, match="judge all by one with"):
        pack_run(results, tmp_path / "submission", SubmitterInfo("A model"), resamples=RESAMPLES)


def test_a_full_folder_is_left_alone(records: list[Record], tmp_path: Path) -> None:
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "mine.txt").write_text("keep")
    with pytest.raises(PackError, match="is there already and not empty"):
        _pack(tmp_path, records)
    assert (tmp_path / "submission" / "mine.txt").read_text() == "keep"


def test_a_name_with_controls_is_refused(records: list[Record], tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"holds U\+0007"):
        _pack(tmp_path, records, name="bell\u0007")


def test_the_fingerprint_is_that_of_the_references(records: list[Record], references: References) -> None:
    judgments: list[Record] = [r for r in records if isinstance(r, JudgmentRecord)]
    assert fingerprint(judgments) == references.fingerprint(Half.OBJECTQA)
    elsewhere = on(list(reversed(judgments)), "a copy")
    assert fingerprint(elsewhere) == references.fingerprint(Half.OBJECTQA)
    assert fingerprint(small_references(copies=3)._blank(Half.OBJECTQA)) != references.fingerprint(Half.OBJECTQA)


@pytest.mark.parametrize(
    ("name", "short"), [("A" * 100, "a" * 48), ("../../etc", "etc"), ("-", "model"), ("Ünï-Code!", "uni-code")]
)
def test_ids_are_safe_file_names(name: str, short: str) -> None:
    assert slug(name) == short
