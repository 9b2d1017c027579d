"""The commands that are too small for a package of their own, from ``qreal eval`` to ``qreal tasks-path``."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from qreal_tasks.console.command_line import as_folder, end_on_interrupt, fail, fail_on, new_group
from qreal_tasks.console.terminal import echo
from qreal_tasks.prompt_files.commands import export_vlmevalkit_command, prompts_command
from qreal_tasks.report.commands import print_score

data_app = new_group(
    "Look at a dataset, or write its prompts for other harnesses.\n\n"
    "\b\nqreal data info org/name\nqreal data check org/name"
)
eval_app = typer.Typer(add_completion=False)

_DATASET = typer.Argument(
    help="Hub id (org/name, org/name@revision), folder in hub layout or of save_to_disk. "
    "Default: $QREAL_DATA, else the embedded mini set.",
    show_default=False,
)


class _WithArguments(TyperCommand):
    """A command whose options are the harness's, so that its help has to list them itself."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from qreal_tasks.harness.eval_command.eval_help import format_arguments_help

        super().format_help(ctx, formatter)
        echo(format_arguments_help())


@eval_app.command(
    "eval",
    cls=_WithArguments,
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": ["--help"],
    },
)
def eval_command(context: typer.Context) -> None:
    """Evaluate a model: lmms-eval with our tasks, all its arguments passed through.

    \b
    qreal eval --model qreal_hf --model_args pretrained=Qwen/Qwen2.5-VL-7B-Instruct
    qreal eval --model qreal_openai --model_args model=gpt-4o --tasks qreal_objectqa --judge gpt-4o

    Arguments and data are checked before the model is loaded. Writes results, samples and the log into a folder of its
    own, runs/<model>-<time> unless --output_path names another, and ends with the recomputed tables. The exit status is
    not 0 when anything failed, or when questions are left without an answer. `qreal judge` can ask a judge afterwards.
    """
    from qreal_tasks.harness.eval_command.arguments import RunError
    from qreal_tasks.harness.eval_command.run import evaluate

    with fail_on("eval", RunError), end_on_interrupt("eval"):
        results = evaluate(context.args)
    # SciPy takes a second, and what is wrong with the arguments is told before.
    from qreal_tasks.results.lints import describe_missing_answers
    from qreal_tasks.results.run_folder import read_run

    print_score(results, resamples=10_000, as_json=False)
    echo(f"Results and samples: {results.parent}")
    missing = describe_missing_answers(read_run(results))
    if missing is not None:
        fail("eval", f"incomplete: {missing}")


@data_app.command("check")
def data_check(
    dataset: Annotated[str | None, _DATASET] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many problems to print.")] = 50,
) -> None:
    """Read every row of a dataset and say what is wrong with it.

    \b
    qreal data check org/name
    qreal data check ./my-dataset --most 500

    Writes nothing. Exit status 1 when anything is wrong.
    """
    from collections import Counter

    from qreal_tasks.dataset.check import check_dataset
    from qreal_tasks.dataset.source import DatasetError, locate

    with fail_on("data check", DatasetError):
        source = locate(as_folder(dataset))
        problems = check_dataset(source)
    for problem in problems[:most]:
        echo(str(problem))
    if len(problems) > most:
        echo(f"… and {len(problems) - most} more; --most {len(problems)} prints all")
    if problems:
        kinds = ", ".join(f"{kind}: {n}" for kind, n in Counter(p.kind for p in problems).most_common())
        fail("data check", f"{source.name}: {len(problems)} problems ({kinds})")
    echo(f"{source.name}: no problem found")


@data_app.command("info")
def data_info(dataset: Annotated[str | None, _DATASET] = None) -> None:
    """Count what a dataset holds: images, entities, annotations, balances.

    \b
    qreal data info
    qreal data info org/name@v1.0

    Writes nothing.
    """
    from qreal_tasks.dataset.check import count_split
    from qreal_tasks.dataset.schema import SPLITS
    from qreal_tasks.dataset.source import DatasetError, locate
    from qreal_tasks.report.tables import print_info

    with fail_on("data info", DatasetError):
        source = locate(as_folder(dataset))
        print_info(source, [count_split(source, split) for split in SPLITS])


data_app.command("prompts")(prompts_command)
data_app.command("export-vlmevalkit")(export_vlmevalkit_command)


