"""Who verifies a run, and where: RUN/verification/workplace.json. It holds tokens, so its owner alone may read it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from annotation.errors import AnnotationError
from annotation.label_studio.client import LabelStudio
from annotation.label_studio.media import FOLDER
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
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True)
class Seat:
    """One annotator's place: an account, on the run's own servers one of a server that nobody else uses."""

    name: str
    url: str
    token: str
    email: str | None = None
    password: str | None = None
    project_id: int | None = None
    adjudicates: bool = False
    """Settles what the others could not."""

    def client(self, timeout_s: float = 120.0) -> LabelStudio:
        """The seat's own account."""
        return LabelStudio(self.url, self.token, self.name, timeout_s)

    @property
    def link(self) -> str:
        """Where the annotator works."""
        return f"{self.url}/projects/{self.project_id}/data?labeling=1"


@dataclass(frozen=True)
class Workplace:
    """All places of a run."""

    run_id: str
    own: bool
    """The servers are the run's own, else a team's."""
    media: str
    """What the address of a picture begins with."""
    adaptive: bool
    """An entity is laid before two people first."""
    seats: tuple[Seat, ...]

    @property
    def annotators(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if not seat.adjudicates)

    @property
    def adjudicator(self) -> Seat | None:
        return next((seat for seat in self.seats if seat.adjudicates), None)

    def with_seat(self, changed: Seat) -> Workplace:
        """The same with the seat of that name in the place of the old one."""
        return replace(self, seats=tuple(changed if seat.name == changed.name else seat for seat in self.seats))


def verification_folder(run: RunFolder) -> Path:
    """RUN/verification, from the root on: servers run in folders of their own."""
    return run.path.resolve() / "verification"


def media_folder(run: RunFolder) -> Path:
    """What servers may show: everything in it, and nothing else."""
    return verification_folder(run) / "media"


def votes_path(run: RunFolder) -> Path:
    return verification_folder(run) / "votes.sqlite"


def run_id_of(run: RunFolder) -> str:
    """Sixteen digits that stand for the inputs of the run; in every task."""
    return hashlib.sha256(run.inputs_digest.encode()).hexdigest()[:16]


def local_media() -> str:
    """Of a server that reads the pictures from its own disk."""
    return f"/data/local-files/?d={FOLDER}/"


def check_names(names: Sequence[str], adjudicator: str | None) -> None:
    """Whether these people can verify a run.

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


def load_workplace(run: RunFolder) -> Workplace:
    """What ``qreal annotate verify start`` has set up.

    Raises:
        AnnotationError: nothing is set up, the file is damaged, or it belongs to other inputs.
    """
    path = _path(run)
    try:
        said = json.loads(read_text(path))
        if said["form"] != _FORM:
            raise ValueError(f"form {said['form']}, expected {_FORM}")
        seats = tuple(Seat(**seat) for seat in said["seats"])
        found = Workplace(said["run_id"], said["own"], said["media"], said["adaptive"], seats)
    except FileNotFoundError:
        raise AnnotationError(
            f"{run.path}: nobody verifies it yet; `qreal annotate verify start {run.path}` sets that up"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnnotationError(f"{path} cannot be read ({describe_error(error)}); put back a copy of it") from None
    if found.run_id != run_id_of(run):
        raise AnnotationError(f"{path} belongs to a run of other inputs; give each run a folder of its own")
    return found


def has_workplace(run: RunFolder) -> bool:
    return _path(run).is_file()


def save_workplace(run: RunFolder, workplace: Workplace) -> None:
    """In one step; only the owner may read it."""
    path = _path(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)  # databases and votes are in it too
    write_whole(path, json.dumps({"form": _FORM, **asdict(workplace)}, indent=2), private=True, sync=True)


def checked_url(url: str) -> str:
    """An address of a server.

    Raises:
        AnnotationError: it is none.
    """
    if not is_plain_address(url):
        raise AnnotationError(f"address {url!r}: expected http(s)://host[:port]")
    return url.rstrip("/")


def checked_token(token: str, name: str) -> str:
    """A token of an account.

    Raises:
        AnnotationError: it cannot be one; the message does not show it.
    """
    if not _TOKEN.fullmatch(token):
        raise AnnotationError(f"the token of {name} is empty, or holds blanks or letters that no token has")
    return token


@contextmanager
def alone(run: RunFolder, what: str) -> Iterator[None]:
    """While the block lasts no other program starts servers or lays entities before people.

    Raises:
        AnnotationError: another one is at it.
    """
    folder = verification_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    taken = AnnotationError(
        f"`qreal annotate verify start` is at work on {run.path}, and pushes by itself what is new; end it before you "
        f"{what}"
    )
    with hold_lock(folder / "lock", taken):
        yield


def _path(run: RunFolder) -> Path:
    return verification_folder(run) / "workplace.json"
