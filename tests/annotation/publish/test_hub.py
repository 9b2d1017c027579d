"""The way to the hub, with a hub that only writes down what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError
from typer.testing import CliRunner

from annotation.commands import annotate_app
from annotation.errors import AnnotationError
from annotation.publish.checksums import check_checksums, write_checksums
from annotation.publish.hub import check_hub_names, push_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "set"
    found.mkdir()
    (found / "README.md").write_text("A card.")
    write_checksums(found)
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """What a fake hub was asked, in order."""
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    class Hub:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def note(*arguments: Any, **keywords: Any) -> Any:
                calls.append((name, arguments, keywords))
                commits = {"upload_folder": "abc", "upload_file": "of the file"}
                if name == "list_repo_refs":
                    return SimpleNamespace(tags=[SimpleNamespace(name="v0.9")])
                return SimpleNamespace(oid=commits[name]) if name in commits else "https://hub.example/org/name"

            return note

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    return calls


def test_private_gated_and_tagged(folder: Path, asked: list[Any]) -> None:
    done = push_folder(folder, "org/name", "v1.0", private=True, gated=True)
    assert (done.address, done.eval_refused) == ("https://hub.example/org/name", None)
    names = ["create_repo", "list_repo_refs", "update_repo_settings", "upload_folder", "create_tag"]
    assert [name for name, _, _ in asked] == names
    create, _, settings, upload, tag = asked
    about = {"repo_id": "org/name", "repo_type": "dataset"}
    assert create[2] == {**about, "private": True, "exist_ok": True}
    assert settings[2] == {**about, "private": True, "gated": "auto"}  # also where the repository was there, and open
    assert (upload[2]["folder_path"], upload[2]["repo_type"]) == (folder, "dataset")
    assert tag[2] == {**about, "tag": "v1.0", "revision": "abc"}


def test_eval_yaml_comes_by_itself_and_its_refusal_holds_up_nothing(
    folder: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "eval.yaml").write_text("name: Q-Real Bench")
    write_checksums(folder)
    push_folder(folder, "org/name", "v1.0", private=False, gated=False)
    assert [name for name, _, _ in asked] == [
        "create_repo",
        "list_repo_refs",
        "upload_folder",
        "upload_file",
        "create_tag",
    ]
    assert asked[2][2]["ignore_patterns"] == ["eval.yaml"]
    assert asked[-1][2]["revision"] == "of the file"

    def refuse(*_: Any, **__: Any) -> Any:
        request = httpx2.Request("POST", "https://hub.example")
        raise HfHubHTTPError("no such framework", response=httpx2.Response(400, request=request))

    asked.clear()
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_file", refuse, raising=False)
    done = push_folder(folder, "org/name", "v1.0", private=False, gated=False)
    assert done.eval_refused == "no such framework"
    assert asked[-1][2]["revision"] == "abc"
    shown = CliRunner().invoke(annotate_app, ["push", str(folder), "org/name"])
    assert (shown.exit_code, "all but eval.yaml is there" in shown.output) == (0, True)


def test_a_failure_that_is_no_refusal_of_eval_yaml_stops_before_the_tag(
    folder: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "eval.yaml").write_text("name: Q-Real Bench")

    def fail(*_: Any, **__: Any) -> Any:
        request = httpx2.Request("POST", "https://hub.example")
        raise HfHubHTTPError("busy", response=httpx2.Response(503, request=request))

    monkeypatch.setattr(huggingface_hub.HfApi, "upload_file", fail, raising=False)
    with pytest.raises(AnnotationError, match=r"uploading eval\.yaml failed: the hub has trouble of its own \(503"):
        push_folder(folder, "org/name", "v1.0", private=False, gated=False)
    assert "create_tag" not in [name for name, _, _ in asked]


def test_a_tag_that_is_taken_is_said_before_anything_is_uploaded(folder: Path, asked: list[Any]) -> None:
    with pytest.raises(AnnotationError, match=r"has a tag v0\.9 already"):
        push_folder(folder, "org/name", "v0.9", private=False, gated=False)
    assert [name for name, _, _ in asked] == ["create_repo", "list_repo_refs"]


def test_a_hub_that_cannot_be_reached_is_no_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.hf_api.HfApi.create_repo", _refused)
    with pytest.raises(AnnotationError, match="creating the repository failed: refused"):
        push_folder(folder, "org/name", None, private=False, gated=False)


def _refused(*_: Any, **__: Any) -> Any:
    raise httpx2.ConnectError("refused")


def test_the_card_says_where_the_set_is_and_the_checksums_still_hold(folder: Path, asked: list[Any]) -> None:
    (folder / "README.md").write_text('load_dataset("DIR", "objectqa")\nQREAL_DATA=DIR qreal eval')
    write_checksums(folder)
    push_folder(folder, "org/name", None, private=False, gated=False)
    assert (folder / "README.md").read_text() == 'load_dataset("org/name", "objectqa")\nQREAL_DATA=org/name qreal eval'
    check_checksums(folder)


@pytest.mark.parametrize(
    ("repository", "tag"), [("not a name", None), ("name", None), ("org/name", "v 1"), ("org/name", "")]
)
def test_names_are_looked_at_before_any_work(tmp_path: Path, repository: str, tag: str | None) -> None:
    options = ["--push", repository, *([] if tag is None else ["--tag", tag])]
    done = CliRunner().invoke(annotate_app, ["publish", str(tmp_path / "none"), str(tmp_path / "set"), *options])
    assert done.exit_code == 1
    assert "not a name of a" in " ".join(done.output.split())


def test_open_and_without_tag(folder: Path, asked: list[Any]) -> None:
    push_folder(folder, "org/name", None, private=False, gated=False)
    assert [name for name, _, _ in asked] == ["create_repo", "upload_folder"]


def test_nothing_that_is_not_whole_is_uploaded(folder: Path, asked: list[Any]) -> None:
    (folder / "README.md").write_text("Another card.")
    with pytest.raises(AnnotationError, match="was changed since it was written"):
        push_folder(folder, "org/name", None, private=False, gated=False)
    assert asked == []


def test_offline_it_says_how_to_go_on_and_the_folder_stays(folder: Path) -> None:
    """The real library, without network."""
    done = CliRunner().invoke(annotate_app, ["push", str(folder), "org/name", "--tag", "v1.0", "--private"])
    said = " ".join(done.output.split())
    assert done.exit_code == 1
    assert "creating the repository failed" in said
    assert "org/name --tag v1.0 --private`" in said
    assert (folder / "README.md").read_text() == "A card."


def test_a_name_that_is_none() -> None:
    with pytest.raises(AnnotationError, match="not a name"):
        check_hub_names("not a name", None)
