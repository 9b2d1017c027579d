"""The steps of the tour."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from qreal_tasks.shipped import SHIPPED
from qreal_tasks.steps.step import GoingOn, Step, StepCommand, python_module, qreal

RECIPE = Path(__file__).with_name("recipe.yaml")
RUNS = {"worse": "model with noise", "tuned": "fine-tuned model", "shipped": "shipped model"}
"""Runs of models, worst first, with what each is called."""
LONGEST_ANSWER = 400
"""Tokens; the answers that are learnt are shorter, and a model with noise would go on to the end of what it may."""
EVALUATED = {"worse": "Ask the worse model.", "tuned": "Ask it again.", "shipped": "Ask the model that ships."}


@dataclass(frozen=True)
class TourSize:
    """How much is drawn and asked; the smallest that still works is for tests."""

    images: int = 600
    seed: int = 21
    training: tuple[str, ...] = ()
    """``KEY=VALUE`` over the recipe."""


@dataclass(frozen=True)
class TourPlaces:
    """Where everything of a tour is."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "set"

    @property
    def worse_model(self) -> Path:
        return self.folder / "worse-model"

    @property
    def training(self) -> Path:
        return self.folder / "training"

    @property
    def tuned_model(self) -> Path:
        return self.folder / "tuned-model"

    @property
    def judge(self) -> Path:
        return self.folder / "judge.yaml"

    @property
    def board(self) -> Path:
        return self.folder / "board"

    @property
    def new_images(self) -> Path:
        return self.folder / "new-images"

    @property
    def screening(self) -> Path:
        return self.folder / "screening"

    @property
    def annotation(self) -> Path:
        return self.folder / "annotation"

    def model(self, run: str) -> str:
        return {"worse": str(self.worse_model), "tuned": str(self.tuned_model), "shipped": SHIPPED}[run]

    def run(self, run: str) -> Path:
        return self.folder / "runs" / run

    def report(self, run: str) -> Path:
        return self.folder / "pages" / f"{run}.html"

    def comparison(self, run: str, against: str) -> Path:
        return self.folder / "pages" / f"{run}-against-{against}.html"

    def submission(self, run: str) -> Path:
        return self.folder / "submissions" / run


def plan_tour(folder: Path, size: TourSize | None = None) -> list[Step]:
    """The steps, in the order in which they can be done; screening is among them where it is installed."""
    at, size = TourPlaces(folder), size or TourSize()
    return [
        Step(
            "draw",
            "Draw a dataset: scenes with planted flaws, so that every answer, box and reason is known.",
            (
                qreal("mini", at.data, "--images", size.images, "--seed", size.seed),
                qreal("data", "check", at.data),
            ),
            (at.data,),
        ),
        Step(
            "worsen",
            "Make a worse model: the one that ships, with noise on its weights.",
            (python_module("qreal_tasks.tour.worse_model", at.worse_model),),
            (at.worse_model,),
        ),
        _fine_tune(at, size),
        *(_evaluate(at, run) for run in ("worse", "shipped", "tuned")),
        Step(
            "judge",
            "Judge every description: a script stands in for the language model.",
            (python_module("qreal_tasks.tour.scripted_judge", at.judge, *map(at.run, RUNS)),),
            (at.judge,),
            tuple(map(_evaluation, RUNS)),
        ),
        *_pages(at),
        *_submit(at),
        *_screen(at),
        _annotate(at),
    ]


def _evaluation(run: str) -> str:
    return f"evaluate-{run}"


def _evaluate(at: TourPlaces, run: str) -> Step:
    arguments = ("--model", "qreal_hf", "--model_args", f"pretrained={at.model(run)}", "--batch_size", "32")
    cut = ("--gen_kwargs", f"max_new_tokens={LONGEST_ANSWER}")
    uses = {"worse": ("worsen",), "tuned": ("fine-tune",)}.get(run, ())
    return Step(
        _evaluation(run),
        EVALUATED[run],
        (qreal("eval", *arguments, *cut, "--output_path", at.run(run), QREAL_DATA=at.data),),
        (at.run(run),),
        ("draw", *uses),
    )


def _fine_tune(at: TourPlaces, size: TourSize) -> Step:
    export = qreal("train", "export", at.training, at.tuned_model)
    keys = (f"model={at.worse_model}", f"data={at.data}", f"output={at.training}", *size.training)
    return Step(
        "fine-tune",
        "Fine-tune the worse model on the train split, for about two minutes.",
        (qreal("train", RECIPE, *keys), export),
        (at.training, at.tuned_model),
        ("draw", "worsen"),
        GoingOn(at.training, "checkpoint-*/COMPLETE", (qreal("train", "--resume", at.training), export)),
    )


def _pages(at: TourPlaces) -> list[Step]:
    """A report of each run, and two comparisons; all of them after judging, so that they hold LLM-Scores."""
    reports = [
        Step(
            f"report-{run}",
            f"Write the report of the {RUNS[run]}: every number with its interval, and pictures.",
            (qreal("score", at.run(run), "--html", at.report(run), "--data", at.data),),
            (at.report(run),),
            ("judge",),
        )
        for run in RUNS
    ]
    pairs = (("shipped", "worse"), ("tuned", "worse"))
    return [
        *reports,
        *(
            Step(
                f"compare-{run}",
                f"Compare the {RUNS[run]} with the {RUNS[against]}, sample by sample.",
                (qreal("compare", at.run(against), at.run(run), "--html", at.comparison(run, against)),),
                (at.comparison(run, against),),
                ("judge",),
            )
            for run, against in pairs
        ),
    ]


def _submit(at: TourPlaces) -> list[Step]:
    commands: list[StepCommand] = []
    for run, name in RUNS.items():
        words = ("--name", name.capitalize(), "--data", at.data, "--practice")
        commands += [
            qreal("submit", "pack", at.run(run), at.submission(run), *words),
            qreal("submit", "check", at.submission(run), "--data", at.data, "--practice"),
        ]
    board = ("--data", at.data, "--cache", at.folder / "checked", "--title", "Leaderboard of the tour", "--practice")
    return [
        Step(
            "submit",
            "Pack the runs as submissions and check them as a leaderboard does, for practice.",
            tuple(commands),
            tuple(map(at.submission, RUNS)),
            ("judge",),
        ),
        Step(
            "rank",
            "Build the leaderboard.",
            (qreal("leaderboard", "build", at.folder / "submissions", at.board, *board),),
            (at.board,),
            ("submit",),
        ),
    ]


def _screen(at: TourPlaces) -> list[Step]:
    if not any(one.name == "screen" for one in entry_points(group="qreal.commands")):
        return []
    return [
        Step(
            "screen",
            "Screen new images, of which nothing is known: what is flawed, where and why.",
            (
                python_module("qreal_tasks.tour.new_images", at.new_images),
                qreal("screen", at.new_images, "--model", SHIPPED, "--out", at.screening),
            ),
            (at.new_images, at.screening),
        )
    ]


def _annotate(at: TourPlaces) -> Step:
    report = ("--html", at.report("annotation"), "--data", at.annotation / "dataset")
    return Step(
        "annotate",
        "Make a dataset from twelve images: draft, verify, merge, publish, score.",
        (
            qreal("annotate", "demo", "--folder", at.annotation),
            qreal("score", at.annotation / "results", *report),
        ),
        (at.annotation, at.report("annotation")),
    )
