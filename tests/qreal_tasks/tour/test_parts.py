"""What the tour brings along: a worse model, new images, a judge that is a script."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from pretend_run import write_pretend_run
from typer.testing import CliRunner

from qreal_tasks.results.run_folder import newest_results, read_run
from qreal_tasks.steps.step import require_order
from qreal_tasks.tour import scripted_judge, worse_model
from qreal_tasks.tour.new_images import write_new_images
from qreal_tasks.tour.plan import RECIPE, RUNS, TourPlaces, plan_tour


def test_the_plan_is_in_order_and_its_recipe_is_one(tmp_path: Path) -> None:
    steps = plan_tour(tmp_path)
    require_order(steps)
    assert {f"evaluate-{run}" for run in RUNS} <= {step.name for step in steps}
    made = [path for step in steps for path in step.makes]
    assert len(set(made)) == len(made)
    assert all(tmp_path in path.parents for path in made)
    from training.recipe import load_recipe

    assert load_recipe(RECIPE, ["model=a", "data=b"]).max_steps == 200


def test_new_images_are_files_by_generator(tmp_path: Path) -> None:
    write_new_images(tmp_path / "new", count=20)
    found = sorted((tmp_path / "new").rglob("*.png"))
    assert len(found) == 20
    assert len({path.parent for path in found}) > 1
    with Image.open(found[0]) as image:
        assert image.size == (224, 224)


@pytest.mark.parametrize(
    ("predicted", "reference", "score"),
    [
        ("There are three legs.", "There are three legs.", 1.0),
        ("There are three legs.", "The dog is drawn as a cartoon with dark outlines. There are three legs.", 0.67),
        ("There are three legs.", "The dog is drawn as a cartoon with dark outlines.", 0.0),
        ("A nice dog.", "A fine dog.", 0.0),
    ],
)
def test_the_score_follows_from_the_flaws_that_two_descriptions_share(
    predicted: str, reference: str, score: float
) -> None:
    assert scripted_judge.score_flaws(predicted, reference) == score


@pytest.mark.slow
def test_runs_are_judged_by_the_script(tmp_path: Path) -> None:
    for run in ("a", "b"):
        write_pretend_run(tmp_path / run, seed=3, description="There are three legs.")
    assert scripted_judge.judge_runs(tmp_path / "judge.yaml", [tmp_path / "a", tmp_path / "b"]) == 0
    for run in ("a", "b"):
        read = read_run(newest_results(tmp_path / run))
        assert [title.partition("@")[0] for title in read.judges] == ["scripted"]
        scores = [score for record in read.groundings("plausibility") for score in record.scores or ()]
        assert len(set(scores)) > 1
        assert all(score is not None for score in scores)
    assert (tmp_path / "judge.yaml").is_file()
    assert scripted_judge.judge_runs(tmp_path / "none.yaml", [tmp_path / "missing"]) == 1
    assert not (tmp_path / "none.yaml").exists()


@pytest.mark.slow
def test_the_worse_model_is_the_same_each_time_and_keeps_biases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    shipped = tmp_path / "shipped"
    shipped.mkdir()
    weights = {"matrix": torch.randn(200, 50, dtype=torch.float32).half(), "bias": torch.ones(50)}
    save_file(weights, shipped / worse_model.WEIGHTS, {"format": "pt"})
    (shipped / "config.json").write_text("{}")
    monkeypatch.setattr(worse_model, "MINI_MODEL", shipped)
    for name in ("one", "two"):
        worse_model.write_worse_model(tmp_path / name)
    one, two = (load_file(tmp_path / name / worse_model.WEIGHTS) for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in weights)
    assert torch.equal(one["bias"], weights["bias"])
    assert one["matrix"].dtype == torch.float16
    noise = (one["matrix"].float() - weights["matrix"].float()).std() / weights["matrix"].float().std()
    assert noise == pytest.approx(worse_model.NOISE, rel=0.05)
    assert (tmp_path / "one" / "config.json").is_file()


def test_a_dry_run_lists_the_steps_and_writes_nothing(tmp_path: Path) -> None:
    import typer

    from qreal_tasks.tour.commands import tour_command

    app = typer.Typer(add_completion=False)
    app.command()(tour_command)
    done = CliRunner().invoke(app, ["--folder", str(tmp_path / "tour"), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert f"$ qreal mini {TourPlaces(tmp_path / 'tour').data} --images 600 --seed 21" in done.output
    assert not (tmp_path / "tour").exists()
    wrong = CliRunner().invoke(app, ["--folder", str(tmp_path / "tour"), "--only", "drew"])
    assert wrong.exit_code == 1
    assert "--only drew: no step of that name; did you mean draw?" in wrong.output
