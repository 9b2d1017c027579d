"""What a submission says about itself: ``manifest.json``.

manifest = read_manifest(text)  # Manifest, or a list of what is wrong with it
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from qreal_tasks.benchmark import Style
from qreal_tasks.leaderboard.submission.names import check_board_name, normalize_name
from qreal_tasks.leaf_tasks import Half
from qreal_tasks.text.one_line import first_unseen
from qreal_tasks.text.redaction import Private, find_private, redact

FORMAT = 2
"""Layout of a submission; a reader refuses any other."""

_OF_THIS_PROJECT = """
    detect filter describe merge_adapter dtype device_map attn_implementation min_pixels max_pixels max_patches
    batch_size logprobs top_logprobs image_detail image_format seed temperature
"""
_OF_THE_HARNESS = """
    torch_dtype quantization load_in_4bit load_in_8bit use_flash_attention_2 trust_remote_code chat_template
    conv_template system_prompt reasoning_prompt enable_thinking reasoning_effort max_new_tokens max_tokens max_length
    max_model_len max_num max_dynamic_patch min_image_pixels max_image_size image_first interleave_visuals
    limit_mm_per_prompt mm_processor_kwargs modality top_p top_k do_sample num_beams repetition_penalty
    tensor_parallel_size data_parallel_size