def mini_command(
    folder: Annotated[Path, typer.Argument(help="Where to write; must be empty or not exist.", show_default=False)],
    images: Annotated[int, typer.Option(help="How many images to draw.")] = 150,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
) -> None:
    """Draw a set like the embedded one: scenes with planted flaws, in hub layout.

    \b
    qreal mini my-set --images 300
    QREAL_DATA=my-set qreal eval --model qreal_hf --model_args pretrained=mini

    Writes the set into FOLDER, which appears whole or not at all. It is for trying the software, and no benchmark.
    """
    from qreal_tasks.mini.write import draw_mini

    with fail_on("mini", ValueError, OSError):
        drawn = draw_mini(folder, images=images, seed=seed, workers=os.cpu_count() or 1)
    value = shlex.quote(str(folder.resolve()))
    echo(f"Drew {images} images, {drawn.bytes / 1e6:.1f} MB. Use them with QREAL_DATA={value}")


def mini_model_command(
    folder: Annotated[Path, typer.Argument(help="Where to write; must be empty or not exist.", show_default=False)],
) -> None:
    """Copy the small model that ships with this package, for programs that do not know it as `mini`.

    \b
    qreal mini-model my-copy
    qreal eval --model qreal_hf --model_args pretrained=mini   # the commands of qreal take its name

    Writes the model and its card into FOLDER. It was trained on drawn scenes and knows nothing else.
    """
    import shutil

    from qreal_tasks.files.atomic import new_folder
    from qreal_tasks.mini import MINI_MODEL

    with fail_on("mini-model", OSError), new_folder(folder) as beside:
        shutil.copytree(MINI_MODEL, beside, dirs_exist_ok=True)
    echo(f"Copied to {folder}. Its card is {folder / 'README.md'}")


def demo_command(
    folder: Annotated[Path, typer.Option(help="Where the results and the report go.")] = Path("runs/demo"),
) -> None:
    """Score the shipped model on all nine tasks of the embedded set, and show how to read it; about a minute.

    \b
    qreal demo

    Writes two run folders and report.html into --folder. Nothing is downloaded.
    """
    import shutil
    import sys

    from qreal_tasks.dataset.source import DatasetError
    from qreal_tasks.demo import TRIVIAL, run_demo
    from qreal_tasks.harness.eval_command.arguments import RunError

    with fail_on("demo", RunError, DatasetError, ValueError, OSError):
        found = run_demo(folder)
    report = folder / "report.html"
    print_score(found.model, resamples=10_000, as_json=False, html=report, gallery=24)
    runs = [shlex.quote(str(one.parent)) for one in (found.trivial, found.model)]
    installed = shlex.quote(str(Path(sys.executable).with_name("qreal")))
    qreal = "qreal" if shutil.which("qreal") else installed  # of an environment that is not active
    echo(
        f"\n{found.conclusion}\n({TRIVIAL}: Yes to every question, and a box around the whole of every image.)\n\n"
        f"The report, with the images: {report.resolve()}\n\nNext:\n\n"
        f"Every difference between the two, with its interval:\n  {qreal} compare {' '.join(runs)}\n"
        "A model of your own, from a folder or the hub (this one is 7 GB, for a GPU):\n"
        f"  {qreal} eval --model qreal_hf --model_args pretrained=Qwen/Qwen2.5-VL-3B-Instruct\n"
        "New pictures that the small model has not seen, and its numbers on them:\n"
        f"  {qreal} mini my-set && QREAL_DATA=my-set {qreal} eval --model qreal_hf --model_args pretrained=mini"
    )


def convert_internvl_command(
    source: Annotated[Path, typer.Argument(help="Folder of the original checkpoint.", show_default=False)],
    target: Annotated[Path, typer.Argument(help="Where to write; empty or not there.", show_default=False)],
) -> None:
    """Write an original InternVL 2.5 checkpoint in the form that qreal_hf loads.

    \b
    hf download OpenGVLab/InternVL2_5-8B --local-dir InternVL2_5-8B
    qreal convert-internvl InternVL2_5-8B InternVL2_5-8B-native

    Writes TARGET; the original stays as it is.
    """
    with fail_on("convert-internvl", ValueError, OSError, ImportError):
        from qreal_tasks.models.internvl.conversion import convert

        convert(source.expanduser(), target.expanduser())
    echo(f"Converted. Evaluate it with --model qreal_hf --model_args pretrained={shlex.quote(str(target))}")


def tasks_path_command() -> None:
    """Print the folder for lmms-eval's --include_path, where its plugin mechanism is not used.

    \b
    qreal tasks-path
    lmms-eval --include_path "$(qreal tasks-path)" --tasks qreal --model …

    Writes nothing.
    """
    from qreal_tasks.leaf_tasks import TASKS_FOLDER

    echo(str(TASKS_FOLDER))
