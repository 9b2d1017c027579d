"""A server on the loopback interface that speaks as much of the Hugging Face hub's protocol as its own clients use.

    with HubServer() as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": OWNER_TOKEN, "HF_HUB_DISABLE_XET": "1"}

Datasets alone, each in memory. As on the hub, large files lie on another host (here another port) behind a signed
address, a renamed set redirects, and whoever may not see a private set learns no more than that it was not found.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Self
from urllib.parse import parse_qs, unquote, urlencode

from hub_http import Answer, Asked, ServingThreads, answer_content, answer_json, refuse
from hub_repository import LARGE, HubRepository

OWNER_TOKEN, READER_TOKEN = "hf_OwnerOwnerOwnerOwnerOwnerOwner01", "hf_ReaderReaderReaderReaderReader02"
SIGNATURE = "5f1gn4tur3thatnob0dyshallsee"
"""In the addresses of large files: whoever has one can read the file."""

_REPOSITORY = r"(?P<name>[\w.-]+/[\w.-]+?)"


class HubServer:
    """The hub, served in threads of its own until the block is left."""

    def __init__(self) -> None:
        self.repositories: dict[str, HubRepository] = {}
        self.renamed: dict[str, str] = {}
        self.users = {OWNER_TOKEN: "org", READER_TOKEN: "reader"}
        self.stored: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.unknown: list[str] = []
        """Requests for which there is no route: what a client has begun to use."""
        self.instead: Callable[[Asked], Answer | None] = lambda asked: None
        """What to answer in place of what is served."""
        self._routes = {
            ("POST", r"/api/repos/create"): self._create,
            ("GET", r"/api/whoami-v2"): self._whoami,
            ("POST", r"/api/validate-yaml"): lambda asked: answer_json({"errors": [], "warnings": []}),
            ("GET", rf"/api/datasets/{_REPOSITORY}(/revision/(?P<revision>[^/]+))?"): self._info,
            ("GET", rf"/api/datasets/{_REPOSITORY}/refs"): self._refs,
            ("GET", rf"/api/datasets/{_REPOSITORY}/tree/(?P<revision>[^/]+)(/(?P<path>.*))?"): self._tree,
            ("POST", rf"/api/datasets/{_REPOSITORY}/paths-info/(?P<revision>[^/]+)"): self._paths,
            ("PUT", rf"/api/datasets/{_REPOSITORY}/settings"): self._settings,
            ("POST", rf"/api/datasets/{_REPOSITORY}/preupload/(?P<revision>[^/]+)"): self._preupload,
            ("POST", rf"/api/datasets/{_REPOSITORY}/commit/(?P<revision>[^/]+)"): self._commit,
            ("POST", rf"/api/datasets/{_REPOSITORY}/tag/(?P<revision>[^/]+)"): self._tag,
            ("DELETE", rf"/api/datasets/{_REPOSITORY}/tag/(?P<revision>[^/]+)"): self._untag,
            ("POST", rf"/datasets/{_REPOSITORY}\.git/info/lfs/objects/batch"): self._batch,
            ("POST", rf"/datasets/{_REPOSITORY}\.git/info/lfs/verify"): self._verify,
            ("GET", rf"/datasets/{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<path>.+)"): self._resolve,
            ("GET", r"/objects/(?P<oid>[0-9a-f]{64})"): self._fetch,
            ("PUT", r"/objects/(?P<oid>[0-9a-f]{64})"): self._store,
        }
        self._servers = [ServingThreads(self.answer, at_storage) for at_storage in (False, True)]
        self.url, self._storage = (server.url for server in self._servers)

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def rename(self, name: str, to: str) -> None:
        self.repositories[to] = self.repositories.pop(name)
        self.renamed[name] = to

    def answer(self, asked: Asked) -> Answer:
        """Answer as the hub would."""
        self.asked.append(asked)
        if (instead := self.instead(asked)) is not None:
            return instead
        method = "GET" if asked.method == "HEAD" else asked.method
        for (known, pattern), serve in self._routes.items():
            if known == method and (match := re.fullmatch(pattern, asked.path)):
                found = {key: unquote(value or "") for key, value in match.groupdict().items()}
                return self._refused(asked, found.get("name")) or serve(replace(asked, found=found))
        self.unknown.append(f"{asked.method} {asked.path}")
        return refuse(404, "Sorry, we can't find the page you are looking for.")

    def _user(self, asked: Asked) -> str | None:
        return self.users.get(asked.headers.get("Authorization", "").removeprefix("Bearer "))

    def _refused(self, asked: Asked, name: str | None) -> Answer | None:
        """Why whoever asks gets nothing of this repository; None when it may be looked at."""
        given = asked.headers.get("Authorization")
        if given and not self._user(asked):
            return refuse(401, "Invalid credentials in Authorization header")
        if name is None:
            return None
        if name in self.renamed:
            moved = asked.path.replace(f"/{name}", f"/{self.renamed[name]}", 1)
            return Answer(307, b"Temporary Redirect", {"Location": f"{moved}?{urlencode(asked.query, True)}"})
        repository = self.repositories.get(name)
        if repository is None or (repository.private and self._user(asked) != repository.owner):
            if self._user(asked):
                return refuse(404, "Repository not found", "RepoNotFound")
            return refuse(401, "Invalid username or password.", "RepoNotFound")
        if asked.method in ("GET", "HEAD") or self._user(asked) == repository.owner or "paths-info" in asked.path:
            return None
        return refuse(403 if self._user(asked) else 401, f"You have no right to write to {name}")

    def _at(self, asked: Asked) -> tuple[HubRepository, str, Answer | None]:
        """The repository, the commit, and what to answer where there is none."""
        repository = self.repositories[asked.found["name"]]
        revision = asked.found.get("revision") or "main"
        commit = repository.find_commit(revision)
        missing = refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound") if commit is None else None
        return repository, commit or "", missing

    def _create(self, asked: Asked) -> Answer:
        wanted = asked.json()
        user = self._user(asked)
        name = f"{wanted.get('organization') or user}/{wanted['name']}"
        if user is None:
            return refuse(401, "Invalid username or password.")
        if name.partition("/")[0] != user:
            return refuse(403, f"You don't have the rights to create a dataset under {name.partition('/')[0]}")
        there = name in self.repositories
        if not there:
            self.repositories[name] = HubRepository(user, private=wanted.get("visibility") == "private")
        return answer_json({"url": f"{self.url}/datasets/{name}", "name": name}, 409 if there else 200)

    def _whoami(self, asked: Asked) -> Answer:
        if not self._user(asked):
            return refuse(401, "Invalid username or password.")
        return answer_json({"type": "user", "name": self._user(asked), "orgs": [], "auth": {"type": "access_token"}})

    def _info(self, asked: Asked) -> Answer:
        repository, commit, missing = self._at(asked)
        return missing or answer_json(repository.describe(asked.found["name"], commit))

    def _refs(self, asked: Asked) -> Answer:
        return answer_json(self.repositories[asked.found["name"]].list_refs())

    def _tree(self, asked: Asked) -> Answer:
        repository, commit, missing = self._at(asked)
        if missing:
            return missing
        listed = repository.list_tree(commit, asked.found["path"], "true" in asked.query.get("recursive", ()))
        return refuse(404, "Entry not found", "EntryNotFound") if listed is None else answer_json(listed)

    def _paths(self, asked: Asked) -> Answer:
        repository, commit, missing = self._at(asked)
        given = parse_qs(asked.body.decode()).get("paths", ()) if asked.body[:1] != b"{" else asked.json()["paths"]
        return missing or answer_json(repository.list_paths(commit, [given] if isinstance(given, str) else given))

    def _settings(self, asked: Asked) -> Answer:
        repository, settings = self.repositories[asked.found["name"]], asked.json()
        if "visibility" in settings:
            repository.private = settings["visibility"] == "private"
        repository.gated = settings.get("gated", repository.gated)
        return answer_json({})

    def _preupload(self, asked: Asked) -> Answer:
        paths = [file["path"] for file in asked.json()["files"]]
        modes = {path: "lfs" if path.endswith(LARGE) else "regular" for path in paths}
        return answer_json({"files": [{"path": p, "uploadMode": modes[p], "shouldIgnore": False} for p in paths]})

    def _batch(self, asked: Asked) -> Answer:
        verify = f"{self.url}/datasets/{asked.found['name']}.git/info/lfs/verify"
        objects = []
        for one in asked.json()["objects"]:
            actions = {"upload": {"href": self._signed(one["oid"])}, "verify": {"href": verify}}
            objects.append(one if one["oid"] in self.stored else one | {"actions": actions})
        return answer_json({"transfer": "basic", "objects": objects})

    def _verify(self, asked: Asked) -> Answer:
        one = asked.json()
        there = len(self.stored.get(one["oid"], b"")) == one["size"]
        return answer_json({}) if there else refuse(404, "Object not found")

    def _commit(self, asked: Asked) -> Answer:
        repository, _, missing = self._at(asked)
        if missing:
            return missing
        lines = [json.loads(line) for line in asked.body.splitlines()]
        commit = repository.change(asked.found["revision"], lines, self.stored)
        address = f"{self.url}/datasets/{asked.found['name']}/commit/{commit}"
        return answer_json({"success": True, "commitOid": commit, "commitUrl": address, "hookOutput": ""})

    def _tag(self, asked: Asked) -> Answer:
        repository, commit, missing = self._at(asked)
        tag = asked.json()["tag"]
        if missing or tag in repository.tags:
            return missing or refuse(409, f"Tag {tag} already exists")
        repository.tags[tag] = commit
        return answer_json({})

    def _untag(self, asked: Asked) -> Answer:
        del self.repositories[asked.found["name"]].tags[asked.found["revision"]]
        return answer_json({})

    def _resolve(self, asked: Asked) -> Answer:
        repository, commit, missing = self._at(asked)
        if not repository.may_download(self._user(asked)):
            why = (
                "you are not in the authorized list" if self._user(asked) else "you must be authenticated to access it"
            )
            name = asked.found["name"]
            message = f"Access to dataset {name} is restricted and {why}. Visit {self.url}/datasets/{name} to ask."
            return refuse(403 if self._user(asked) else 401, message, "GatedRepo")
        if missing:
            return missing
        file = repository.commits[commit].get(asked.found["path"])
        about = {"X-Repo-Commit": commit}
        if file is None:
            return refuse(404, "Entry not found", "EntryNotFound", **about)
        about |= {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if not file.is_large:
            return answer_content(file.content, asked, about)
        linked = {"X-Linked-Size": str(len(file.content)), "X-Linked-ETag": f'"{file.sha256}"'}
        return Answer(302, b"Found", about | linked | {"Location": self._signed(file.sha256)})

    def _signed(self, oid: str) -> str:
        return f"{self._storage}/objects/{oid}?X-Amz-Signature={SIGNATURE}"

    def _fetch(self, asked: Asked) -> Answer:
        if not asked.at_storage or asked.query.get("X-Amz-Signature") != [SIGNATURE]:
            return refuse(403, "SignatureDoesNotMatch")
        return answer_content(self.stored[asked.found["oid"]], asked, {"ETag": f'"{asked.found["oid"]}"'})

    def _store(self, asked: Asked) -> Answer:
        self.stored[asked.found["oid"]] = asked.body
        return Answer()
