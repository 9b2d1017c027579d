"""``qreal screen compare``: pairing, what is refused, what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from chromium import Chromium
from labelled import fit_made_up
from screened import ASKED, HOSTILE, make_entity, make_refused, make_screened, many_rows, write_screened
from typer.testing import CliRunner

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.calibration.record import save_calibration
from qreal_tasks.screening.comparison.body_parts import find_described_parts
from qreal_tasks.screening.comparison.command import compare_command
from qreal_tasks.screening.comparison.comparison import GeneratorComparison, compare_groups
from qreal_tasks.screening.comparison.groups import PairedBy, load_groups, name_runs
from qreal_tasks.screening.comparison.text import conclude, to_json
from qreal_tasks.screening.rows import ScreeningRow

BOX = (10, 10, 200, 200)


def _images(p: float, seed: int, n: int = 60, per_prompt: int = 2, **changed: Any) -> list[ScreeningRow]:
    """Images of prompts, with P of realism around ``p`` and of plausibility around .3."""
    rng = np.random.default_rng(seed)
    rows = []
    for at in range(n * per_prompt):
        question = "realism_q1"
        entity = make_entity("dog", BOX, {question: float(np.clip(p + 0.2 * rng.normal(), 0.01, 0.99))})
        own = {"prompt_id": f"p{at // per_prompt}", "p_plausibility": float(rng.uniform(0.1, 0.5))} | changed
        rows.append(make_screened(f"{at:04d}.png", [entity], **own))
    return rows


def _compare(*runs: Path, **options: Any) -> GeneratorComparison:
    return compare_groups(load_groups(list(runs), **options))


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    first = write_screened(tmp_path / "old", _images(0.6, 1))
    return first, write_screened(tmp_path / "new", _images(0.3, 2))


def test_a_better_generator_is_found_better_in_one_dimension(runs: tuple[Path, Path]) -> None:
    comparison = _compare(*runs)
    [pair] = comparison.pairs
    assert (pair.against, pair.run, comparison.pairing) == ("old", "new", PairedBy.PROMPT)
    row = pair.rows["realism"]
    assert row.difference.value == pytest.approx(-0.3, abs=0.05)
    assert row.difference.n == 60
    assert row.run.value is not None
    assert row.against.value is not None
    assert row.run.value - row.against.value == pytest.approx(row.difference.value)
    told = conclude(comparison)
    assert told.startswith("new against old, over 60 prompts: better in realism (flaw rate .")
    assert "; not shown to differ in plausibility (flaw rate ." in told
    assert "realism_q1" in pair.rows
    assert "head_face" not in pair.rows
    assert pair.moved is not None
    assert pair.moved.n == 60
    assert [one.change for one in pair.moved.best] == sorted(one.change for one in pair.moved.best)
    assert conclude(_compare(runs[1], runs[0])).startswith("old against new, over 60 prompts: worse in realism")


def test_several_images_of_a_prompt_count_as_one(tmp_path: Path) -> None:
    twice = [{**row, "image": f"{at}/{row['image']}"} for row in _images(0.5, 3, per_prompt=1) for at in range(4)]
    once = write_screened(tmp_path / "once", _images(0.5, 3, per_prompt=1))
    many = write_screened(tmp_path / "many", twice)  # type: ignore[arg-type]
    other = write_screened(tmp_path / "other", _images(0.4, 4, per_prompt=1))
    found = [_compare(other, run).pairs[0].rows["realism"].difference for run in (once, many)]
    assert found[0].value == pytest.approx(found[1].value)
    assert found[0].p_value == pytest.approx(found[1].p_value)


def test_prompts_without_a_pair_and_images_without_p_are_left_out_and_said(tmp_path: Path) -> None:
    rows = _images(0.5, 5, n=30)
    rows[0] = {**rows[0], "raw_p_realism": None, "p_realism": None, "severity": None, "state": "unread"}
    rows.append(make_refused("broken.png", "damaged"))
    first = write_screened(tmp_path / "a", rows)
    second = write_screened(tmp_path / "b", _images(0.5, 6, n=40))
    comparison = _compare(first, second)
    assert comparison.pairs[0].rows["realism"].difference.n == 30
    notes = to_json(comparison)["notes"]
    assert "10 of the 40 prompts of b are left out of b − a: a lacks them." in notes
    assert "1 images of a have no P of realism and are left out." in notes
    assert comparison.groups[0].n_images == 60


def test_without_prompts_names_pair(tmp_path: Path) -> None:
    first = write_screened(tmp_path / "a", _images(0.5, 7, n=30, prompt_id=None))
    second = write_screened(tmp_path / "b", _images(0.5, 8, n=30, prompt_id=None))
    assert _compare(first, second).pairing is PairedBy.NAME
    third = [{**row, "image": "x" + row["image"]} for row in _images(0.5, 8, n=30, prompt_id=None)]
    other = write_screened(tmp_path / "c", third)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"share less than half of their prompts.*--by none"):
        _compare(first, other)
    comparison = _compare(first, other, pairing=PairedBy.NONE)
    assert comparison.pairs[0].moved is None
    assert comparison.pairs[0].rows["realism"].difference.n == 120
    with pytest.raises(ValueError, match="share no prompt of which both are judged"):
        _compare(first, second, pairing=PairedBy.PROMPT)


def test_prompts_pair_also_where_one_run_has_ids_for_them(tmp_path: Path) -> None:
    def images(seed: int, **changed: Any) -> list[ScreeningRow]:
        rows = _images(0.5, seed, n=20)
        return [
            {**row, "prompt": f"scene {row['prompt_id']}", "image": f"{seed}/{row['image']}", **changed}  # type: ignore[typeddict-item]
            for row in rows
        ]

    first = write_screened(tmp_path / "a", images(7))
    second = write_screened(tmp_path / "b", images(8, prompt_id=None))
    comparison = _compare(first, second)
    assert comparison.pairing is PairedBy.PROMPT
    assert comparison.pairs[0].rows["realism"].difference.n == 20


def test_few_shared_prompts_are_paired_only_when_asked(tmp_path: Path) -> None:
    first = write_screened(tmp_path / "a", _images(0.5, 7, n=30))
    rows = _images(0.5, 8, n=60)[2 * 20 :]  # prompts 20 to 59: 10 of them are shared
    other = write_screened(tmp_path / "b", [{**row, "image": "x" + row["image"]} for row in rows])
    with pytest.raises(ValueError, match="share less than half"):
        _compare(first, other)
    assert _compare(first, other, pairing=PairedBy.PROMPT).pairs[0].rows["realism"].difference.n == 10


def test_generators_of_one_run_are_compared_with_the_one_of_most_images(tmp_path: Path) -> None:
    rows: list[Any] = []
    for name, p, n in (("a", 0.3, 30), ("b", 0.5, 40), ("c", 0.7, 30)):
        rows += [
            {**row, "image": f"{name}/{row['image']}", "generator": name, "prompt_id": None} for row in _images(p, 9, n)
        ]
    out = write_screened(tmp_path / "run", rows)
    comparison = _compare(out)
    assert [group.name for group in comparison.groups] == ["b", "a", "c"]
    assert comparison.pairing is PairedBy.NAME
    assert [pair.rows["realism"].difference.n for pair in comparison.pairs] == [60, 60]
    told = conclude(comparison)
    assert "a against b, over 60 names: better in realism" in told
    assert "c against b, over 60 names: worse in realism" in told
    assert [group.name for group in _compare(out, baseline="c").groups] == ["c", "b", "a"]
    with pytest.raises(ValueError, match="no generator 'd', expected one of b, a, c"):
        _compare(out, baseline="d")
    with pytest.raises(ValueError, match="expected two or more"):
        _compare(write_screened(tmp_path / "one", _images(0.3, 1)))


def test_p_values_are_corrected_within_their_family(runs: tuple[Path, Path]) -> None:
    rows = _compare(*runs).pairs[0].rows
    p = {name: rows[name].difference.p_value for name in ("realism", "plausibility")}
    assert rows["realism"].p_corrected == pytest.approx(2 * (p["realism"] or 0))
    assert rows["plausibility"].p_corrected == pytest.approx(p["plausibility"])
    assert rows["realism_q1"].p_corrected == pytest.approx(rows["realism_q1"].difference.p_value or 0)  # the only one


def test_body_parts_are_compared_where_descriptions_name_them(tmp_path: Path) -> None:
    def portraits(text: str, seed: int) -> list[ScreeningRow]:
        rows = _images(0.5, seed, n=30, per_prompt=1)
        for at, row in enumerate(rows):
            row["entities"][0]["reasons"]["human_plausibility"] = text if at % 3 else "Torso: twisted."
        return rows

    asked = {"sets": ["realism", "human_plausibility"]}
    first = write_screened(tmp_path / "a", portraits("Hands: six fingers. Head face: three eyes.", 1), **asked)
    second = write_screened(tmp_path / "b", portraits("Hands: four fingers.", 2), **asked)
    rows = _compare(first, second).pairs[0].rows
    assert rows["hands"].difference.value == 0
    assert rows["head_face"].difference.value == pytest.approx(-2 / 3)
    assert rows["feet"].run.value == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hands: six fingers on the arm. Environment interaction: no shadow.", ("hands", "environment_interaction")),
        ("**Head/Face:** three eyes", ("head_face",)),
        ("The left hand has six fingers.", ("hands",)),
        ("One leg is missing; the shoe floats.", ("limbs", "feet", "environment_interaction")),
        ("He seems handsome; headlights shine. On the other hand, the shirt melts.", ("clothing",)),
        ("Something is wrong with this person.", ()),
        ("", ()),
    ],
)
def test_parts_are_found_by_their_labels_or_else_by_words(text: str, parts: tuple[str, ...]) -> None:
    assert find_described_parts(text) == parts


def test_a_calibration_corrects_the_dimensions(runs: tuple[Path, Path], tmp_path: Path) -> None:
    fitted = fit_made_up(**ASKED)
    comparison = _compare(*runs, calibration=fitted)
    means = fitted.dimensions[Dimension.REALISM].means
    images = [_images(p, seed) for p, seed in ((0.6, 1), (0.3, 2))]
    plain = [np.mean([fitted.apply(row["raw_p_realism"] or 0, Dimension.REALISM) for row in rows]) for rows in images]
    found = comparison.pairs[0].rows["realism"].difference.value
    assert found == pytest.approx((plain[1] - plain[0]) / (means.flawed - means.clean))
    flagged = comparison.groups[0].flagged["realism"]
    threshold = fitted.threshold(Dimension.REALISM)
    expected = np.mean([fitted.apply(row["raw_p_realism"] or 0, Dimension.REALISM) >= threshold for row in images[0]])
    assert flagged == pytest.approx(expected)


def test_rates_that_no_share_can_have_are_said(tmp_path: Path) -> None:
    first = write_screened(tmp_path / "a", _images(0.01, 1, p_realism=0.01))
    second = write_screened(tmp_path / "b", _images(0.99, 2, p_realism=0.999))
    comparison = _compare(first, second, calibration=fit_made_up(**ASKED))
    content = to_json(comparison)
    assert any("outside of 0 to 1" in note and "for a in realism" in note for note in content["notes"])
    assert comparison.pairs[0].rows["realism"].difference.value == 1.0
    assert "flaw rate 1.000 against .000" in content["conclusion"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": {"name": "another"}}, "differ in model: .*made-up.* and .*another"),
        ({"sets": ["realism"]}, "differ in sets"),
        ({"calibration": "one"}, "different calibrations, or just one has any"),
    ],
)
def test_runs_that_were_asked_otherwise_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    first = write_screened(tmp_path / "a", _images(0.5, 1))
    if "calibration" in changed:
        changed = {"calibration": json.loads(fit_made_up(**ASKED).model_dump_json())}
    second = write_screened(tmp_path / "b", _images(0.5, 2), **changed)
    with pytest.raises(ValueError, match=message):
        _compare(first, second)


def test_a_calibration_of_another_model_is_refused(runs: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="fitted for another model"):
        _compare(*runs, calibration=fit_made_up(name="another"))


def test_runs_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    assert name_runs([tmp_path / "a" / "out", tmp_path / "b" / "out"]) == ["a/out", "b/out"]
    with pytest.raises(ValueError, match="is given twice"):
        name_runs([tmp_path / "a", tmp_path / "a"])


def _run(*arguments: object) -> Any:
    app = typer.Typer()
    app.command()(compare_command)
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_command_writes_json_and_a_page(runs: tuple[Path, Path], tmp_path: Path) -> None:
    save_calibration(fit_made_up(**ASKED), tmp_path / "c.json")
    out = tmp_path / "compared"
    found = _run(*runs, "--out", out, "--calibration", tmp_path / "c.json")
    assert found.exit_code == 0, found.output
    assert "new minus old: below 0 has fewer flaws" in found.output
    content = json.loads((out / "comparison.json").read_text())
    assert content["pairs"][0]["dimensions"]["realism"]["verdict"] == "better"
    assert content["conclusion"] in (out / "comparison.html").read_text(encoding="utf-8")
    assert str(tmp_path) not in (out / "comparison.json").read_text()
    printed = json.loads(_run(*runs, "--calibration", tmp_path / "c.json", "--json").output)
    assert printed == content
    assert "Uncalibrated." not in (out / "comparison.html").read_text()


def test_what_generators_and_file_names_are_called_is_text(tmp_path: Path) -> None:
    def odd(p: float, seed: int) -> list[ScreeningRow]:
        rows = _images(p, seed, n=20, prompt_id=None)
        for row in rows:
            row["image"] = f"{row['image']}{HOSTILE}"
            row["entities"][0]["reasons"]["realism"] = HOSTILE
        return rows

    first = write_screened(tmp_path / "a<b>", odd(0.2, 1))
    second = write_screened(tmp_path / "c", odd(0.6, 2))
    found = _run(first, second, "--out", tmp_path / "out")
    assert found.exit_code == 0, found.output
    text = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "<script>window" not in text
    assert "<img src=x" not in text
    assert "a&lt;b&gt;" in text
    assert "Uncalibrated." in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "screening.json is missing"),
        (["nowhere", "--by", "mood"], "--by mood: expected prompt, name, none"),
        (["nowhere", "--calibration", "nothing.json"], "nothing.json"),
    ],
)
def test_wrong_arguments_end_with_one_line(arguments: list[str], message: str) -> None:
    found = _run(*arguments)
    assert found.exit_code == 1
    assert message in found.output
    assert len(found.output.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_shows_images_side_by_side_in_three_widths(tmp_path: Path, theme: str) -> None:
    runs = []
    for name, seed in (("old", 1), (HOSTILE.replace("/", "|")[:60], 2)):
        out = tmp_path / name
        rows = many_rows(60, seed, out=out)
        for row in rows:
            row["entities"] = [{**one, "reasons": {**one["reasons"], "realism": HOSTILE}} for one in row["entities"]]
        runs.append(write_screened(out, rows))
    assert _run(*runs, "--out", tmp_path / "out").exit_code == 0
    with Chromium() as browser:
        browser.theme(theme)
        for width in (360, 800, 1400):
            browser.resize(width, 900, mobile=width == 360)
            browser.go((tmp_path / "out" / "comparison.html").as_uri())
            assert browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
            assert browser.run("[...document.images].every(i => i.loading = 'eager') && document.images.length") >= 10
            browser.wait("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        assert browser.run(
            "[...document.querySelectorAll('.moved article')].every(a => a.querySelectorAll('img').length === 2)"
        )
        assert browser.run("window.pwned === undefined")
        assert browser.trouble == []
        assert browser.left == []
