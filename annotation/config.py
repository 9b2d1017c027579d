"""What a run is made with: a YAML file that a user copies from ``configs/annotation/`` and edits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, PositiveInt, field_validator, model_validator

from annotation.errors import AnnotationError, add_hint
from qreal_tasks.files.regular import read_text
from qreal_tasks.files.settings import BaseUrl, Settings
from qreal_tasks.files.yaml_files import read_yaml
from qreal_tasks.files.yaml_models import validate
from qreal_tasks.intake.settings import IntakeSettings
from qreal_tasks.llm.usage import GivenPrices
from qreal_tasks.models.detector.settings import DetectionSettings, Device, Dtype


class LanguageModel(Settings):
    """The model of all language-model stages and the server that it is on."""

    model: str = Field(min_length=1)
    base_url: BaseUrl | None = None
    """Null for OpenAI itself."""
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    seed: int | None = 0
    concurrency: int = Field(default=32, ge=1)
    timeout_s: float = Field(default=120, gt=0)
    max_retries: int = Field(default=6, ge=0)
    first_wait_s: float = Field(default=0.1, ge=0)
    prices: GivenPrices | None = None
    """US dollars per million tokens; null when nothing is paid."""


class View(Settings):
    """How a picture is shown to the language model."""

    format: Literal["png", "jpeg"]
    max_side_px: int = Field(ge=16)
    """The longer side; larger pictures are scaled down, smaller ones are left."""
    detail: Literal["low", "high", "auto"]


class PictureSettings(Settings):
    """How crops and whole images are shown to the language model."""

    crop: View = View(format="png", max_side_px=1024, detail="high")
    """An entity; lossless, since its texture is what is judged."""
    whole: View = View(format="jpeg", max_side_px=1024, detail="low")
    """The image that an entity stands in, or whose entities are named."""


class EntitySettings(Settings):
    prompt: str = "entities"
    """Name of a packaged prompt, or the path of a YAML file like one; so in every stage."""
    max_entities: int = Field(default=20, ge=1)
    """Entities of one image at most; more are recorded as left out."""
    view: Literal["whole", "crop"] = "crop"
    """Which of the two views shows the image."""
    max_tokens: int = Field(default=1000, ge=1)


class QualitySettings(Settings):
    scorer: Literal["q-eval-score", "api", "none"] = "none"
    model: str = "AGI-Eval-Official/Q-Eval-Score"
    """The model of q-eval-score: hub id or folder."""
    revision: str | None = None
    prompt: str = "quality"
    batch_size: int = Field(default=8, ge=1)
    max_pixels: int = Field(default=1_000_000, ge=3136)
    """A crop is scaled down to about so many before q-eval-score sees it."""
    device: Device = "auto"
    dtype: Dtype = "bfloat16"

    @property
    def licence_note(self) -> str:
        """What must be known of the scorer's weights before they are used; empty where there is nothing."""
        if self.scorer != "q-eval-score":
            return ""
        return (
            f"Quality scores: weights {self.model}, licence not seen: this project found none stated with them, so "
            "whether you may use them is yours to judge. `quality: {scorer: none}` in config.yaml goes without"
        )


class JudgmentSettings(Settings):
    prompt: str = "judgment"
    max_tokens: int = Field(default=800, ge=1)


class PortraitSettings(Settings):
    """Which people also go through the seven body parts; ``portraits: auto`` in a file means all that follows."""

    enabled: bool = True
    list: Path | None = None
    """A text file with an image id or file name a line, beside the config or by its whole path: the people of exactly
    those images. Null: the people of every image."""
    parts_prompt: str = "parts"
    merge_prompt: str = "merge"
    max_tokens: int = Field(default=1000, ge=1)

    def names(self) -> tuple[str, ...] | None:
        """Read the names in the list, each once; None without a list.

        Raises:
            AnnotationError: it cannot be read, or names nothing.
        """
        if self.list is None:
            return None
        try:
            lines = read_text(self.list, encoding="utf-8-sig").split("\n")
        except (OSError, ValueError) as error:
            raise AnnotationError(f"portraits.list {self.list} cannot be read as UTF-8 text: {error}") from error
        entries = (line.strip() for line in lines)
        found = tuple(dict.fromkeys(line for line in entries if line and line.split()[0] != "#"))
        if not found:
            raise AnnotationError(
                f"portraits.list {self.list} names no image, expected an image id or file name a line"
            )
        return found


class ExpectedCounts(Settings):
    """What the estimate takes for granted until the run itself has shown it on ``trusted_after`` items."""

    entities_per_image: float = Field(default=5.79, ge=0)
    """17,879 / 3,088, as in the paper."""
    portraits_per_image: float = Field(default=0.13, ge=0)
    """400 / 3,088."""
    crop_px: tuple[PositiveInt, PositiveInt] = (384, 384)
    characters_a_token: float = Field(default=4.0, gt=0)
    output_tokens: dict[str, int] = Field(
        default={"entities": 60, "quality": 1, "judgment": 130, "parts": 160, "merge": 60}
    )
    trusted_after: int = Field(default=30, ge=1)


class AnnotationConfig(Settings):
    """The whole config of a run."""

    images_per_shard: int = Field(default=64, ge=1, le=10_000)
    """Inputs of one shard: what is redone at most after a crash, and what one task of a cluster takes."""
    intake: IntakeSettings = IntakeSettings()
    language_model: LanguageModel
    pictures: PictureSettings = PictureSettings()
    entities: EntitySettings = EntitySettings()
    detection: DetectionSettings = DetectionSettings()
    quality: QualitySettings = QualitySettings()
    judgment: JudgmentSettings = JudgmentSettings()
    portraits: PortraitSettings = PortraitSettings()
    expected: ExpectedCounts = ExpectedCounts()

    @field_validator("portraits", mode="before")
    @classmethod
    def _are_portraits(cls, portraits: object) -> object:
        if isinstance(portraits, str) and portraits != "auto":
            raise ValueError(f"{portraits!r}, expected auto, or fields such as list: FILE")
        return {} if portraits == "auto" else portraits

    @model_validator(mode="after")
    def _expects_every_stage(self) -> AnnotationConfig:
        missing = {"entities", "quality", "judgment", "parts", "merge"} - self.expected.output_tokens.keys()
        if missing:
            raise ValueError(f"expected.output_tokens lacks {', '.join(sorted(missing))}")
        return self


def load_annotation_config(path: Path) -> AnnotationConfig:
    """Read and check a config file.

    Raises:
        AnnotationError: it cannot be read, or a field is not as expected; the message names all of them.
    """
    name = f"config {path}"
    with add_hint("examples are in configs/annotation/"):
        document = read_yaml(path.expanduser(), name, AnnotationError)
        portraits = document.content.get("portraits") if isinstance(document.content, dict) else None
        if isinstance(portraits, dict) and isinstance(portraits.get("list"), str):
            listed = Path(portraits["list"]).expanduser()
            document.content["portraits"] = {**portraits, "list": path.expanduser().absolute().parent / listed}
        return validate(document, AnnotationConfig, name, AnnotationError)


def dump_config(config: AnnotationConfig) -> str:
    """Write a config as YAML that ``load_annotation_config`` reads back."""
    content = config.model_dump(mode="json")
    prices = config.language_model.prices
    content["language_model"]["prices"] = prices and {k: v for k, v in vars(prices).items() if v is not None}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
