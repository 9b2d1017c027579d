"""A set of the hub, from an empty cache, over the real clients, from a server that speaks the hub's protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from hub_http import Answer, Asked, refuse
from hub_server import OWNER_TOKEN, READER_TOKEN, SIGNATURE, HubServer
from hub_user import HubUser
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download
from small_set import small_rows, write_hub_layout

from qreal_tasks.dataset.check import check_dataset, count_split
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.leaderboard.submission.references import load_references

pytestmark = pytest.mark.slow

NEW_USER = Callable[..., HubUser]
FILES = 4
"""Large files of the set."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A hub with the set ``org/open``, tagged v1, and the same with one test image less as its newest commit; and sets
    that are private, gated and renamed."""
    folder = tmp_path_factory.mktemp("pushed")
    rows = small_rows()
    first = write_hub_layout(folder / "first", rows)
    last = rows["imageqa"]["test"].pop()["image_id"]
    rows["objectqa"]["test"] = [row for row in rows["objectqa"]["test"] if row["image_id"] != last]
    second = write_hub_layout(folder / "second", rows)
    with HubServer() as server:
        owner = HubUser(server.url, folder / "owner", OWNER_TOKEN)
        owner.push(first, "org/open", "--tag", "v1")
        owner.push(second, "org/open")
        owner.push(first, "org/private", "--private")
        owner.push(first, "org/gated", "--gated")
        owner.push(first, "org/old")
        server.rename("org/old", "org/new")
        yield server
        assert server.unknown == []


@pytest.fixture
def hub(served: HubServer) -> Iterator[HubServer]:
    served.asked.clear()
    yield served
    served.instead = lambda asked: None


@pytest.fixture
def new_user(hub: HubServer, tmp_path: Path) -> NEW_USER:
    """Make somebody with an empty home and perhaps a token."""
    homes = (tmp_path / str(number) for number in range(100))
    return lambda token=None: HubUser(hub.url, next(homes), token)


def refused(user: HubUser, name: str, offline: bool = False) -> str:
    """The one line with which looking at a set ends, without what the client says while it tries again."""
    status, result = user.qreal("data", "info", name, offline=offline)
    line = result.splitlines()[-1]
    assert status == 1
    assert line.startswith(f"qreal data info: {name} (hub): ")
    assert "Traceback" not in result
    assert not any(secret in result for secret in (user.token or SIGNATURE, SIGNATURE))
    return line.removeprefix(f"qreal data info: {name} (hub): ")


def images(user: HubUser, name: str, offline: bool = False) -> int:
    with user.here(offline):
        return count_split(locate(name), "test").images


def bodies(hub: HubServer) -> list[str]:
    """Which large files were sent."""
    return [asked.path.rpartition("/")[2] for asked in hub.asked if asked.at_storage]


def test_each_name_is_its_commit_from_an_empty_cache(hub: HubServer, new_user: NEW_USER) -> None:
    repository = hub.repositories["org/open"]
    commits = {"v1": repository.tags["v1"], "main": repository.branches["main"]}
    for name, count, commit in (
        ("org/open", 2, commits["main"]),
        ("org/open@v1", 3, commits["v1"]),
        (f"org/open@{commits['v1']}", 3, commits["v1"]),
    ):
        user = new_user()
        assert user.qreal("data", "check", name) == (0, "")
        assert user.qreal("data", "info", name) == (0, "")
        assert images(user, name) == images(user, name, offline=True) == count
        with user.here():
            assert load_references(name).commit == locate(name).commit == commit


def test_files_are_sent_once_and_the_token_stays_with_the_hub(hub: HubServer, new_user: NEW_USER) -> None:
    user = new_user(OWNER_TOKEN)
    for _ in range(2):
        assert images(user, "org/private") == 3
    assert len(bodies(hub)) == FILES
    assert {"Authorization" in asked.headers for asked in hub.asked if asked.at_storage} == {False}
    assert {asked.headers.get("Authorization") for asked in hub.asked if not asked.at_storage} == {
        f"Bearer {OWNER_TOKEN}"
    }


def test_the_hubs_own_client_finds_its_way(hub: HubServer, new_user: NEW_USER) -> None:
    """What the server is asked beside that by others that use it."""
    about: dict[str, Any] = {"repo_id": "org/private", "repo_type": "dataset"}
    table, whole = "data/imageqa/test-00000-of-00001.parquet", hub.repositories["org/private"]
    content = whole.commits[whole.branches["main"]][table].content
    with new_user(OWNER_TOKEN).here():
        api, files = HfApi(), HfFileSystem(skip_instance_cache=True)
        assert api.whoami()["name"] == "org"
        assert api.repo_exists(**about)
        assert [api.file_exists(**about, filename=name) for name in (table, "none")] == [True, False]
        assert [api.revision_exists(**about, revision=name) for name in ("main", "v9")] == [True, False]
        assert {one.path for one in api.list_repo_tree(**about, path_in_repo="data")} == {
            "data/imageqa",
            "data/objectqa",
        }
        (found,) = api.get_paths_info(**about, paths=[table])
        assert (found.path, getattr(found, "size", None)) == (table, len(content))
        with files.open(f"datasets/org/private/{table}", block_size=1000) as file:
            file.seek(500)
            assert file.read(200) == content[500:700]
    ranges = [asked.headers["Range"] for asked in hub.asked if "Range" in asked.headers]
    assert ranges
    with new_user().here():
        assert not HfApi().repo_exists(**about)


def test_datasets_alone_loads_what_was_pushed(hub: HubServer, new_user: NEW_USER) -> None:
    with new_user(OWNER_TOKEN).here():
        for config in ("objectqa", "imageqa"):
            loaded = load_dataset("org/private", config, split="test")
            assert loaded.to_list() == load_split(locate("org/open@v1"), config, "test").to_list()
        assert len(load_dataset("org/open", "imageqa", split="test")) == 2
        assert len(load_dataset("org/open", "imageqa", split="test", revision="v1")) == 3


def test_a_renamed_set_is_found_and_its_new_name_said(hub: HubServer, new_user: NEW_USER) -> None:
    user = new_user()
    result = "org/old is called org/new on the hub now; name it so\n"
    assert user.qreal("data", "check", "org/old") == (0, result)
    assert user.qreal("data", "check", "org/new") == (0, "")
    assert images(user, "org/old", offline=True) == 3


def test_a_tag_that_is_moved_is_another_commit_from_then_on(hub: HubServer, new_user: NEW_USER) -> None:
    about: dict[str, Any] = {"repo_id": "org/open", "repo_type": "dataset"}
    with new_user(OWNER_TOKEN).here():
        HfApi().create_tag(**about, tag="moving", revision="v1")
        user = new_user()
        assert images(user, "org/open@moving") == 3
        HfApi().delete_tag(**about, tag="moving")
        HfApi().create_tag(**about, tag="moving")
    assert images(user, "org/open@moving", offline=True) == 3
    assert images(user, "org/open@moving") == 2
    assert images(user, "org/open@moving", offline=True) == 2
    assert images(user, "org/open@v1", offline=False) == 3


REFUSED = {
    "private, no token": (
        None,
        "org/private",
        r"the hub knows no such dataset, or hides it, as a private one \(401: Invalid username or password\.\); check "
        r"the name; if it is private, log in with `hf auth login` or set HF_TOKEN",
    ),
    "private, another's token": (
        READER_TOKEN,
        "org/private",
        r"the hub knows no such dataset, .* \(404: Repository not found\); check the name; if it is private, the "
        r"account of the token must be given access",
    ),
    "no such set": (READER_TOKEN, "org/none", r"the hub knows no such dataset, .* \(404: Repository not found\); .*"),
    "no such set, no token": (None, "org/none", r"the hub knows no such dataset, .* \(401: .*"),
    "a token that is none": (
        "hf_nobodysnobodysnobodysnobodys0",
        "org/open",
        r"the hub does not take the token \(401: Invalid credentials in Authorization header\); log in anew with `hf "
        r"auth login`, or mend or unset HF_TOKEN",
    ),
    "gated, no token": (
        None,
        "org/gated",
        r"it is gated: .* \(401: Access to dataset org/gated is restricted .*\); log in with `hf auth login` or set "
        r"HF_TOKEN, and accept its terms at http://[\d.:]+/datasets/org/gated",
    ),
    "gated, terms not accepted": (
        READER_TOKEN,
        "org/gated",
        r"it is gated: .* \(403: Access to dataset org/gated is restricted .*\); accept its terms at "
        r"http://[\d.:]+/datasets/org/gated with the account of the token",
    ),
    "no such revision": (
        None,
        "org/open@v9",
        r"the hub knows no revision v9 of it \(404: Invalid rev id: v9\); spell it as a branch, a tag or a commit of "
        r"http://[\d.:]+/datasets/org/open",
    ),
    "no such commit": (None, f"org/open@{'a' * 40}", r"the hub knows no revision a{40} of it \(404: .*"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_hub_refuses_is_one_line_with_what_to_do(case: str, hub: HubServer, new_user: NEW_USER) -> None:
    token, name, expected = REFUSED[case]
    user = new_user(token)
    line = refused(user, name)
    assert re.fullmatch(expected, line), line
    assert user.qreal("eval", "--model", "dummy", "--tasks", "qreal_objectqa", data=name) == (
        1,
        f"qreal eval: {name} (hub): {line}\n",
    )
    assert len(line) < 500
    assert bodies(hub) == []


def test_terms_that_are_accepted_later_open_the_set(hub: HubServer, new_user: NEW_USER) -> None:
    user = new_user(READER_TOKEN)
    assert "it is gated" in refused(user, "org/gated")
    assert "HF_HUB_OFFLINE is set" in refused(user, "org/gated", offline=True)
    hub.repositories["org/gated"].accepted.add("reader")
    try:
        assert images(user, "org/gated") == 3
    finally:
        hub.repositories["org/gated"].accepted.clear()


TROUBLE = {
    "429": (
        refuse(429, "slow down", Retry_After="7"),
        "the hub has been asked too often (429: slow down); try again in 7 seconds; with a token it gives more: log in "
        "with `hf auth login` or set HF_TOKEN",
    ),
    "429 with a limit": (
        refuse(429, "slow down", RateLimit='"resolvers";r=0;t=7'),
        "the hub has been asked too often (429: slow down); try again in 7 seconds; with a token it gives more: log in "
        "with `hf auth login` or set HF_TOKEN",
    ),
    "500": (refuse(500, "oh no"), "the hub has trouble of its own (500: oh no); try again later"),
    "503": (refuse(503, "busy"), "the hub has trouble of its own (503: busy); try again later"),
}
KEPT = "; files that came whole are not loaded again"


@pytest.mark.parametrize("status", TROUBLE)
@pytest.mark.parametrize("at", ["/api/", "/tree/", "/resolve/", "/objects/"])
def test_trouble_of_the_hub_is_one_line_and_a_later_run_goes_on(
    at: str, status: str, hub: HubServer, new_user: NEW_USER
) -> None:
    answer, expected = TROUBLE[status]
    is_of_data = at in ("/resolve/", "/objects/")
    hub.instead = lambda asked: answer if at in asked.path and not asked.path.endswith("README.md") else None
    user = new_user()
    assert refused(user, "org/open") == expected + (KEPT if is_of_data else "")
    assert set(user.waited) <= {1, 2, 4, 8}  # as long as Retry-After says, and a second
    if status.startswith("429") and at != "/api/":
        assert set(user.waited) == {8}
    assert "HF_HUB_OFFLINE is set" in refused(user, "org/open", offline=True)
    hub.instead = lambda asked: None
    assert images(user, "org/open") == 2


@pytest.mark.parametrize("status", [*TROUBLE, "refused", "unreachable"])
def test_with_the_set_in_the_cache_it_goes_on_and_says_so(status: str, hub: HubServer, new_user: NEW_USER) -> None:
    user = new_user()
    assert images(user, "org/open@v1") == 3
    hub.instead = lambda asked: refuse(404, "Repository not found", "RepoNotFound")
    if status in TROUBLE:
        hub.instead = lambda asked: TROUBLE[status][0]
    if status == "unreachable":
        user = replace(user, url="http://127.0.0.1:9")
    ended, result = user.qreal("data", "check", "org/open@v1")
    commit = hub.repositories["org/open"].tags["v1"]
    assert (ended, len(result.splitlines())) == (0, 1)
    assert result.startswith("org/open: the hub ")
    assert result.endswith(f"; going on with commit {commit[:12]}, as it was loaded before\n")
    assert user.qreal("data", "check", "org/open@v1", offline=True) == (0, "")  # as the user wants it
    assert user.qreal("data", "check", f"org/open@{commit}") == (0, "")  # a commit never changes


def cutting(hub: HubServer, times: float) -> Callable[[Asked], Answer | None]:
    """Cut off so many downloads in the middle."""
    left = [times]

    def cut(asked: Asked) -> Answer | None:
        if not asked.at_storage or left[0] <= 0:
            return None
        left[0] -= 1
        hub.instead = lambda _: None
        whole = hub.answer(asked)
        hub.instead = cut
        return replace(whole, cut=len(whole.body) // 2)

    return cut


def test_a_download_that_is_cut_once_is_gone_on_with(hub: HubServer, new_user: NEW_USER) -> None:
    hub.instead = cutting(hub, 1)
    user = new_user()
    assert images(user, "org/open") == 2
    assert user.waited == [1]


def test_a_download_that_is_always_cut_leaves_no_half_set(hub: HubServer, new_user: NEW_USER) -> None:
    hub.instead = cutting(hub, float("inf"))
    user = new_user()
    line = refused(user, "org/open")
    assert line.startswith("the connection to the hub was cut off (peer closed connection without sending complete")
    assert line.endswith(f"; try again later{KEPT}")
    assert "HF_HUB_OFFLINE is set" in refused(user, "org/open", offline=True)
    assert list(user.home.rglob("*.incomplete")) == []

    one = next(iter(hub.stored))
    hub.instead = lambda asked: refuse(503, "busy") if asked.at_storage and one not in asked.path else None
    assert refused(user, "org/open").endswith(KEPT)
    whole = {path.name for path in user.home.rglob("blobs/*") if path.name in hub.stored}
    hub.instead = lambda asked: None
    hub.asked.clear()
    assert images(user, "org/open") == 2
    assert len(bodies(hub)) == FILES - len(whole)
    assert whole.isdisjoint(bodies(hub))


def test_single_files_that_others_put_into_the_cache_are_no_set(hub: HubServer, new_user: NEW_USER) -> None:
    user = new_user()
    commit = hub.repositories["org/open"].branches["main"]
    with user.here():
        for name in ("README.md", "data/imageqa/test-00000-of-00001.parquet"):
            hf_hub_download("org/open", name, repo_type="dataset")
    for offline in (True, False):
        hub.instead = lambda asked: refuse(503, "busy")
        for command in ("info", "check"):
            status, result = user.qreal("data", command, "org/open", offline=offline)
            assert status == 1
            assert result.splitlines()[-1].endswith(
                f"commit {commit} has no such data, or only a part of it is in the cache; bring the rest with "
                f"`hf download --repo-type dataset org/open --revision {commit}`"
            )
    hub.instead = lambda asked: None
    with user.here():
        assert check_dataset(locate("org/open")) == []


def test_a_repository_without_a_set_says_so(hub: HubServer, new_user: NEW_USER) -> None:
    with new_user(OWNER_TOKEN).here():
        HfApi().create_repo("org/empty", repo_type="dataset", exist_ok=True)
    status, result = new_user().qreal("data", "info", "org/empty")
    assert (status, "has no such data" in result) == (1, True)
