"""Files and folders that are whole at every moment, whatever refuses or kills their writer."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusing import at_every_moment, no_permission, no_room, tree

from qreal_tasks.files.atomic import find_free_name, name_errors, new_folder, replace_file, staging_path, write_whole
from qreal_tasks.files.system_errors import describe_os_error


def fill(folder: Path, *, instead: bool = False, text: str = "new") -> None:
    with new_folder(folder, instead=instead) as beside:
        (beside / "data").mkdir()
        (beside / "data" / "rows").write_text(text)
        (beside / "README.md").write_text(text)


def test_a_file_is_the_old_or_the_new_one_at_every_moment_of_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "site" / "page"
    path.parent.mkdir()
    path.write_bytes(b"old" * 100)
    seen = set()

    def look() -> None:
        seen.add(path.read_bytes()[:3])
        shutil.copytree(path.parent, tmp_path / "killed" / str(len(list((tmp_path / "killed").glob("*")))))

    with at_every_moment(look):
        write_whole(path, b"new" * 100)
    assert seen == {b"old", b"new"}
    moments = list((tmp_path / "killed").iterdir())
    assert any(staging_path(moment / "page").exists() for moment in moments), (
        "no kill left anything: this proves nothing"
    )
    for moment in moments:
        write_whole(moment / "page", "next")
        assert tree(moment) == {"page": b"next"}


def test_a_folder_is_there_whole_or_not_at_all_at_every_moment_of_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "here" / "set"
    folder.mkdir(parents=True)
    whole = {"data/rows": b"new", "README.md": b"new"}
    seen: list[int] = []

    def look() -> None:
        assert tree(folder) in ({}, whole)
        seen.append(len(tree(folder)))
        shutil.copytree(folder.parent, tmp_path / "killed" / str(len(seen)))

    with at_every_moment(look):
        fill(folder)
    assert set(seen) == {0, 2}
    for moment in (tmp_path / "killed").iterdir():
        if not (moment / "set" / "README.md").exists():
            fill(moment / "set")
        else:
            fill(moment / "set", instead=True)
        assert tree(moment) == {f"set/{name}": content for name, content in whole.items()}


def test_a_folder_that_is_replaced_is_the_old_the_new_or_for_a_moment_none(tmp_path: Path) -> None:
    fill(tmp_path / "final", text="old")
    seen: list[tuple[bytes, ...]] = []
    with at_every_moment(lambda: seen.append(tuple(sorted(tree(tmp_path / "final").values())))):
        fill(tmp_path / "final", instead=True)
    assert sorted(set(seen)) == [(), (b"new", b"new"), (b"old", b"old")]
    assert seen.count(()) <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_a_program_that_fails_after_a_kill_leaves_the_old_or_the_new_folder(tmp_path: Path) -> None:
    """Also where the kill came when neither was in its place."""
    old, new = ({"data/rows": text, "README.md": text} for text in (b"old", b"new"))
    fill(tmp_path / "here" / "final", text="old")
    moments: list[Path] = []

    def look() -> None:
        moments.append(tmp_path / "killed" / str(len(moments)))
        shutil.copytree(tmp_path / "here", moments[-1])

    with at_every_moment(look):
        fill(tmp_path / "here" / "final", instead=True)
    assert any(not (moment / "final").exists() for moment in moments), "no kill came between: this proves nothing"
    for moment in moments:
        with pytest.raises(ValueError, match="fails"), new_folder(moment / "final", instead=True):
            raise ValueError("fails")
        assert tree(moment / "final") in (old, new)
        assert [path.name for path in moment.iterdir()] == ["final"]


@pytest.mark.parametrize("name", ["final", "old"])
def test_a_folder_whose_name_the_new_one_cannot_have_is_put_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / name, text="old")
    rename = Path.rename
    refused: list[Path] = []

    def once(path: Path, target: Path) -> Path:
        if target == tmp_path / name and not refused:
            refused.append(path)
            _full()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", once)
    with pytest.raises(OSError, match="No space left"):
        fill(tmp_path / name, instead=True)
    assert set(tree(tmp_path).values()) == {b"old"}
    fill(tmp_path / name, instead=True)
    assert set(tree(tmp_path).values()) == {b"new"}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def _with_parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with replace_file(path) as beside:
        pq.write_table(pa.table({"a": [1, 2, 3]}), beside)


def _with_safetensors(path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    with replace_file(path) as beside:
        save_file({"a": np.zeros(9)}, beside)


def _with_several(path: Path) -> None:
    with name_errors(path), path.with_name("log").open("a") as file:
        file.write("more\n")


WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: write_whole(path, "new"),
    "bytes on the disk, for its owner": lambda path: write_whole(path, b"new", private=True, sync=True),
    "parquet": _with_parquet,
    "safetensors": _with_safetensors,
    "a line at the end": _with_several,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_without_room_the_old_file_stays_alone_and_is_named(writer: str, tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_text("old")
    (tmp_path / "log").touch()
    with no_room(), pytest.raises(OSError, match="File too large") as refused:
        WRITERS[writer](path)
    assert (refused.value.errno, refused.value.filename) == (errno.EFBIG, str(path))
    assert tree(tmp_path) == {"page": b"old", "log": b""}


@pytest.mark.parametrize("at", ["os.open", "os.ftruncate", "pathlib.Path.write_bytes", "os.fsync", "os.replace"])
def test_a_refusal_at_any_step_leaves_the_old_file_alone(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page"
    path.write_text("old")
    with monkeypatch.context() as patched:
        patched.setattr(at, _full)
        with pytest.raises(OSError, match="No space left") as refused:
            write_whole(path, "new", sync=True)
    assert refused.value.filename == str(path)
    assert str(refused.value) == f"[Errno {errno.ENOSPC}] No space left on device: '{path}'"
    assert tree(tmp_path) == {"page": b"old"}


def _full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("refusing", [no_room, no_permission])
@pytest.mark.parametrize("instead", [False, True])
def test_a_folder_that_is_refused_leaves_what_was_there(refusing: Any, instead: bool, tmp_path: Path) -> None:
    if instead:
        fill(tmp_path / "set", text="old")
    before = tree(tmp_path)
    given = [tmp_path] if refusing is no_permission else []
    with refusing(*given), pytest.raises(OSError, match=r"File too large|Permission denied") as refused:
        fill(tmp_path / "set", instead=instead)
    assert refused.value.filename == str(tmp_path / "set")
    assert tree(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"] * instead


def test_no_permission_names_the_file(tmp_path: Path) -> None:
    with no_permission(tmp_path), pytest.raises(PermissionError) as refused:
        write_whole(tmp_path / "page", "new")
    assert refused.value.filename == str(tmp_path / "page")


def _make_full(folder: Path) -> None:
    folder.mkdir()
    (folder / "mine").touch()


@pytest.mark.parametrize(
    ("make", "result"),
    [
        pytest.param(lambda p: _make_full(p), r"set is not empty; give a folder", id="not empty"),
        pytest.param(lambda p: p.touch(), r"set is a file; give a folder", id="a file"),
        pytest.param(lambda p: _make_full(staging_path(p)), "in the way .* move it", id="beside"),
        pytest.param(lambda p: staging_path(p).write_text("mine"), "in the way .* move it", id="file beside"),
    ],
)
def test_what_a_user_has_is_left_alone(make: Callable[[Path], None], result: str, tmp_path: Path) -> None:
    make(tmp_path / "set")
    before = tree(tmp_path)
    with pytest.raises(FileExistsError, match=result):
        fill(tmp_path / "set")
    assert tree(tmp_path) == before


def test_a_folder_that_is_filled_meanwhile_is_left_alone(tmp_path: Path) -> None:
    def while_another_is_at_it() -> None:
        with new_folder(tmp_path / "set") as beside:
            (beside / "new").touch()
            (tmp_path / "set").mkdir()
            (tmp_path / "set" / "mine").touch()

    with pytest.raises(OSError, match="not empty"):
        while_another_is_at_it()
    assert tree(tmp_path) == {"set/mine": b""}


def test_the_root_of_a_disk_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)
    with pytest.raises(FileExistsError, match="where a disk begins; give a folder in it"):
        fill(tmp_path)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_written_over(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(FileExistsError, match="exists and is not a file; give another place"):
        write_whole(path, "new")
    assert not path.is_file()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_missing_is_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        write_whole(tmp_path / "none" / "page", "new")
    assert describe_os_error(refused.value) == f"{tmp_path}/none/page: No such file or directory; make its folder first"


def test_a_second_program_is_refused_and_the_first_loses_nothing(tmp_path: Path) -> None:
    with new_folder(tmp_path / "set") as beside:
        (beside / "README.md").write_text("the first")
        with pytest.raises(BlockingIOError, match=r"another program writes .*set; let it end first"):
            fill(tmp_path / "set")
    assert tree(tmp_path) == {"set/README.md": b"the first"}


def test_writers_of_one_file_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "page"
    contents = [bytes([65 + number]) * 200_000 for number in range(8)]

    def write_often(content: bytes) -> None:
        for _ in range(20):
            write_whole(path, content)

    threads = [threading.Thread(target=write_often, args=(c,)) for c in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert not path.exists() or path.read_bytes() in contents
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert [one.name for one in tmp_path.iterdir()] == ["page"]


def test_who_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for private, mode in ((False, 0o644), (True, 0o600)):
            write_whole(tmp_path / "page", "x", private=private)
            assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == mode
        for given, mode in ((0o600, 0o600), (0o664, 0o664), (0o444, 0o644)):
            (tmp_path / "page").chmod(given)
            write_whole(tmp_path / "page", "y")
            assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == mode, "as its owner set it, and to be written"
    finally:
        os.umask(before)


def test_a_link_beside_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("not mine")
    staging_path(tmp_path / "page").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(tmp_path / "page", "x")
    assert (tmp_path / "other").read_text() == "not mine"


def test_names_that_are_taken(tmp_path: Path) -> None:
    """Two starts at one time by the clock, as where it was set back."""
    for name in ("run", "run-2", "run-3"):
        assert find_free_name(tmp_path / "run") == tmp_path / name
        (tmp_path / name).mkdir()


def _hold(folder: str, held: Any) -> None:
    with new_folder(Path(folder)) as beside:
        (beside / "half").touch()
        held.set()
        threading.Event().wait()


def test_what_a_killed_program_held_is_free(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=_hold, args=(str(tmp_path / "set"), held))
    process.start()
    assert held.wait(30)
    with pytest.raises(BlockingIOError):
        fill(tmp_path / "set")
    process.kill()
    process.join()
    fill(tmp_path / "set")
    assert tree(tmp_path) == {"set/data/rows": b"new", "set/README.md": b"new"}
