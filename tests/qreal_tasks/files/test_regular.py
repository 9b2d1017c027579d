"""Only files are read: a pipe, a device, a socket or a folder in a file's place is told, and nothing waits for it."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import annotation
import qreal_tasks
import training
from annotation.config import PortraitSettings, load_annotation_config
from qreal_tasks.dataset.files import data_files
from qreal_tasks.dataset.source import locate
from qreal_tasks.files.regular import NotAFileError, open_file, read_bytes, read_text, require_file
from qreal_tasks.files.yaml_files import read_yaml
from qreal_tasks.harness.eval_command.arguments import _read_config
from qreal_tasks.intake.files import read_file
from qreal_tasks.intake.folder import Captions
from qreal_tasks.intake.inputs import ListedInput
from qreal_tasks.intake.parquet_rows import read_parquet_schema
from qreal_tasks.intake.settings import ColumnNames
from qreal_tasks.intake.table_rows import read_text_table
from qreal_tasks.judge.manifest import load_manifest
from qreal_tasks.judge.meta_evaluation.probe_texts import load_texts
from qreal_tasks.leaderboard.submission.model_info import read_results
from qreal_tasks.leaderboard.submission.reading import read_folder
from qreal_tasks.llm.usage import load_prices
from qreal_tasks.models.server.served_model import config_type
from qreal_tasks.models.store import AnswerStore
from qreal_tasks.results.run_folder import read_run
from qreal_tasks.shards.parquet_files import count_rows, read_group, read_recipe, read_table
from qreal_tasks.tables.opening import open_table
from qreal_tasks.tables.spreadsheets import read_spreadsheet
from training.recipe import load_recipe

KINDS = {
    "a pipe": "a named pipe",
    "a link to a pipe": "a named pipe",
    "a device without an end": "a device",
    "a socket": "a socket",
    "a folder": "a folder",
}


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """A reader that waits fails here, and does not hang."""

    def waited(number: int, frame: object) -> None:
        raise AssertionError("waited for something that is no file")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _make(path: Path, kind: str) -> Path:
    """Something of this kind at the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a link to a pipe":
        os.mkfifo(path.with_name("pipe"))
        path.symlink_to("pipe")
    elif kind == "a device without an end":
        path.symlink_to("/dev/zero")
    elif kind == "a socket":
        # By its name alone: the address of a socket holds about a hundred bytes, which a folder of tests may exceed.
        with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(path.parent):
            one.bind(path.name)
    else:
        path.mkdir()
    return path


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("how", [open_file, read_bytes, read_text, require_file])
def test_what_it_is_is_told(how: Callable[[Path], object], kind: str, tmp_path: Path) -> None:
    path = _make(tmp_path / "x", kind)
    with pytest.raises(NotAFileError, match=f"is {KINDS[kind]}, expected a file"):
        how(path)


def test_files_and_links_to_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes("\ufeffé\r\n".encode())
    link = tmp_path / "link"
    link.symlink_to(file)
    assert read_bytes(link) == file.read_bytes()
    assert read_text(link, "utf-8-sig") == "é\n"
    assert read_text(link, "ascii", errors="replace").endswith("\n")
    assert require_file(link) == link
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none")
    with pytest.raises(UnicodeDecodeError):
        read_text(link, "ascii")


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a YAML file": ("x.yaml", read_yaml),
    "a judge's manifest": ("judge.yaml", lambda path: load_manifest(str(path))),
    "a recipe of training": ("recipe.yaml", lambda path: load_recipe(path, [])),
    "a config of annotation": ("config.yaml", load_annotation_config),
    "the arguments of a run": ("run.yaml", lambda path: _read_config(str(path))),
    "prices": ("prices.yaml", lambda path: load_prices(path, "m")),
    "texts of a probe": ("texts.yaml", load_texts),
    "a list of portraits": ("list.txt", lambda path: PortraitSettings(list=path).names()),
    "a table": ("images.csv", lambda path: read_text_table(path, ColumnNames())),
    "lines of JSON": ("images.jsonl", lambda path: read_text_table(path, ColumnNames())),
    "a table in parquet": ("images.parquet", read_parquet_schema),
    "a table of any kind": ("answers.csv", lambda path: open_table(path, bool)),
    "a spreadsheet": ("answers.xlsx", read_spreadsheet),
    "a shard": ("000000.parquet", read_table),
    "a group of a shard": ("000000.parquet", lambda path: read_group(path, 0)),
    "a shard's recipe": ("000000.parquet", read_recipe),
    "a shard's rows": ("000000.parquet", count_rows),
    "results of a run": ("20260101_000000_results.json", read_run),
    "results of a run, for a submission": ("20260101_000000_results.json", read_results),
    "stored answers": ("answers.sqlite", lambda path: AnswerStore(path)),
    "the card of a set": ("set/README.md", lambda path: data_files(path.parent)),
    "the card of a set that is named": ("set/README.md", lambda path: locate(str(path.parent))),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_tells_it(reader: str, kind: str, tmp_path: Path) -> None:
    name, how = READERS[reader]
    path = _make(tmp_path / name, kind)
    with pytest.raises(Exception, match=f"is {KINDS[kind]}, expected a file") as raised:
        how(path)
    assert not isinstance(raised.value, AssertionError)
    assert name.rpartition("/")[2] in str(raised.value)


