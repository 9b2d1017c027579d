"""Forecast of what is left to ask, in calls, tokens and dollars, before it is asked.

Where the stages before are done, the very requests are counted. Where they are not, their number follows from what the
run has shown so far, and before it has shown anything, from ``expected`` in the config; the basis is always named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from annotation.config import AnnotationConfig
from annotation.llm.calls import CallRecord, Spent
from annotation.llm.prompts import load_prompt
from annotation.llm.replies import Form
from annotation.llm.request import ModelRequest
from annotation.llm.tokens import Tokens, image_tokens, shown_size
from annotation.run.chain import AFTER, STAGES, is_asked, stage_prompt
from annotation.run.folder import RunFolder
from annotation.run.portrait_list import load_portrait_ids
from annotation.run.schemas import State
from annotation.stages.plans import PLANS
from qreal_tasks.llm.batch.limits import PRICE_FACTOR
from qreal_tasks.shards import parquet_files as parquet

_COUNTED_SHARDS = 64
"""How many shards are counted request by request; of more, that many spread over all stand for the rest."""


@dataclass(frozen=True)
class Forecast:
    """What is left to ask in one stage."""

    stage: str
    calls: float
    tokens: Tokens
    cost_usd: float | None
    """None when the config names no prices."""
    calls_basis: str
    tokens_basis: str


@dataclass(frozen=True)
class _Seen:
    """What the run has shown so far, as far as it has shown enough to be trusted."""

    entities_per_image: float | None
    people_per_image: float | None
    """People in an image; with a list of portraits, in an image of the list."""
    merges_per_person: float | None
    spent: Mapping[str, Spent]


def forecast(run: RunFolder, shards: Sequence[int], batch: bool = False) -> list[Forecast]:
    """Forecast what is left to ask in each language-model stage over ``shards``, in their order."""
    with CallRecord(run.calls_path) as calls:
        seen = _look_back(run, shards, calls)
        asked = [stage for stage in STAGES if is_asked(stage, run.config)]
        return [_forecast_stage(run, stage, run.pending(stage, shards), seen, calls, batch) for stage in asked]


def _forecast_stage(
    run: RunFolder, stage: str, pending: Sequence[int], seen: _Seen, calls: CallRecord, batch: bool
) -> Forecast:
    config = run.config
    before = [earlier for earlier in AFTER[stage] if earlier != "intake"]  # asked for intake, all of it is done
    ready = [shard for shard in pending if all(run.is_done(earlier, shard) for earlier in before)]
    blocked = sorted(set(pending) - set(ready))
    n_calls, tokens = _count_requests(run, stage, ready, calls)
    basis = "counted" if ready else ""
    if blocked:
        listed = load_portrait_ids(run) if stage in ("parts", "merge") else None
        per_image, guessed = _calls_per_image(stage, config, seen, listed is not None)
        more = _count_images(run, blocked, listed) * per_image
        n_calls += more
        tokens += _tokens_a_call(stage, run) * more
        basis = f"{basis}, {guessed}" if basis else guessed
    tokens_basis = "computed"
    spent = seen.spent.get(stage)
    if spent is not None and spent.calls >= config.expected.trusted_after:
        tokens = Tokens(spent.prompt_tokens / spent.calls, spent.completion_tokens / spent.calls) * n_calls
        tokens_basis = f"as in {spent.calls} calls"
    prices = config.language_model.prices
    cost = None
    if prices is not None:
        factor = PRICE_FACTOR if batch else 1.0
        cost = factor * (tokens.prompt * prices.input + tokens.completion * prices.output) / 1e6
    return Forecast(stage, n_calls, tokens, cost, basis or "nothing left", tokens_basis)


def _count_requests(run: RunFolder, stage: str, ready: Sequence[int], calls: CallRecord) -> tuple[float, Tokens]:
    step = max(1, len(ready) // _COUNTED_SHARDS)
    looked_at = ready[::step]
    expected = run.config.expected
    found, tokens = 0, Tokens()
    for shard in looked_at:
        requests = [task.request for task in PLANS[stage](run, shard) if task.request is not None]
        keys = {request.key: request for request in requests}
        kept = calls.get_many(keys)
        for key, request in keys.items():
            if key not in kept:
                found += 1
                tokens += request.estimate(expected.characters_a_token, expected.output_tokens[stage])
    scale = len(ready) / len(looked_at) if looked_at else 0.0
    return found * scale, tokens * scale


def _calls_per_image(stage: str, config: AnnotationConfig, seen: _Seen, listed: bool) -> tuple[float, str]:
    """How many calls an image takes, and how that is known. Images of a list of portraits hold a person each."""
    expected, image = config.expected, "a listed image" if listed else "an image"
    if stage == "entities":
        return 1.0, "counted"
    if stage in ("judgment", "quality"):
        measured, taken = seen.entities_per_image, expected.entities_per_image
    else:
        measured, taken = seen.people_per_image, 1.0 if listed else expected.portraits_per_image
        if stage == "parts" and not config.portraits.enabled:
            return 0.0, "disabled"
        if stage == "merge" and measured is not None and seen.merges_per_person is not None:
            measured *= seen.merges_per_person
    if measured is None:
        return taken, f"expected {taken:g} {image}"
    return measured, f"{measured:.2f} {image} so far"


def _tokens_a_call(stage: str, run: RunFolder) -> Tokens:
    """Tokens of a call whose item is not known yet: the prompt's length, and pictures of the expected size."""
    config = run.config
    expected, prompt = config.expected, load_prompt(stage_prompt(stage, config).name)
    form = Form(stage, stage_prompt(stage, config).max_tokens)
    text = ModelRequest(config.language_model, form, "", prompt.title, prompt.system, prompt.user)
    found = text.estimate(expected.characters_a_token, expected.output_tokens[stage])
    if stage == "merge":
        return found
    crop_view, whole_view = config.pictures.crop, config.pictures.whole
    pictures = image_tokens(*shown_size(*expected.crop_px, crop_view), crop_view.detail)
    if stage != "quality":
        table = parquet.read_table(run.manifest_path, ["width", "height", "state"]).to_pylist()
        sizes = [(row["width"], row["height"]) for row in table if row["state"] == State.DONE][:1000]
        whole = [image_tokens(*shown_size(*size, whole_view), whole_view.detail) for size in sizes]
        pictures += round(sum(whole) / max(1, len(whole)))
    return found + Tokens(pictures)


