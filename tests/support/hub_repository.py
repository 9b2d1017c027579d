"""One repository of ``hub_server``: commits, branches and tags, and who may read it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LARGE = ".parquet"
"""How the names of files end that the hub takes as large ones."""


@dataclass(frozen=True)
class HubFile:
    """A file of a commit."""

    content: bytes
    is_large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        """What a cache calls it: the hash of a large file, of others git's name."""
        return self.sha256 if self.is_large else self.git_name

    @property
    def git_name(self) -> str:
        """Of a large file that of its pointer."""
        return _git_name(b"version 1\noid sha256:%s\n" % self.sha256.encode() if self.is_large else self.content)

    def describe(self, path: str) -> dict[str, Any]:
        """As ``tree`` and ``paths-info`` list it."""
        listed = {"type": "file", "path": path, "size": len(self.content), "oid": self.git_name}
        large = {"lfs": {"oid": self.sha256, "size": len(self.content), "pointerSize": 130}}
        return listed | (large if self.is_large else {})


@dataclass
class HubRepository:
    """A dataset on the hub."""

    owner: str
    private: bool = False
    gated: str | bool = False
    accepted: set[str] = field(default_factory=set)
    """Who has accepted the terms of a gated one."""
    commits: dict[str, dict[str, HubFile]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._commit({".gitattributes": HubFile(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", False)}, "main")

    def find_commit(self, revision: str) -> str | None:
        """The commit that a branch, a tag or its own name means."""
        named = self.branches.get(revision) or self.tags.get(revision)
        return named or (revision if revision in self.commits else None)

    def may_download(self, user: str | None) -> bool:
        return not self.gated or user == self.owner or user in self.accepted

    def change(self, branch: str, lines: Iterable[Mapping[str, Any]], stored: Mapping[str, bytes]) -> str:
        """Make a commit of what the client sends, line by line; returns its name."""
        files = dict(self.commits[self.branches[branch]])
        for key, value in ((line["key"], line["value"]) for line in lines):
            if key == "file":
                files[value["path"]] = HubFile(base64.b64decode(value["content"]), False)
            elif key == "lfsFile":
                files[value["path"]] = HubFile(stored[value["oid"]], True)
            elif key == "deletedFile":
                del files[value["path"]]
            elif key != "header":
                raise NotImplementedError(key)
        return self._commit(files, branch)

    def describe(self, name: str, commit: str) -> dict[str, Any]:
        """What is said of a dataset."""
        return {
            "_id": "0",
            "id": name,
            "author": self.owner,
            "sha": commit,
            "private": self.private,
            "gated": self.gated,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "lastModified": "2026-01-01T00:00:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "siblings": [{"rfilename": path} for path in self.commits[commit]],
        }

    def list_refs(self) -> dict[str, Any]:
        kinds = {"branches": ("heads", self.branches), "tags": ("tags", self.tags), "converts": ("convert", {})}
        return {
            kind: [{"name": n, "ref": f"refs/{where}/{n}", "targetCommit": commit} for n, commit in found.items()]
            for kind, (where, found) in kinds.items()
        }

    def list_tree(self, commit: str, below: str, recursive: bool) -> list[dict[str, Any]] | None:
        """Files and folders below a path; None where there are none."""
        start = f"{below}/" if below else ""
        listed: dict[str, dict[str, Any]] = {}
        for path, file in sorted(self.commits[commit].items()):
            parts = path.removeprefix(start).split("/")
            if not path.startswith(start):
                continue
            for depth in range(1, len(parts) if recursive else min(2, len(parts))):
                listed |= _folder(start + "/".join(parts[:depth]))
            if recursive or len(parts) == 1:
                listed[path] = file.describe(path)
        return list(listed.values()) if listed or not below else None

    def list_paths(self, commit: str, paths: Iterable[str]) -> list[dict[str, Any]]:
        files = self.commits[commit]
        listed: dict[str, dict[str, Any]] = {}
        for path in (path.strip("/") for path in paths):
            if path in files:
                listed[path] = files[path].describe(path)
            elif any(name.startswith(f"{path}/") for name in files):
                listed |= _folder(path)
        return list(listed.values())

    def _commit(self, files: dict[str, HubFile], branch: str) -> str:
        named = json.dumps([self.branches.get(branch), {path: file.etag for path, file in files.items()}])
        commit = _git_name(named.encode())
        self.commits[commit] = files
        self.branches[branch] = commit
        return commit


def _folder(path: str) -> dict[str, dict[str, Any]]:
    return {path: {"type": "directory", "path": path, "size": 0, "oid": _git_name(path.encode())}}


def _git_name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