"""
ARGUMENTS = frozenset((_OF_THIS_PROJECT + _OF_THE_HARNESS).split())
"""Arguments of backends that a result may depend on. Others may say where something is, or open it, and stay out."""

_PRIVATE = "private"
"""Type of the error for text that must not be published."""


def _is_plain(text: str) -> str:
    unseen = first_unseen(text.replace("\n", ""))
    if unseen is not None:
        raise ValueError(f"holds U+{ord(unseen):04X}, a control or invisible character; leave it out")
    if redact(text, [Private.KEY]) != text:
        raise PydanticCustomError(_PRIVATE, "{found}", {"found": str(Private.KEY)})
    return text


def _is_one_line(text: str) -> str:
    if "\n" in text:
        raise ValueError("holds a line break; leave it out")
    return text.strip() or _refuse_blank()


def _is_public(text: str) -> str:
    if found := find_private(text):
        raise PydanticCustomError(_PRIVATE, "{found}", {"found": found})
    return text


def _is_as_shown(name: str) -> str:
    """The samples repeat the name, or a hash is over it, so it is not changed here."""
    if (shown := normalize_name(name)) != name:
        raise ValueError(f"has characters that only look like {shown!r}; rename it to that and run it again")
    return name


def _is_known(argument: str) -> str:
    if argument not in ARGUMENTS:
        raise ValueError("is no argument that is published, since it may say where something is; leave it out")
    return argument


def _refuse_blank() -> str:
    raise ValueError("is blank")


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_is_plain), AfterValidator(_is_one_line)]
"""Text of one line that may be shown anywhere, as text."""
Public = Annotated[Line, AfterValidator(_is_public)]
"""A line without a path, an address or a key (``private``)."""
Identity = Annotated[Public, AfterValidator(normalize_name)]
"""What something or somebody is called, as a board shows it (``names``)."""
Argument = Annotated[Line, AfterValidator(_is_known)]
"""Name of an argument of a backend (``ARGUMENTS``)."""
Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_is_plain), AfterValidator(_is_one_line)]
BoardName = Annotated[Name, AfterValidator(check_board_name)]
"""A submission's own name, which no row of the paper is mistaken for (``names``)."""
Words = Annotated[str, Field(max_length=4000), AfterValidator(_is_plain)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal."""
Id = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?-[0-9a-f]{12}$")]
"""A short name and what the samples hash to, ``digest_samples``; safe as a file name and in an address."""


AnyHalf = Annotated[Half, Field(strict=False)]
AnyStyle = Annotated[Style, Field(strict=False)]
"""JSON has no enumerations."""


def _is_past(created: str) -> str:
    try:
        time = datetime.fromisoformat(created)
    except ValueError as error:
        raise ValueError(f"is no date and time ({error}); expected when the run was started") from None
    now = datetime.now(UTC).replace(tzinfo=None)
    if time > now + timedelta(days=1):  # where the zone of the run's clock is not known, a day covers all
        raise ValueError(
            f"lies in the future; expected when the run was started; by the clock here it is {now:%Y-%m-%d} UTC"
        )
    return created


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ShownJudge(BaseModel):
    """What a board shows of a judge's manifest."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: Annotated[Name, AfterValidator(_is_as_shown)]
    model: Annotated[Line, AfterValidator(_is_as_shown)]


def _may_be_shown(judge: dict[str, Any]) -> dict[str, Any]:
    try:
        ShownJudge.model_validate(judge)
    except ValidationError as error:
        raise ValueError("; ".join(_explained(one) for one in error.errors())) from None
    return judge


class Adapter(_Strict):
    """Weights on top of a model."""

    name: Identity
    sha256: Digest | None = None
    """SHA-256 of the adapter's files, when they were there to be read (``model_info.digest_folder``)."""


class ModelInfo(_Strict):
    """What answered."""

    name: Identity
    """Hub id, or the name that a server gives the model; of a folder its last name."""
    revision: Identity | None = None
    adapter: Adapter | None = None
    arguments: dict[Argument, Public] = Field(default_factory=dict, max_length=60)
    """Arguments of the backend that a result may depend on (``ARGUMENTS``)."""


class Backend(_Strict):
    """What ran the model."""

    name: Identity
    harness: Identity | None = None
    """Version of lmms-eval: what the results say, else the one beside which the run was packed."""
    project: Identity
    """Version of this project."""


class DataInfo(_Strict):
    """What was asked."""

    name: Annotated[Public, AfterValidator(_is_as_shown)]
    """``org/name`` or ``org/name@revision`` on the hub; of a folder its last name."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """The hub's commit, when it is known."""
    fingerprints: dict[AnyHalf, Digest] = Field(min_length=1)
    """Half to what its references hash to (``references.fingerprint``): two copies of one set have the same."""


class Cost(_Strict):
    """What the run took, as the submitter says."""

    hardware: Line | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class AnswersFile(_Strict):
    """A file of predictions that answers were read from."""

    name: Public
    sha256: Digest
    rows: Annotated[int, Field(ge=1)]


class AnswersInfo(_Strict):
    """Where the answers came from, when no model was asked by the harness."""

    files: Annotated[list[AnswersFile], Field(min_length=1, max_length=20)]
    missing: Annotated[int, Field(ge=0)] = 0
    """Samples without a prediction, which count as unanswered."""


class FileInfo(_Strict):
    """One file of the submission beside the manifest."""

    path: Annotated[str, Field(max_length=200)]
    sha256: Digest


class SubmissionManifest(_Strict):
    """All that a submission says about itself, beside its samples and scores."""

    format: Literal[2]
    id: Id
    name: BoardName
    """For the board."""
    description: Words = ""
    contact: Annotated[Line, AfterValidator(normalize_name)] | None = None
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"), AfterValidator(_is_past)]
    """When the run was started, by the clock of the harness, which has no zone."""
    halves: Annotated[list[AnyHalf], Field(min_length=1, max_length=2)]
    """What the submission is complete in."""
    model: ModelInfo
    backend: Backend
    data: DataInfo
    prompts: AnyStyle
    """What stood around the questions: numbers of two styles are never ranked together."""
    task_versions: dict[Line, Line]
    prompt_version: Line
    record_version: int
    limit: None
    """A run cut by ``--limit`` is no benchmark result."""
    judge: Annotated[dict[str, Any], AfterValidator(_may_be_shown)] | None = None
    """Manifest of the judge that scored the descriptions (``qreal_tasks.judge.manifest``)."""
    cost: Cost = Cost()
    answers: AnswersInfo | None = None
    """Files that the answers were read from; None where the harness asked the model."""
    files: Annotated[list[FileInfo], Field(max_length=20)]


def read_manifest(content: object) -> SubmissionManifest | list[str]:
    """The manifest in parsed JSON, or every reason why it is none."""
    if not isinstance(content, Mapping):
        return [f"holds {type(content).__name__}, expected an object"]
    if content.get("format") != FORMAT:
        found = f"format is {content.get('format')!r:.40}, expected {FORMAT}"
        return [f"{found}: written by another release; run and pack it with this one"]
    try:
        return SubmissionManifest.model_validate(content)
    except ValidationError as error:
        return explain_errors(error)


def explain_errors(error: ValidationError) -> list[str]:
    """What is wrong with a manifest or a part of it, a line each."""
    return list(dict.fromkeys(_explained(one) for one in error.errors()))


def _explained(error: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"] if part != "[key]") or "manifest"
    if error["type"] == "missing":
        return f"{field} is missing"
    if error["type"] == "extra_forbidden":
        return f"{field} is no field of a manifest; leave it out"
    if error["type"] == _PRIVATE:  # the reasons are published too, so what was found is not repeated
        return f"{field} holds what looks like {error['msg']}; leave it out, or give only the last name of a path"
    if error["loc"] == ("limit",):
        return f"limit is {error['input']!r:.40}: a run cut by --limit is no benchmark result, run it whole"
    return f"{field} is {error['input']!r:.80}: {str(error['msg']).removeprefix('Value error, ')}"
