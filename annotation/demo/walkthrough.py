"""The demonstration: the commands that a user types, one after the other, on the twelve scenes.

Every command is printed and then run as it stands there. Only what costs money or time is replaced: the language model
by a script behind a server on this machine, Grounding DINO by a tiny one of the same class, people by simulated votes.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import typer
import yaml
from typer.main import get_command

from annotation.config import AnnotationConfig, dump_config
from annotation.demo.findings import Findings, measure_findings
from annotation.demo.people import ERROR_RATES, vote_all
from annotation.demo.scenes import Scene, load_demo_scenes, write_pictures
from annotation.demo.script import ANNOTATOR, EXAMINEE, make_script
from annotation.demo.tiny_detector import DETECTION
from annotation.errors import AnnotationError, annotate_command
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import GROUPS, Dimension, Style, task_of
from qreal_tasks.boxes import Space
from qreal_tasks.console.terminal import echo
from qreal_tasks.dataset.schema import has_parts
from qreal_tasks.llm.scripted_server import ScriptedServer
from qreal_tasks.pages.numbers import decimals

DETECTOR = Path(__file__).parent / "detector"
TEST_IMAGES = 6
ENVIRONMENT = {
    "OPENAI_API_KEY": None,  # nobody's key is sent to a script
    "QREAL_JUDGE": None,
    "QREAL_DATA": None,
    "QREAL_BOX_SPACE": str(Space.NORM1000),
    "HF_HUB_OFFLINE": "1",
}
_SHOWN_BEFORE = ("QREAL_DATA", "QREAL_BOX_SPACE")
"""Which of those are shown before ``qreal eval``."""
SCRIPTED = (
    "The language model is SCRIPTED: a server on this machine that knows what is drawn in the pictures, and is wrong "
    "now and then. The people are simulated. What comes out shows the software, and says nothing about any model."
)


def demonstrate(folder: Path, annotate_app: typer.Typer) -> Findings:
    """Make pictures, annotate them, publish and score the dataset, everything below ``folder``.

    Args:
        annotate_app: runs the commands of ``qreal annotate``.

    Raises:
        AnnotationError: ``folder`` holds something.
        typer.Exit: a command failed, and has said why.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AnnotationError(f"{folder} is there already; remove it, or give another --folder")
    scenes = load_demo_scenes()
    echo(SCRIPTED)
    images = write_pictures(folder / "images", [(one.content, one.prompt, one.generator) for one in scenes])
    run, dataset = folder / "run", folder / "dataset"
    call = partial(_call, annotate_app)
    with ScriptedServer(make_script(scenes)) as server, _environment(ENVIRONMENT):
        config, publish = _write_configs(folder, server.url, scenes)
        call("annotate", "init", images, run, "--config", config)
        call("annotate", "run", run)
        verify = annotate_command("verify", "start", run)
        echo(f"\nIn the place of `{verify}`: {', '.join(ERROR_RATES)}, simulated, answer")
        echo(f"{vote_all(RunFolder(run), scenes)} votes")
        call("annotate", "verify", "merge", run)
        call("annotate", "verify", "report", run)
        call("annotate", "preview", run)
        call("annotate", "publish", run, dataset, "--config", publish, "--test-images", TEST_IMAGES)
        call("data", "check", dataset)
        os.environ["QREAL_DATA"] = str(dataset.resolve())
        call(*_evaluation(server.url, folder))
    return measure_findings(RunFolder(run), dataset, scenes)


def demo_config(url: str) -> AnnotationConfig:
    """The config that the run is made with."""
    return AnnotationConfig.model_validate(
        {
            "language_model": {"model": ANNOTATOR, "base_url": url},
            "detection": {"model": str(DETECTOR), **DETECTION},
            "quality": {"scorer": "api"},
        }
    )


def format_summary(found: Findings, folder: Path) -> str:
    """The end of the output: what was planted and what came back, where to look, and what to try next."""
    people = ", ".join(f"{who} {decimals(share)}" for who, share in found.people_right.items())
    dataset, results, report = (shlex.quote(str(folder / name)) for name in ("dataset", "results", "report.html"))
    return f"""
What was drawn, and what came back:
  entities drawn {found.drawn}, found under their name with IoU >= .5 {found.detected}, shown to people \
{found.drafted}, published {found.published}
  answers equal to what was drawn: scripted model {decimals(found.machine_right)}; {people}; published \
{decimals(found.published_right)}

Drafts with their boxes  {folder / "run" / "preview.html"}
Agreement of people      {folder / "run" / "verification" / "agreement.html"}
Published dataset        {folder / "dataset"}
Scores of the examinee   {folder / "results"}

Try next: {annotate_command("status", folder / "run")}
          qreal data info {dataset}
          qreal score {results} --html {report}
Your own images: qreal annotate init IMAGES RUN --config configs/annotation/gpt-4o.yaml"""


def _write_configs(folder: Path, url: str, scenes: Sequence[Scene]) -> tuple[Path, Path]:
    config, publish = folder / "config.yaml", folder / "publish.yaml"
    config.write_text(dump_config(demo_config(url)), encoding="utf-8")
    publication = {
        "title": "Drawn scenes of the annotation demo",
        "license": "apache-2.0",
        "generators": dict.fromkeys(sorted({scene.generator for scene in scenes}), "Apache-2.0"),
        "images_from": "Drawn by qreal_tasks.mini of Q-Real Bench.",
        "description": f"Made by `qreal annotate demo`, for trying the software. {SCRIPTED}",
    }
    publish.write_text(yaml.safe_dump(publication, sort_keys=False), encoding="utf-8")
    return config, publish


def _evaluation(url: str, folder: Path) -> list[object]:
    server = f"model={EXAMINEE},base_url={url},store={folder / 'answers.sqlite'}"
    command = ["eval", "--model", "qreal_openai", "--model_args", server, "--output_path", folder / "results"]
    return [*command, "--tasks", ",".join(_tasks(folder / "dataset"))]


def _tasks(dataset: Path) -> list[str]:
    """The tasks of the benchmark, without portraits where the test split has none with remarks on body parts."""
    from qreal_tasks.dataset.loading import open_split
    from qreal_tasks.dataset.source import locate

    rows = open_split(locate(str(dataset)), "imageqa", "test").remove_columns("image")
    if any(row["is_portrait"] and any(map(has_parts, row["entities"])) for row in rows):
        return [GROUPS[Style.BENCHMARK]]
    whole = [task_of(Style.BENCHMARK, str(dimension)) for dimension in Dimension]
    return [f"{GROUPS[Style.BENCHMARK]}_objectqa", *whole]


def _call(annotate_app: typer.Typer, *command: object) -> None:
    """Print a command and run it.

    Raises:
        typer.Exit: it failed.
    """
    from qreal_tasks.cli import app

    words = [str(word) for word in command]
    before = "".join(f"{name}={shlex.quote(os.environ[name])} " for name in _SHOWN_BEFORE if words[0] == "eval")
    echo(f"\n$ {before}qreal {shlex.join(words)}")
    program: Any = get_command(app)
    status = program.main(words, prog_name="qreal", standalone_mode=False)
    if status:
        raise typer.Exit(int(status))


@contextmanager
def _environment(changes: dict[str, str | None]) -> Iterator[None]:
    """Change variables of the environment while the block lasts; None takes one away."""
    before = dict(os.environ)
    for name, value in changes.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