def test_a_saved_set_with_something_else_in_a_files_place(kind: str, tmp_path: Path) -> None:
    for config in ("objectqa", "imageqa"):
        (tmp_path / config).mkdir()
        (tmp_path / config / "dataset_dict.json").write_text('{"splits": ["test"]}', encoding="utf-8")
    name = "data-00000-of-00001.arrow"
    _make(tmp_path / "objectqa/test" / name, kind)
    (tmp_path / "objectqa/test/state.json").write_text(
        json.dumps({"_data_files": [{"filename": name}]}), encoding="utf-8"
    )
    if kind != "a folder":  # of which its library says that there is no file
        with pytest.raises(Exception, match=f"is {KINDS[kind]}, expected a file"):
            locate(str(tmp_path))


def test_what_is_no_file_is_no_data_file_of_a_set(kind: str, tmp_path: Path) -> None:
    card = "---\nconfigs:\n- config_name: objectqa\n  data_files: data/*.parquet\n---\n"
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    _make(tmp_path / "data/test.parquet", kind)
    with pytest.raises(Exception, match=r"no dataset in it|expected a file"):
        locate(str(tmp_path))


def test_what_is_no_file_is_no_picture_and_no_prompt(kind: str, tmp_path: Path) -> None:
    path = os.fsencode(_make(tmp_path / "a.txt", kind))
    assert f"is {KINDS[kind]}, expected a file" in str(read_file(path))
    told = Captions(os.fsencode(tmp_path), [b"a.png", b"a.txt"]).add_prompt(ListedInput("a.png", b"a.png"))
    assert KINDS[kind] in told.note


def test_what_is_no_file_is_in_no_submission_and_tells_no_family(kind: str, tmp_path: Path) -> None:
    _make(tmp_path / "manifest.json", kind)
    assert any("manifest.json" in str(problem) for problem in read_folder(tmp_path).problems)
    assert config_type(tmp_path / "manifest.json") is None


@pytest.mark.slow
def test_no_module_reads_in_another_way() -> None:
    """Files of this package are read where they lie; everything else may be somebody else's."""
    found = set()
    for package in (qreal_tasks, training, annotation):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and _reads(call):
                    found.add(f"{path.relative_to(root.parent)}: {ast.unparse(call.func)}")
    assert found == {
        "qreal_tasks/harness/eval_command/installed_harness.py: (Path(spec.origin).parent / name).read_text",
        "qreal_tasks/leaderboard/board/paper.py: (resources.files('qreal_tasks.leaderboard.board') / 'paper.json')"
        ".read_text",
        "qreal_tasks/leaf_tasks.py: (TASKS_FOLDER / name).read_text",
        "qreal_tasks/files/package_tables.py: path.read_text",
        "qreal_tasks/files/yaml_files.py: file.open",
        "qreal_tasks/mini/card.py: _TEMPLATE.read_text",
        "qreal_tasks/models/tiny/parts.py: Path(__file__).with_name(f'{name}.jinja').read_text",
    }


def _reads(call: ast.Call) -> bool:
    name, given = ast.unparse(call.func), [one.value for one in call.args if isinstance(one, ast.Constant)]
    as_file = name == "open" or (name.endswith(".open") and given)
    mode = next(iter(given), "r")
    return name.endswith((".read_text", ".read_bytes")) or bool(as_file and isinstance(mode, str) and mode[:1] == "r")
