"""Arguments of ``qreal eval`` that are refused before the harness starts, and those that are not."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from qreal_tasks.harness.backend_arguments import ABOUT, ARGUMENTS
from qreal_tasks.harness.eval_command import argument_checks, installed_harness, run
from qreal_tasks.harness.eval_command.arguments import RunError, read_arguments
from qreal_tasks.harness.eval_command.eval_help import format_arguments_help
from qreal_tasks.harness.plugin import BACKENDS

pytestmark = pytest.mark.slow


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
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_placeholder_is_no_key() -> None:
    argument_checks._check_no_secret({"api_key": "none"})
