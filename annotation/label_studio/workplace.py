"""Who verifies a run, and where: RUN/verification/workplace.json. It holds tokens, so its owner alone may read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from annotation.errors import AnnotationError, annotate_command
from annotation.label_studio.client import LabelStudio
from annotation.label_studio.tasks import FOLDER
from annotation.run.folder import RunFolder
from qreal_tasks.files.atomic import write_whole
from qreal_tasks.files.locks import hold_lock
from qreal_tasks.files.regular import read_text
from qreal_tasks.files.system_errors import describe_error
from qreal_tasks.text.addresses import is_plain_address

_FORM = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
MOST = 9
"""Annotators of a run, without the adjudicator."""
LOCAL_MEDIA_URL = f"/data/local-files/?d={FOLDER}/"
"""What the address of a picture begins with on a server that reads the pictures from its own disk."""
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True)
class AnnotatorAccount:
    """One annotator's account; on the run's own servers it is on a server that nobody else uses."""

    name: str
    url: str
    token: str
    email: str | None = None
    password: str | None = None
    project_id: int | None = None
    adjudicates: bool = False
    """Settles what the others could not."""

    def client(self, timeout_s: float = 120.0) -> LabelStudio:
        """A client that uses this account."""
        return LabelStudio(self.url, self.token, self.name, timeout_s)

    @property
    def link(self) -> str:
        """Where the annotator works."""
        return f"{self.url}/projects/{self.project_id}/data?labeling=1"


@dataclass(frozen=True)
class Workplace:
    """Everybody who verifies a run, and the servers on which they do it."""

    run_id: str
    own: bool
    """The servers are the run's own, else a team's."""
    media: str
    """What the address of a picture begins with."""
    adaptive: bool
    """An entity is given to two people first."""
    accounts: tuple[AnnotatorAccount, ...]

    @property
    def annotators(self) -> tuple[AnnotatorAccount, ...]:
        return tuple(account for account in self.accounts if not account.adjudicates)

    @property
    def adjudicator(self) -> AnnotatorAccount | None:
        return next((account for account in self.accounts if account.adjudicates), None)

    def with_account(self, changed: AnnotatorAccount) -> Workplace:
        """A copy in which ``changed`` takes the place of the account of the same name."""
        return replace(
            self, accounts=tuple(changed if account.name == changed.name else account for account in self.accounts)
        )


def media_folder(run: RunFolder) -> Path:
    """The folder of which servers may show everything, and nothing else."""
    return run.verification_path / "media"


def check_annotators(names: Sequence[str], adjudicator: str | None) -> None:
    """Check that these people can verify a run.

    Raises:
        AnnotationError: fewer than two, too many, one twice, or one that cannot be part of an address.
    """
    everybody = [*names, *([] if adjudicator is None else [adjudicator])]
    wrong = [name for name in everybody if not _NAME.fullmatch(name)]
    if wrong:
        raise AnnotationError(f"annotator {wrong[0]!r}: expected small letters, digits, - and _, at most 31")
    if len(set(everybody)) < len(everybody):
        raise AnnotationError(f"annotators {', '.join(everybody)}: a name stands twice")
    if not 2 <= len(names) <= MOST:
        raise AnnotationError(f"{len(names)} annotators, expected two to {MOST}; the paper has three")


def find_workplace(run: RunFolder) -> Workplace | None:
    """Read what ``qreal annotate verify start`` has set up; None where nothing is.

    Raises:
        AnnotationError: the file is damaged, or it belongs to other inputs.
    """
    path = _path(run)
    if not path.is_file():
        return None
    try:
        content = json.loads(read_text(path))
        if content["form"] != _FORM:
            raise ValueError(f"form {content['form']}, expected {_FORM}")
        accounts = tuple(AnnotatorAccount(**account) for account in content["seats"])
        found = Workplace(content["run_id"], content["own"], content["media"], content["adaptive"], accounts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnnotationError(f"{path} cannot be read ({describe_error(error)}); put back a copy of it") from None
    if found.run_id != run.run_id:
        raise AnnotationError(f"{path} belongs to a run of other inputs; give each run a folder of its own")
    return found


def load_workplace(run: RunFolder) -> Workplace:
    """Read the workplace of a run that people verify.

    Raises:
        AnnotationError: as ``find_workplace``, or nothing is set up.
    """
    if (found := find_workplace(run)) is None:
        command = annotate_command("verify", "start", run.path)
        raise AnnotationError(f"{run.path}: nobody verifies it yet; `{command}` sets that up")
    return found


def save_workplace(run: RunFolder, workplace: Workplace) -> None:
    """Write workplace.json in one step; only its owner may read it."""
    path = _path(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)  # databases and votes are in it too
    content = {"form": _FORM, **asdict(workplace)}
    content["seats"] = content.pop("accounts")  # their name in files of earlier versions
    write_whole(path, json.dumps(content, indent=2), private=True, sync=True)


def check_url(url: str) -> str:
    """Check the address of a server and return it without a slash at its end.

    Raises:
        AnnotationError: it is no address of a server.
    """
    if not is_plain_address(url):
        raise AnnotationError(f"address {url!r}: expected http(s)://host[:port]")
    return url.rstrip("/")


def check_token(token: str, name: str) -> str:
    """Check the token of an account and return it.

    Raises:
        AnnotationError: it cannot be a token; the message does not show it.
    """
    if not _TOKEN.fullmatch(token):
        raise AnnotationError(f"the token of {name} is empty, or holds blanks or letters that no token has")
    return token


@contextmanager
def lock_workplace(run: RunFolder, what: str) -> Iterator[None]:
    """Keep other programs from starting servers or pushing tasks while the block lasts.

    Raises:
        AnnotationError: another program is at work.
    """
    folder = run.verification_path
    folder.mkdir(parents=True, exist_ok=True)
    taken = AnnotationError(
        f"`qreal annotate verify start` is at work on {run.path}, and pushes by itself what is new; end it before you "
        f"{what}"
    )
    with hold_lock(folder / "lock", taken):
        yield


def _path(run: RunFolder) -> Path:
    return run.verification_path / "workplace.json"
