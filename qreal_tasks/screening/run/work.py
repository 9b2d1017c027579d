"""The two kinds of work over the shards of a run: to check files, and to judge pictures."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from PIL import Image

from qreal_tasks.images import pixels_digest
from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.picture import show_input
from qreal_tasks.intake.settings import IntakeSettings
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.screening.asking import (
    GIVE_UP_AFTER,
    AskingSettings,
    PictureAsker,
    describe_failure,
    identify_asking,
)
from qreal_tasks.screening.assessment import assess
from qreal_tasks.screening.making_rows import ImageOrigin, make_failed_row, make_refused_row, make_row
from qreal_tasks.screening.rows import ScreeningRow
from qreal_tasks.screening.run.errors import ScreeningError
from qreal_tasks.screening.run.folder import Row, ScreeningFolder, make_recipe
from qreal_tasks.screening.run.sources import open_images
from qreal_tasks.screening.thumbnails import save_thumbnail

_CHECKED_FORM, _JUDGED_FORM = 1, 1
"""Change when other rows come from the same files and settings."""
_PIXELS_AT_ONCE = 32_000_000
"""Decoded at a time, whatever their number, unless a single picture has more."""
_HERE = "qreal_tasks.screening.run.work"


@dataclass(frozen=True)
class CheckWork:
    """Reads every file of a shard, and says which are pictures."""

    out: str
    images: str
    intake: IntakeSettings

    name = "checking"
    modules = (_HERE,)

    @property
    def recipe(self) -> str:
        """What the rows depend on beside the files."""
        return make_recipe(_CHECKED_FORM, self.intake.min_side_px, self.intake.max_pixels)

    def compute(self, shard: int) -> None:
        """Check the files of a shard and write what became of them."""
        folder = ScreeningFolder(Path(self.out))
        files = folder.read_plan(shard)
        contents = open_images(self.images, self.intake).read([one["locator"] for one in files])
        folder.write_checked(shard, [self._check(raw) for raw in contents], self.recipe)

    def _check(self, raw: bytes | IntakeError) -> Row:
        try:
            shown = _show(raw, self.intake)
        except IntakeError as error:
            return {"pixels": None, "width": None, "height": None, "reason": str(error)}
        digest = bytes.fromhex(pixels_digest(shown))
        return {"pixels": digest, "width": shown.width, "height": shown.height, "reason": None}


@dataclass(frozen=True)
class JudgeWork:
    """Asks the model about every picture of a shard."""

    out: str
    images: str
    intake: IntakeSettings
    asking: AskingSettings
    at_once: int
    recipe: str
    """Of the program that hands the work out."""
    asker: PictureAsker | None = field(default=None, compare=False)
    """In place of one that the settings make; stays in this process."""

    name = "judging"

    @property
    def modules(self) -> tuple[str, ...]:
        local = any(one is not None and one.server is None for one in (self.asking, self.asking.crop_model))
        detecting = ("qreal_tasks.models.detector.grounding_dino",) if self.asking.detector is not None else ()
        return (_HERE, *(("qreal_tasks.models.local.engine",) if local else ()), *detecting)

    def compute(self, shard: int) -> None:
        """Judge the pictures of a shard and write a row for each.

        Raises:
            ScreeningError: the model or program here is another one than where the work was handed out.
            StoppedRun: the server cannot be asked.
        """
        folder = ScreeningFolder(Path(self.out))
        claims = folder.read_claims(shard)
        asker = self.asker or _asker(self.asking.model_dump_json(), self.recipe)
        rows: list[ScreeningRow] = []
        failures: list[Exception] = []
        for some in _in_chunks(claims, self.at_once):
            rows += self._judge(some, asker, failures)
        at_all = bool(failures) and len(failures) == len(claims)
        if at_all and (len(claims) >= GIVE_UP_AFTER or not folder.has_judged(self.recipe)):
            raise failures[-1]  # it is not the pictures
        folder.write_judged(shard, rows, self.recipe)

    def _judge(self, claims: Sequence[Row], asker: PictureAsker, failures: list[Exception]) -> list[ScreeningRow]:
        """The rows of some pictures, in their order; what the model failed at is also put into ``failures``."""
        rows: dict[int, ScreeningRow] = {}
        shown: dict[int, Image.Image] = {}
        contents = open_images(self.images, self.intake).read([one["locator"] for one in claims])
        for at, (claim, raw) in enumerate(zip(claims, contents, strict=True)):
            try:
                shown[at] = _show_claimed(raw, self.intake, claim["pixels"].hex())
            except IntakeError as error:
                rows[at] = make_refused_row(ImageOrigin(claim["name"]), str(error), claim["pixels"].hex())
        rows |= _ask(shown, claims, asker, failures)
        for at, image in shown.items():
            save_thumbnail(Path(self.out), claims[at]["pixels"].hex(), image)
        return [rows[at] for at in range(len(claims))]


def make_judge_recipe(asked: dict[str, object]) -> str:
    """What judged rows depend on beside the pixels.

    Args:
        asked: of ``identify_asking``.
    """
    return make_recipe(_JUDGED_FORM, asked)


def _ask(
    shown: dict[int, Image.Image], claims: Sequence[Row], asker: PictureAsker, failures: list[Exception]
) -> dict[int, ScreeningRow]:
    """Ask about all at once, or, where the model fails at that, one by one: a picture that it fails at is none of the
    others' business."""
    if not shown:
        return {}
    try:
        findings = asker.ask(list(shown.values()))
    except (StoppedRun, OSError, MemoryError):
        raise
    except Exception as error:  # whatever a model's code raises
        if len(shown) > 1:
            return {
                place: row
                for at, image in shown.items()
                for place, row in _ask({at: image}, claims, asker, failures).items()
            }
        failures.append(error)
        [at] = shown
        origin, pixels = ImageOrigin(claims[at]["name"]), claims[at]["pixels"].hex()
        return {at: make_failed_row(origin, pixels, shown[at].size, describe_failure(error))}
    return {
        at: make_row(ImageOrigin(claims[at]["name"]), claims[at]["pixels"].hex(), assess(one))
        for at, one in zip(shown, findings, strict=True)
    }


def _show(raw: bytes | IntakeError, intake: IntakeSettings) -> Image.Image:
    if isinstance(raw, IntakeError):
        raise raw
    return show_input(raw, intake)


def _show_claimed(raw: bytes | IntakeError, intake: IntakeSettings, pixels: str) -> Image.Image:
    shown = _show(raw, intake)
    if pixels_digest(shown) != pixels:
        raise IntakeError("the file was changed between checking and judging; start the run again to judge it as it is")
    return shown


def _in_chunks(claims: Sequence[Row], most: int) -> Iterator[Sequence[Row]]:
    """Pictures that are decoded together: as many as may be, and no more pixels than fit."""
    held: list[Row] = []
    pixels = 0
    for one in claims:
        own = one["width"] * one["height"]
        if held and (len(held) == most or pixels + own > _PIXELS_AT_ONCE):
            yield held
            held, pixels = [], 0
        held.append(one)
        pixels += own
    if held:
        yield held


@lru_cache(maxsize=1)
def _asker(asking: str, recipe: str) -> PictureAsker:
    """The models of a process that judges shards; they stay loaded from one shard to the next."""
    settings = AskingSettings.model_validate_json(asking)
    if make_judge_recipe(identify_asking(settings)) != recipe:
        raise ScreeningError(
            f"the model or the installed version on {platform.node()} is another one than where the run was started, "
            "or was changed meanwhile. Make them the same and start again"
        )
    return PictureAsker(settings)