def _look_back(run: RunFolder, shards: Sequence[int], calls: CallRecord) -> _Seen:
    done = [shard for shard in shards if run.is_done("detection", shard)]
    images = _count_images(run, done)
    if images < run.config.expected.trusted_after:
        return _Seen(None, None, None, calls.spent())
    rows = [row for shard in done for row in run.read("detection", shard, ["image_id", "state", "is_person"])]
    boxes = [row for row in rows if row["state"] == State.DONE]
    listed = load_portrait_ids(run)
    people = sum(row["is_person"] and (listed is None or row["image_id"] in listed) for row in boxes)
    portraits = images if listed is None else _count_images(run, done, listed)
    merged = [
        row
        for shard in done
        if run.is_done("merge", shard)
        for row in run.read("merge", shard, ["entity_id", "state"])
        if listed is None or row["entity_id"].rpartition("#")[0] in listed
    ]
    share = sum(row["state"] != State.SKIPPED for row in merged) / len(merged) if merged else None
    return _Seen(len(boxes) / images, people / portraits if portraits else None, share, calls.spent())


def _count_images(run: RunFolder, shards: Sequence[int], among: Collection[str] | None = None) -> int:
    """Count the annotated images of the shards; with ``among`` those of these ids."""
    wanted = set(shards)
    rows = parquet.read_table(run.manifest_path, ["shard", "state", "image_id"]).to_pylist()
    return sum(
        row["shard"] in wanted and row["state"] == State.DONE and (among is None or row["image_id"] in among)
        for row in rows
    )
