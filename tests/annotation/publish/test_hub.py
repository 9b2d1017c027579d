"""The way to the hub: a published set is pushed by the real client to a server that speaks the hub's protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_http import Answer, Asked, refuse
from hub_server import OWNER_TOKEN, READER_TOKEN, SIGNATURE, HubServer
from hub_user import HubUser
from huggingface_hub import HfApi
from typer.testing import CliRunner
from verified_run import write_verified_run

from annotation.commands import annotate_app
from annotation.errors import AnnotationError
from annotation.publish.checksums import check_checksums, write_checksums
from annotation.publish.hub import check_hub_names
from annotation.publish.publish import PublishOptions, publish
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.schema import CONFIGS, SPLITS
from qreal_tasks.dataset.source import locate

pytestmark = pytest.mark.slow

SECRETS = (OWNER_TOKEN, READER_TOKEN, SIGNATURE)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight drawn scenes, verified, merged and published; not to be changed."""
    folder = tmp_path_factory.mktemp("published")
    return publish(write_verified_run(folder / "run", 8), folder / "set", PublishOptions(repository="org/set")).folder


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server
    assert server.unknown == []


@pytest.fixture
def owner(hub: HubServer, tmp_path: Path) -> HubUser:
    return HubUser(hub.url, tmp_path / "owner", OWNER_TOKEN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A card and one large file."""
    found = tmp_path / "set"
    (found / "data").mkdir(parents=True)
    (found / "README.md").write_text("A card.")
    (found / "data" / "old.parquet").write_bytes(b"large")
    write_checksums(found)
    return found


def writes(hub: HubServer) -> list[str]:
    """What was changed on the hub, in order."""
    names = ("create", "settings", "commit", "tag", "objects")
    changes = (asked.path for asked in hub.asked if asked.method in ("POST", "PUT") and "info/lfs" not in asked.path)
    return [found for path in changes if (found := next((name for name in names if f"/{name}" in path), None))]


def test_a_published_set_is_pushed_private_gated_and_tagged_and_read_back(
    published: Path, hub: HubServer, owner: HubUser, tmp_path: Path
) -> None:
    status, result = owner.qreal("annotate", "push", published, "org/set", "--tag", "v1.0", "--private", "--gated")
    assert (status, result) == (0, "")
    repository = hub.repositories["org/set"]
    assert (repository.private, repository.gated) == (True, "auto")
    assert repository.tags == {"v1.0": repository.branches["main"]}
    done = writes(hub)
    assert done[:2] == ["create", "settings"]  # so that nobody sees a file of it before
    assert done[2:-3] == ["objects"] * 6
    assert done[-3:] == ["commit", "commit", "tag"]  # eval.yaml by itself
    files = repository.commits[repository.tags["v1.0"]]
    here = {path.relative_to(published).as_posix(): path for path in published.rglob("*") if path.is_file()}
    assert {path: file.content for path, file in files.items()} == {
        ".gitattributes": files[".gitattributes"].content,
        **{name: path.read_bytes() for name, path in here.items()},
    }
    assert all(file.is_large is path.endswith(".parquet") for path, file in files.items())
    reader = HubUser(hub.url, tmp_path / "reader", OWNER_TOKEN)
    assert reader.qreal("data", "check", "org/set@v1.0") == (0, "")
    with reader.here():
        for config, split in ((config, split) for config in CONFIGS for split in SPLITS):
            expected = load_split(locate(str(published)), config, split)
            assert load_split(locate("org/set"), config, split).to_list() == expected.to_list()


def test_a_hub_that_refuses_eval_yaml_gets_all_else(published: Path, hub: HubServer, owner: HubUser) -> None:
    def choose(asked: Asked) -> Answer | None:
        unwanted = "/commit/" in asked.path and b'"eval.yaml"' in asked.body
        return refuse(400, "no such framework") if unwanted else None

    hub.instead = choose
    status, result = owner.qreal("annotate", "push", published, "org/set", "--tag", "v1.0")
    assert (status, "all but eval.yaml is there" in result, "no such framework" in result) == (0, True, True)
    repository = hub.repositories["org/set"]
    assert repository.tags == {"v1.0": repository.branches["main"]}
    assert "eval.yaml" not in repository.commits[repository.tags["v1.0"]]


def answering(at: str, answer: Answer) -> Callable[[Asked], Answer | None]:
    """To answer requests of one kind so."""
    return lambda asked: answer if re.search(at, asked.path) else None


STEPS = {  # what the path of a request holds, and what it is for
    "repos/create": "creating the repository",
    "/refs": "looking for tags",
    "/settings": "asking for access requests",
    "/preupload/": "uploading",
    "/lfs/objects/batch": "uploading",
    "^/objects/": "uploading",
    "/lfs/verify": "uploading",
    "/commit/": "uploading",
    "/tag/": "tagging it v1",
}


@pytest.mark.parametrize("at", STEPS)
def test_a_failure_at_any_step_is_one_line_and_pushing_again_goes_on(
    at: str, folder: Path, hub: HubServer, owner: HubUser
) -> None:
    words = ("annotate", "push", folder, "org/set", "--tag", "v1", "--private")
    answers = {
        "the hub forbids it (403: not for you)": refuse(403, "not for you"),
        "the hub has been asked too often (429: slowly); try again in 7 seconds": refuse(
            429, "slowly", Retry_After="7"
        ),
        "the hub has trouble of its own (503: busy); try again later": refuse(503, "busy"),
        "the connection to the hub was cut off": Answer(200, b"{" + b" " * 99, cut=10),
    }
    for expected, answer in answers.items():
        hub.stored.clear()  # what is there need not be sent again
        hub.instead = answering(at, answer)
        status, result = owner.qreal(*words)
        line = result.splitlines()[-1]
        assert status == 1
        assert line.startswith(f"qreal annotate push: org/set: {STEPS[at]}")
        assert expected in line
        assert line.endswith(f"push it again with `qreal annotate push {folder} org/set --tag v1 --private`")
        assert "Traceback" not in result
        assert not any(secret in result for secret in SECRETS)
    assert set(owner.waited) <= {1, 2, 4, 8}  # before the client itself tried again: 8 is what Retry-After says, and 1
    repository = hub.repositories.get("org/set")
    assert repository is None or repository.tags == {}
    hub.instead = lambda asked: None
    assert owner.qreal(*words)[0] == 0
    repository = hub.repositories["org/set"]
    assert len(repository.commits[repository.tags["v1"]]) == 4


def test_who_may_not_write_is_told_why(folder: Path, hub: HubServer, tmp_path: Path) -> None:
    tokens = {
        None: "log in with `hf auth login` or set HF_TOKEN",
        "hf_nobodysnobodysnobodysnobodys0": "does not take the token (401: Invalid credentials",
        READER_TOKEN: "forbids it (403: You don't have the rights to create a dataset under org)",
    }
    for number, (token, expected) in enumerate(tokens.items()):
        status, result = HubUser(hub.url, tmp_path / str(number), token).qreal("annotate", "push", folder, "org/name")
        assert (status, len(result.splitlines())) == (1, 1)
        assert expected in result
        assert token is None or token not in result
    assert hub.repositories == {}


def test_a_tag_that_is_taken_is_said_before_anything_is_uploaded(folder: Path, hub: HubServer, owner: HubUser) -> None:
    assert owner.qreal("annotate", "push", folder, "org/name", "--tag", "v0.9")[0] == 0
    hub.asked.clear()
    status, result = owner.qreal("annotate", "push", folder, "org/name", "--tag", "v0.9")
    assert (status, result) == (
        1,
        "qreal annotate push: org/name has a tag v0.9 already; give another --tag, or delete that one there\n",
    )
    assert writes(hub) == ["create"]


def test_a_second_push_takes_away_what_is_no_longer_there(folder: Path, hub: HubServer, owner: HubUser) -> None:
    owner.push(folder, "org/name")
    with owner.here():
        HfApi().upload_file(
            path_or_fileobj=b"theirs", path_in_repo="notes.txt", repo_id="org/name", repo_type="dataset"
        )
    (folder / "data" / "old.parquet").rename(folder / "data" / "new.parquet")
    commit = owner.push(folder, "org/name")
    files = {".gitattributes", "README.md", "SHA256SUMS", "data/new.parquet", "notes.txt"}
    assert set(hub.repositories["org/name"].commits[commit]) == files


def test_the_card_says_where_the_set_is_and_the_checksums_still_hold(
    folder: Path, hub: HubServer, owner: HubUser
) -> None:
    (folder / "README.md").write_text('load_dataset("DIR", "objectqa")\nQREAL_DATA=DIR qreal eval')
    owner.push(folder, "org/name")
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


def test_nothing_that_is_not_whole_is_uploaded(folder: Path, hub: HubServer, owner: HubUser) -> None:
    (folder / "README.md").write_text("Another card.")
    status, result = owner.qreal("annotate", "push", folder, "org/name")
    assert (status, "was changed since it was written" in result) == (1, True)
    assert hub.asked == []


def test_without_a_hub_it_says_how_to_go_on_and_the_folder_stays(
    folder: Path, hub: HubServer, owner: HubUser, tmp_path: Path
) -> None:
    nobody = HubUser("http://127.0.0.1:9", tmp_path / "home", OWNER_TOKEN)
    for expected, (status, result) in {
        "creating the repository failed: HF_HUB_OFFLINE is set; unset it. ": owner.qreal(
            "annotate", "push", folder, "org/name", "--private", offline=True
        ),
        "the hub cannot be reached": nobody.qreal("annotate", "push", folder, "org/name", "--private"),
    }.items():
        assert (status, expected in result) == (1, True)
        assert result.endswith(f"push it again with `qreal annotate push {folder} org/name --private`\n")
    assert (folder / "README.md").read_text() == "A card."


def test_a_name_that_is_none() -> None:
    with pytest.raises(AnnotationError, match="not a name"):
        check_hub_names("not a name", None)
