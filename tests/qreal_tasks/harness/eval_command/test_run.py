"""``qreal eval`` up to the point where the harness starts, and what it makes of the harness's log."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import IO

import pytest

from qreal_tasks.boxes import Space
from qreal_tasks.files.locks import hold_lock
from qreal_tasks.harness.backend_arguments import ABOUT, ARGUMENTS
from qreal_tasks.harness.box_space import SpaceChoice, choose_space, is_assumed, read_declared_space
from qreal_tasks.harness.eval_command import argument_checks, installed_harness, outcome, run
from qreal_tasks.harness.eval_command.arguments import RunError, read_arguments
from qreal_tasks.harness.eval_command.eval_help import format_arguments_help
from qreal_tasks.harness.plugin import BACKENDS
from qreal_tasks.llm.scripted_server import Reply, ScriptedServer, completion

pytestmark = pytest.mark.slow


@pytest.fixture
def no_harness(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been started."""
    started: list[list[str]] = []

    def start(command: list[str], environment: object, log: Path, quiet: bool) -> int:
        started.append(list(command))
        (log.parent / "x_results.json").write_text("{}", encoding="utf-8")
        return 0

    monkeypatch.setattr(run, "_run", start)
    return started


@pytest.mark.parametrize(
    ("given", "added"),
    [
        (["--model", "dummy"], ["--tasks", "--output_path", "--log_samples"]),
        (["--model=dummy", "--tasks", "qreal_imageqa", "--log_samples"], ["--output_path"]),
        (
            ["--model", "dummy", "--output_path", "{tmp}/out", "--batch_size", "4"],
            ["--tasks", "--log_samples"],
        ),
    ],
)
def test_arguments_pass_through_and_defaults_are_added(
    given: list[str],
    added: list[str],
    no_harness: list[list[str]],
    small_dataset: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    monkeypatch.chdir(tmp_path)
    given = [word.format(tmp=tmp_path) for word in given]
    results = run.evaluate(given)
    command = no_harness[0]
    assert command[3 : 3 + len(given)] == given
    assert [word for word in command[3 + len(given) :] if word.startswith("--")] == added
    assert results.name == "x_results.json"
    assert results.is_file()


def test_config_file_supplies_what_the_command_line_does_not(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("model: openai\ntasks: [qreal_objectqa]\noutput_path: here\nmodel_args: model_version=m\n")
    found = read_arguments(["--config", str(config), "--output_path", "there"])
    assert (found.model, found.tasks, found.output_path) == ("openai", ("qreal_objectqa",), Path("there"))
    assert found.model_args == {"model_version": "m"}


HF, SERVER = ["--model", "qreal_hf", "--model_args"], ["--model", "qreal_openai", "--model_args"]

REFUSED: dict[str, tuple[list[str], str]] = {
    "unknown backend": (
        ["--model", "qreal_hff"],
        "qreal_hff; did you mean qreal_hf\\? Expected qreal_hf,",
    ),
    "unknown stock backend": (["--model", "qwen25_vl"], "did you mean qwen2_5_vl"),
    "model in place of a backend": (["--model", "Qwen/Qwen2.5-VL-7B"], "unknown --model Qwen/Qwen2.5-VL-7B"),
    "unknown option in place of the model": (["--modle", "dummy"], "unknown option --modle; did you mean --model"),
    "key with a line break in a config file": (["--config", "{tmp}/line.yaml"], "OPENAI_API_KEY has blanks or a line"),
    "unknown option": (["--model", "dummy", "--limt", "5"], "unknown option --limt; did you mean --limit"),
    "option cut short": (["--model", "dummy", "--task", "qreal"], "unknown option --task; did you mean --tasks"),
    "option of another kind": (["--model", "dummy", "--limit", "all"], "--limit: invalid float value: 'all'"),
    "option without a value": (["--model", "dummy", "--limit"], "--limit: expected one argument"),
    "choice that is none": (["--model", "dummy", "--cache_requests", "yes"], "invalid choice: 'yes'"),
    "blank behind a comma": ([*HF, "pretrained=x,", "dtype=float32"], "'dtype=float32' belongs to no option"),
    "task that is nearly one": (["--model", "dummy", "--tasks", "qreal_objectq"], "did you mean qreal_objectqa\\?"),
    "unknown argument": ([*HF, "pretraind=x"], "unknown name 'pretraind'; did you mean pretrained\\? Expected some of"),
    "argument of another backend": ([*HF, "pretrained=x,base_url=y"], "unknown name 'base_url'"),
    "blank in the tasks": (
        ["--model", "dummy", "--tasks", "qreal_objectqa, qreal_imageqa"],
        "a blank around 'qreal",
    ),
    "both styles": (
        ["--model", "dummy", "--tasks", "qreal,qreal_paper_imageqa"],
        "qreal and of qreal_paper, whose numbers are never put together",
    ),
    "no samples": (["--model", "dummy", "--limit", "0"], "--limit is 0, expected how many samples"),
    "fewer than none": (["--model", "dummy", "--limit=-2"], "--limit is -2, expected how many samples"),
    "no pictures at a time": ([*HF, "pretrained=x", "--batch_size", "0"], "batch_size is 0, expected auto or a whole"),
    "empty value": ([*HF, "pretrained="], "pretrained=: expected a value as it is, not empty"),
    "quoted value": ([*SERVER, 'model="gpt-4o"'], 'model="gpt-4o": expected a value as it is, .* without quotes'),
    "config whose env is a list": (["--config", "{tmp}/env.yaml"], "env is a list, expected a mapping"),
    "config with a judge": (["--config", "{tmp}/judge.yaml"], "judge is no argument of lmms-eval; give --judge gpt-4o"),
    "argument without a value": ([*HF, "pretrained"], "'pretrained' has no =, expected name=value"),
    "argument that is missing": ([*HF, "dtype=float32"], "pretrained is missing"),
    "number that is none": ([*HF, "pretrained=x,min_pixels=many"], "min_pixels is 'many', expected a whole number"),
    "truth that is none": ([*HF, "pretrained=x,merge_adapter=1"], "merge_adapter is '1', expected True or False"),
    "batch size that is none": ([*HF, "pretrained=x", "--batch_size", "two"], "batch_size is 'two', expected a whole"),
    "folder below here": ([*HF, "pretrained=./nothing"], "pretrained: model folder './nothing' does not exist"),
    "folder with two slashes": ([*HF, "pretrained=runs/train/x"], "model folder 'runs/train/x' does not exist"),
    "folder in one that is there": ([*HF, "pretrained=mine/x"], "'mine/x' does not exist .*and no model of that name"),
    "file in place of a folder": ([*HF, "pretrained={tmp}/list.yaml"], "is a file, expected the folder of a model"),
    "adapter that is not there": (
        [*HF, "pretrained=org/x,adapter=./no"],
        "adapter: model folder './no' does not",
    ),
    "adapter as a model": ([*HF, "pretrained=mine/adapter"], "holds an adapter; expected pretrained=BASE,adapter=mine"),
    "adapter that is none": ([*HF, "pretrained=org/x,adapter={tmp}"], "has no adapter_config.json"),
    "no key": ([*SERVER, "model=m"], "no API key: set OPENAI_API_KEY"),
    "server without http": ([*SERVER, "model=m,base_url=localhost:8000"], "is no plain address"),
    "value out of range": (
        [*SERVER, "model=m,base_url=http://h/v1,concurrency=0"],
        "concurrency is 0, expected a",
    ),
    "price list that is not there": ([*SERVER, "model=m,prices=no.yaml"], "prices=no.yaml: there is no such file"),
    "no model": ([], "no model named"),
    "unknown task": (
        ["--model", "dummy", "--tasks", "qreal_objectqa_realism_q3"],
        "unknown task qreal_objectqa_realism_q3",
    ),
    "missing config": (["--config", "/no/file.yaml"], "cannot be read"),
    "missing model folder": (
        ["--model", "qwen2_5_vl", "--model_args", "pretrained=/no/model"],
        "does not exist",
    ),
    "config that is no text": (["--config", "{tmp}/binary.yaml"], "cannot be read"),
    "list of runs": (["--config", "{tmp}/list.yaml"], "holds list, expected one mapping"),
    "output path below a file": (["--model", "dummy", "--output_path", "{tmp}/list.yaml/x"], "list.yaml/x: Not a dir"),
    "output path that is a file": (["--model", "dummy", "--output_path", "{tmp}/list.yaml"], "cannot be made"),
    "key that would be printed": (
        ["--model", "openai", "--model_args", "model_version=m,api_key=sk-1"],
        "set OPENAI_API_KEY instead",
    ),
    "another key that would be printed": (
        ["--model", "openai", "--model_args", "model_version=m,token=hf_0123456789abcd"],
        "token holds what looks like a key",
    ),
    "password in an address": (
        ["--model", "openai", "--model_args", "model_version=m,base_url=http://me:hunter@host/v1"],
        "base_url holds what looks like a key",
    ),
    "key in a config file": (["--config", "{tmp}/key.yaml"], "set OPENAI_API_KEY instead"),
    "folder that is no model": (
        ["--model", "qwen2_5_vl", "--model_args", "pretrained={tmp}"],
        "has no config.json",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arguments_are_refused_before_the_harness_starts(
    case: str, no_harness: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, message = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "mine/adapter").mkdir(parents=True)
    (tmp_path / "mine/adapter/adapter_config.json").write_text("{}")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "list.yaml").write_text("- model: dummy\n")
    (tmp_path / "line.yaml").write_text("model: openai\nenv:\n  OPENAI_API_KEY: |\n    sk-1\n")
    (tmp_path / "env.yaml").write_text("{model: dummy, env: [A, B]}\n")
    (tmp_path / "judge.yaml").write_text("{model: dummy, judge: gpt-4o}\n")
    (tmp_path / "key.yaml").write_text("{model: openai, model_args: {api_key: sk-1}}\n")
    with pytest.raises(RunError, match=message):
        run.evaluate([word.format(tmp=tmp_path) for word in given])
    assert no_harness == []


@pytest.mark.parametrize(
    "given",
    [
        [*HF, "pretrained=org/name"],
        [*HF, "pretrained=gpt2,revision=12,merge_adapter=false,min_pixels=1e4,device=cpu", "--batch_size=auto"],
        [*HF, "pretrained=org/name,adapter=org/adapter", "-b", "4"],
        [*SERVER, "model=a/b/c,base_url=http://h/v1,seed=None,temperature=0.5,timeout_s=5"],
        ["--model", "openai_compatible", "--model_args", "model_version=m,odd='a,b'", "--num_samples", "2"],
        ["--model", "vllm", "--model_args", 'model=org/name,limit_mm_per_prompt={"image": 1,"video": 0}'],
        ["--model", "dummy", "--tasks", "qreal_objectqa", "--seed", "0,None,8,52", "--limit=-1", "--log_samples"],
    ],
)
def test_right_arguments_are_not_refused(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    argument_checks.check_options(given)
    argument_checks.check_arguments(read_arguments(given))


def test_a_backend_that_another_package_may_add_is_the_harness_s_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = EntryPoint("theirs", "their_package:manifests", "lmms_eval.models")
    monkeypatch.setattr(installed_harness, "entry_points", lambda group: [theirs])
    argument_checks.check_arguments(read_arguments(["--model", "their_model"]))
    monkeypatch.undo()
    monkeypatch.setenv("LMMS_EVAL_PLUGINS", "their_package")
    argument_checks.check_arguments(read_arguments(["--model", "their_model"]))


def test_a_harness_that_is_written_otherwise_is_not_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed_harness, "_source", lambda name: ast.parse("MODELS = registry()"))
    assert installed_harness.read_backend_names() is None
    assert installed_harness.build_parser() is None
    argument_checks.check_options(["--model", "any", "--odd", "option"])
    argument_checks.check_arguments(read_arguments(["--model", "any"]))


def test_what_is_read_from_the_source_is_what_the_harness_says() -> None:
    pytest.importorskip("lmms_eval")
    names = installed_harness.read_backend_names()
    assert names is not None
    assert {"qreal_hf", "qwen2_5_vl", "openai", "openai_compatible", "vllm", "dummy"} <= names
    options = installed_harness.build_parser()
    assert options is not None
    read = options.parse_args(["--limit", "3", "-b", "auto", "--num_samples", "2"])
    assert (read.limit, read.batch_size, read.repeats) == (3.0, "auto", 2)


@pytest.mark.parametrize("key", ["sk-secret1\nsk-secret2", "sk-secret\x7f", "sk-secret…"])
def test_a_key_that_cannot_be_sent_ends_the_run_before_a_backend_can_show_it(
    key: str, no_harness: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(RunError, match="the API key holds a line break") as raised:
        run.evaluate(["--model", "openai", "--model_args", "model_version=m"])
    assert "secret" not in str(raised.value)
    assert no_harness == []


def test_a_key_with_blanks_around_it_is_handed_on_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-1\n")
    assert argument_checks.read_sendable_key() == {"OPENAI_API_KEY": "sk-1"}
    monkeypatch.setenv("OPENAI_API_KEY", "\n")
    assert argument_checks.read_sendable_key() == {}


def test_every_argument_of_our_backends_is_explained() -> None:
    assert set(ABOUT) == {name for allowed, _ in ARGUMENTS.values() for name in allowed}
    assert set(ARGUMENTS) == set(BACKENDS)
    text = format_arguments_help()
    assert all(f"  {name}" in text for name in ("--model BACKEND", "--judge NAME|FILE", *ABOUT))


def test_help_and_refusals_import_neither_the_harness_nor_the_data_library() -> None:
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom qreal_tasks.cli import app\n"
        "help = CliRunner().invoke(app, ['eval', '--help'])\n"
        "assert help.exit_code == 0 and '--model_args of qreal_hf' in help.output, help.output\n"
        "wrong = CliRunner().invoke(app, ['eval', '--model', 'qreal_hf', '--model_args', 'pretraind=x'])\n"
        "assert wrong.exit_code == 1 and 'did you mean pretrained?' in wrong.output, wrong.output\n"
        "print([m for m in ('torch', 'lmms_eval', 'transformers', 'datasets', 'scipy') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_missing_dataset_is_refused_before_the_harness_starts(
    no_harness: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", "/no/dataset")
    with pytest.raises(RunError, match="no such folder"):
        run.evaluate(["--model", "dummy"])
    assert no_harness == []


def test_damaged_dataset_is_refused_before_the_harness_starts(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_dataset(lambda rows: rows["imageqa"]["test"][0].update(image={"bytes": b"x", "path": None}))
    monkeypatch.setenv("QREAL_DATA", str(folder))
    with pytest.raises(RunError, match=r"1 problems in its test split(.|\n)*img2: image cannot be decoded"):
        run.evaluate(["--model", "dummy"])
    assert no_harness == []


def test_env_of_a_config_file_counts_for_the_checks(
    no_harness: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", "mini")
    config = tmp_path / "run.yaml"
    config.write_text("model: dummy\nenv: {QREAL_DATA: /no/dataset}\n")
    with pytest.raises(RunError, match="/no/dataset"):
        run.evaluate(["--config", str(config)])
    assert no_harness == []


def test_a_set_without_portraits_is_refused_only_for_the_task_that_needs_them(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = small_dataset(lambda rows: [e.update(parts=None) for e in rows["imageqa"]["test"][1]["entities"]])
    monkeypatch.setenv("QREAL_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no portrait with body-part descriptions"):
        run.evaluate(["--model", "dummy", "--tasks", "qreal"])
    assert no_harness == []
    run.evaluate(["--model", "dummy", "--tasks", "qreal_objectqa"])
    assert len(no_harness) == 1


def test_without_named_tasks_a_set_without_portraits_is_asked_the_others(
    no_harness: list[list[str]],
    small_dataset: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = small_dataset(lambda rows: [e.update(parts=None) for e in rows["imageqa"]["test"][1]["entities"]])
    monkeypatch.setenv("QREAL_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    run.evaluate(["--model", "dummy"])
    asked = no_harness[0][no_harness[0].index("--tasks") + 1]
    assert asked == "qreal_objectqa,qreal_imageqa_realism,qreal_imageqa_plausibility"
    assert "human plausibility is left out" in capsys.readouterr().out


def test_no_results_is_a_failure_with_the_reason_first(
    small_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], environment: object, log: Path, quiet: bool) -> int:
        log.write_text("Traceback (most recent call last):\nKeyError: 'realism'\n", encoding="utf-8")
        return 0

    monkeypatch.setattr(run, "_run", fail)
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    with pytest.raises(RunError) as caught:
        run.evaluate(["--model", "dummy", "--output_path", str(tmp_path / "out")])
    assert str(caught.value).startswith("KeyError: 'realism'\n")


def leaving(files: dict[str, str]) -> Callable[[list[str], object, Path, bool], int]:
    """A harness that ends with status 0 and leaves these files."""

    def start(command: list[str], environment: object, log: Path, quiet: bool) -> int:
        for name, text in files.items():
            (log.parent / name).write_text(text, encoding="utf-8")
        return 0

    return start


@pytest.mark.parametrize(
    ("files", "cut"),
    [
        ({"x_results.json": '{"a": {"b": 1}', "x_samples_t.jsonl": "{}\n"}, "x_results.json"),
        ({"x_results.json": "{}", "x_samples_s.jsonl": "{}\n", "x_samples_t.jsonl": '{}\n{"a'}, "x_samples_t.jsonl"),
        ({"x_results.json": "{}", "x_samples_t.jsonl": ""}, "x_samples_t.jsonl"),
    ],
)
def test_results_that_are_cut_off_are_a_failure(
    files: dict[str, str],
    cut: str,
    small_dataset: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "_run", leaving(files))
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    with pytest.raises(RunError, match=f"{cut} is cut off: the disk may be full"):
        run.evaluate(["--model", "dummy", "--output_path", str(tmp_path / "out")])


@pytest.mark.parametrize("clock", [0, 4_000_000_000])
def test_results_are_found_whatever_the_clock_says(
    clock: int, small_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be set while a run is under way, and the results of an earlier run lie in the same folder."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "20990101_000000_results.json").write_text("{}", encoding="utf-8")

    def start(command: list[str], environment: object, log: Path, quiet: bool) -> int:
        (out / "19700101_000000_results.json").write_text("{}", encoding="utf-8")
        os.utime(out / "19700101_000000_results.json", (clock, clock))
        return 0

    monkeypatch.setattr(run, "_run", start)
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    found = run.evaluate(["--model", "dummy", "--output_path", str(out)])
    assert found == out / "19700101_000000_results.json"
    monkeypatch.setattr(run, "_run", leaving({"harness.log": "KeyError: 'realism'"}))
    with pytest.raises(RunError, match="left no results"):
        run.evaluate(["--model", "dummy", "--output_path", str(out)])


def test_a_second_program_in_one_folder_is_refused(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    (tmp_path / "out").mkdir()
    with (
        hold_lock(tmp_path / "out" / ".lock"),
        pytest.raises(RunError, match=r"another program writes its results into .*out; let it end first"),
    ):
        run.evaluate(["--model", "dummy", "--output_path", str(tmp_path / "out")])
    assert no_harness == []


def test_runs_that_start_at_one_time_by_the_clock_have_folders_of_their_own(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Stopped:
            return cls(2026, 1, 1)

    monkeypatch.setattr("qreal_tasks.harness.eval_command.arguments.datetime", Stopped)
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    monkeypatch.chdir(tmp_path)
    folders = [run.evaluate(["--model", "dummy"]).parent.name for _ in range(2)]
    assert folders == ["dummy-20260101-000000", "dummy-20260101-000000-2"]


def test_a_log_that_cannot_be_written_stops_the_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk; the harness would go on for hours and leave nothing."""

    tee = run._tee

    def on_a_full_disk(source: IO[bytes], file: IO[bytes], log: Path, quiet: bool) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            tee(source, full, log, quiet)

    monkeypatch.setattr(run, "_tee", on_a_full_disk)
    command = [sys.executable, "-c", "import time; print('at work', flush=True); time.sleep(60)"]
    output = r"harness.log: No space left on device; the run was stopped; free some space"
    with pytest.raises(RunError, match=output), run._explain_os_errors():
        run._run(command, os.environ, tmp_path / "harness.log")


def test_the_log_is_for_its_owner_alone(tmp_path: Path) -> None:
    log = tmp_path / "harness.log"
    log.write_text("of an earlier run, and long")
    log.chmod(0o644)
    assert run._run([sys.executable, "-c", "print('said')"], os.environ, log) == 0
    assert log.read_text() == "said\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_harness_says_every_letter_in_any_locale_and_no_control(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = "'模型 \\ud83d \\x1b[2J'"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    assert run._run([sys.executable, "-c", f"print({output})"], environment, tmp_path / "harness.log") == 0
    assert capsys.readouterr().out == "模型 \\ud83d \\x1b[2J\n"
    assert "模型" in (tmp_path / "harness.log").read_text(encoding="utf-8"), "the log is kept as it came"


@pytest.mark.parametrize("caches", [True, False])
def test_an_account_without_a_home_is_told_so(
    caches: bool, no_harness: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HF_HOME", raising=False)
    if caches:
        monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    if caches:
        run._require_caches()
        return
    with pytest.raises(RunError, match="HOME is not set"):
        run.evaluate(["--model", "dummy", "--output_path", str(tmp_path / "out")])
    assert no_harness == []


def test_a_placeholder_is_no_key() -> None:
    argument_checks._check_no_secret({"api_key": "none"})


LOGS: dict[str, tuple[str, str]] = {
    "root cause of a chain": (
        "Traceback (most recent call last):\n  File x\nFileNotFoundError: no data\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\ntenacity.RetryError: RetryError[<Future>]\n"
        "| ERROR | Error during evaluation: RetryError[<Future>]. Please set `--verbosity=DEBUG` to get more.\n",
        "FileNotFoundError: no data",
    ),
    "last chain counts": (
        "ValueError: an early warning\nnext\nnext\nnext\nnext\nRuntimeError: the end\n",
        "RuntimeError: the end",
    ),
    "qualified type": ("torch.cuda.OutOfMemoryError: full\n", "OutOfMemoryError: full"),
    "error line alone": (
        "\x1b[31mERROR\x1b[0m | Error during evaluation: Tasks not found: x. Please set `--verbosity=DEBUG` to get\n",
        "Tasks not found: x",
    ),
    "last words": ("loading\nKilled\n\n", "Killed"),
    "nothing": ("", "the harness said nothing"),
}


@pytest.mark.parametrize("case", LOGS)
def test_failure_reason(case: str) -> None:
    log, reason = LOGS[case]
    assert outcome.find_failure_reason(log) == reason


def test_box_space_is_declared_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (read_declared_space(), is_assumed()) == (Space.NORM1000, True)
    monkeypatch.setenv("QREAL_BOX_SPACE", "unit")
    assert (read_declared_space(), is_assumed()) == (Space.UNIT, False)
    assert choose_space("dummy", {}) == SpaceChoice(Space.UNIT, "QREAL_BOX_SPACE is set")
    monkeypatch.setenv("QREAL_BOX_SPACE", "percent")
    with pytest.raises(ValueError, match="expected one of pixels, resized_pixels, norm1000, norm1000_yx, unit"):
        read_declared_space()


RESIZED_PIXELS: dict[str, tuple[str, dict[str, str], str | None]] = {
    "a backend that does not report the size": ("qwen2_5_vl", {}, "qwen2_5_vl does not report the size"),
    "ours": ("qreal_hf", {"pretrained": "x"}, None),
    "a server with a family that has a rule": ("qreal_openai", {"model": "qwen2.5-vl"}, None),
    "a server whose family is said": ("qreal_openai", {"model": "judge", "family": "qwen3_vl"}, None),
    "a server with an unknown family": ("qreal_openai", {"model": "judge"}, "family is not known: give family="),
    "a server with a family without a rule": ("qreal_openai", {"model": "gemini-2.5-pro"}, "no rule is known"),
}


@pytest.mark.parametrize("case", RESIZED_PIXELS)
def test_resized_pixels_need_a_known_size(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, arguments, message = RESIZED_PIXELS[case]
    monkeypatch.setenv("QREAL_BOX_SPACE", "resized_pixels")
    arguments = {"base_url": "http://127.0.0.1:9/v1", **arguments}
    if message is None:
        assert choose_space(backend, arguments).space is Space.RESIZED_PIXELS
    else:
        with pytest.raises(ValueError, match=message):
            choose_space(backend, arguments)


@pytest.mark.parametrize(
    ("model_type", "space", "assumed"),
    [
        ("llava_next", Space.UNIT, False),
        ("qwen3_vl", Space.NORM1000, False),
        ("qwen2_5_vl", Space.NORM1000, True),  # what it writes could not be read
        ("novel", Space.NORM1000, True),
    ],
)
def test_box_space_follows_the_model_type(model_type: str, space: Space, assumed: bool, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(f'{{"model_type": "{model_type}"}}', encoding="utf-8")
    choice = choose_space("huggingface", {"pretrained": str(tmp_path)})
    assert (choice.space, choice.assumed) == (space, assumed)
    assert model_type in choice.reason


CHOICES: dict[str, tuple[str, dict[str, str], Space, bool, str]] = {
    "Qwen2.5-VL behind a server": (
        *("qreal_openai", {"model": "qwen2.5-vl"}, Space.RESIZED_PIXELS, False),
        "what qwen2_5_vl was trained to write; qwen2.5-vl",
    ),
    "its family said": (
        *("qreal_openai", {"model": "judge", "family": "internvl"}, Space.NORM1000, False),
        "what internvl was trained to write; family=internvl",
    ),
    "nobody knows": (
        *("qreal_openai", {"model": "judge"}, Space.NORM1000, True),
        "default; the family of judge is not known",
    ),
    "GPT-4o is not trained to write any": (
        *("qreal_openai", {"model": "gpt-4o", "base_url": "https://api.openai.com/v1"}, Space.NORM1000, True),
        "default; the family of gpt-4o is not known",
    ),
    "Gemini": (
        *("qreal_openai", {"model": "models/gemini-2.5-flash"}, Space.NORM1000_YX, False),
        "what gemini was trained to write; models/gemini-2.5-flash",
    ),
    "Gemini by the harness's own backend": (
        *("openai", {"model_version": "gemini-2.5-flash"}, Space.NORM1000_YX, False),
        "what gemini was trained to write; gemini-2.5-flash",
    ),
    "a backend named for its family": (
        *("qwen3_vl", {"pretrained": "/no/where"}, Space.NORM1000, False),
        "what qwen3_vl was trained to write; qwen3_vl",
    ),
    "nothing named": ("dummy", {}, Space.NORM1000, True, "default; the family of dummy is not known"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_box_space_follows_the_family(case: str) -> None:
    backend, arguments, space, assumed, reason = CHOICES[case]
    choice = choose_space(backend, {"base_url": "http://127.0.0.1:9/v1", **arguments})
    assert choice == SpaceChoice(space, reason, assumed)


@pytest.mark.parametrize(
    ("model", "tasks", "output", "in_environment"),
    [
        ("judge", "qreal_imageqa", True, None),
        ("judge", "qreal_objectqa,qreal_objectqa_realism_q1", False, None),
        ("gemini-2.5-pro", "qreal_imageqa", False, "norm1000_yx"),
    ],
)
def test_an_assumed_space_is_said_first_and_left_undeclared(
    model: str,
    tasks: str,
    output: bool,
    in_environment: str | None,
    small_dataset: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The harness's process knows by the variable whether the space is anybody's declaration."""
    seen: list[str | None] = []

    def start(command: list[str], environment: dict[str, str], log: Path, quiet: bool) -> int:
        seen.append(environment.get("QREAL_BOX_SPACE"))
        (log.parent / "x_results.json").write_text("{}", encoding="utf-8")
        return 0

    monkeypatch.setattr(run, "_run", start)
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    arguments = f"model={model},base_url=http://127.0.0.1:9/v1"
    given = ["--model", "qreal_openai", "--model_args", arguments, "--tasks", tasks]
    run.evaluate([*given, "--output_path", str(tmp_path / "out")])
    assert seen == [in_environment]
    assert ("boxes are ASSUMED to be written in norm1000" in capsys.readouterr().out) is output


def test_a_family_that_nobody_knows_is_refused_before_the_harness_starts(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    with pytest.raises(RunError, match="family=qwen9 is not known, expected one of qwen2_vl"):
        run.evaluate(["--model", "qreal_openai", "--model_args", "model=judge,family=qwen9"])
    assert no_harness == []


def served(model: str) -> ScriptedServer:
    listed = {"object": "list", "data": [{"id": "judge", "root": model}]}
    return ScriptedServer(lambda _: completion("Yes"), models=Reply(listed))


def test_limits_of_pictures_are_held_against_the_model_behind_an_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    with served("Qwen/Qwen2.5-VL-7B-Instruct") as server:
        given = {"model": "judge", "base_url": server.url, "max_pixels": "1003520"}
        arguments = read_arguments(["--model", "qreal_openai", "--model_args", ",".join(map("=".join, given.items()))])
        argument_checks.check_arguments(arguments)
        assert choose_space("qreal_openai", given).space is Space.RESIZED_PIXELS
        monkeypatch.setenv("QREAL_BOX_SPACE", "norm1000")
        with pytest.raises(ValueError, match="max_pixels=1003520: pictures are sent in their own size"):
            choose_space("qreal_openai", given)
    monkeypatch.delenv("QREAL_BOX_SPACE")
    with served("Qwen/Qwen3-VL-8B-Instruct") as server, pytest.raises(ValueError, match="leave the limits out"):
        choose_space("qreal_openai", {**given, "base_url": server.url})
