"""What a plan holds, what it counts without processing pictures, and what it refuses."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from few_rows import write_few
from rich.console import Console

from qreal_tasks.answers import format_answer, locate_regions, parse_entities
from qreal_tasks.benchmark import (
    BODY_PARTS,
    IMAGEQA_SETS,
    QUESTION_NAMES,
    Style,
    frame_of,
    imageqa_query,
    objectqa_prompt,
    question,
)
from qreal_tasks.boxes import iou_matrix
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import DatasetError, locate
from qreal_tasks.models.local.chat import Chat
from qreal_tasks.samples import reference_regions
from qreal_tasks.subtasks import filter_prompt
from training.config import ConfigError, TrainConfig
from training.data.captions import NAMELESS
from training.data.collator import Collator, check_labels
from training.data.families import TUNED_FAMILIES
from training.data.packing import IGNORED
from training.data.writer import LENGTH, Counts
from training.model import read_outline
from training.plan import Batching, TrainPlan, choose_batching, make_plan
from training.plan_table import print_plan
from training.recipe import parse_config

pytestmark = pytest.mark.slow

ASKED: tuple[dict[str, Any], ...] = (
    *(({"task": task}) for task in ("objectqa", "imageqa", "detect", "filter", "describe")),
    *(({"task": task, "prompts": "paper"}) for task in ("objectqa", "imageqa")),
    {"task": ["objectqa", "imageqa"]},
    {"task": ["describe", "detect", "filter"]},
)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three images, and six crops."""
    return str(write_few(tmp_path_factory.mktemp("few"), 3, 6))


def planned(config: TrainConfig) -> TrainPlan:
    return make_plan(config, locate(config.data), read_outline(config))


def collator_of(plan: TrainPlan) -> tuple[Collator, Chat]:
    chat = Chat(plan.outline.processor)
    return Collator(chat, plan.rows, plan.outline.empty.model), chat


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "-".join(map(str, asked.values())))
@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_labels_are_the_answers_and_their_end_of_turn_and_nothing_else(
    family: str, asked: dict[str, Any], packing: bool, config: Callable[..., TrainConfig], few: str
) -> None:
    plan = planned(config(family, **asked, packing=packing, data=few))
    collator, chat = collator_of(plan)
    last = len(plan.train) - 1
    for row in plan.train.select(sorted({at for at in (0, 1, 2, last - 2, last - 1, last) if 0 <= at <= last})):
        batch = collator([row])
        labels = batch["labels"][0].tolist()
        assert len(labels) == row[LENGTH], "the tokens were counted without processing the picture"
        learnt: list[list[int]] = []
        for before, label in zip([IGNORED, *labels], labels, strict=False):
            if label != IGNORED:
                learnt += [[]] if before == IGNORED else []
                learnt[-1].append(label)
        answers = [chat.tokenizer.decode(run, skip_special_tokens=False) for run in learnt]
        expected = [a + TUNED_FAMILIES[family].end_of_turn for a in _answers_of(plan, row)]
        assert [answer.strip() for answer in answers] == expected


def _answers_of(plan: TrainPlan, row: dict[str, Any]) -> list[str]:
    family = plan.outline.family
    return [turn.removeprefix(family.before_answer).removesuffix(family.end_of_turn) for turn in row["answers"]]


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_the_first_answer_token_is_the_one_that_scoring_reads(
    family: str, style: Style, config: Callable[..., TrainConfig]
) -> None:
    from qreal_tasks.models.local.spellings import Spellings

    chat = Chat(read_outline(config(family)).processor)
    prompt = objectqa_prompt("realism_q1", frame_of(style, "realism_q1"))
    spellings = Spellings(chat.tokenizer, ("Yes", "No"))
    for answer, spelled in zip(spellings.choices, spellings.ids, strict=True):
        ids = chat.answer_ids(prompt, TUNED_FAMILIES[family].answer(answer))
        assert ids[0] in spelled
        assert len(ids) == 2, "the word and the end of turn"


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_boxes_of_the_answers_are_those_of_the_dataset(
    family: str, style: Style, config: Callable[..., TrainConfig]
) -> None:
    """What a model that writes its answers perfectly would get."""
    plan = planned(config(family, task="imageqa", prompts=style))
    chat = Chat(plan.outline.processor)
    rows = load_split(locate("mini"), "imageqa", "train")
    seen = 0
    for row in plan.train.select(range(40)):
        image = rows[row["row"]]
        fed = chat.ask(image["image"], ["?"]).input_size
        for name, text in zip(row["names"], _answers_of(plan, row), strict=True):
            reference = reference_regions(image, name)
            space = plan.outline.family.box_space
            read = parse_entities(text)
            assert (read.reason, read.dropped, read.truncated) == (None, {}, False)
            located = locate_regions(read, space, image["width"], image["height"], fed)
            assert [(r.label, r.description) for r in located.regions] == [(r.label, r.description) for r in reference]
            if reference:
                overlaps = iou_matrix([r.bbox_px for r in located.regions], [r.bbox_px for r in reference])
                assert overlaps.diagonal().min() > 0.9
                seen += len(reference)
    assert seen > 10


def test_only_entities_with_the_issue_and_portraits_by_body_part(config: Callable[..., TrainConfig]) -> None:
    plan = planned(config(task="imageqa"))
    rows = load_split(locate("mini"), "imageqa", "train")
    named: dict[str, int] = {}
    for row in plan.train:
        image, (name,), (text,) = rows[row["row"]], row["names"], _answers_of(plan, row)
        flawed = [e for e in image["entities"] if e["realism_flawed" if name == "realism" else "plausibility_flawed"]]
        written = json.loads(text)
        named[name] = named.get(name, 0) + 1
        if name == "human_plausibility":
            assert image["is_portrait"]
            assert all(w["description"].split(":")[0] in PARTS for w in written)
        else:
            assert [w["label"] for w in written] == [e["label"] for e in flawed]
    assert named["realism"] == named["plausibility"] > named["human_plausibility"] > 0


def test_the_human_set_is_asked_of_people_who_went_through_the_protocol(
    config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    def one_with_parts(rows: Any) -> None:
        parts = {part: f"The {part} is wrong." for part in BODY_PARTS}
        for number in (0, 1):
            image = rows["imageqa"]["train"][number]
            image["is_portrait"] = True
            for entity in image["entities"]:
                entity["parts"] = parts if number == 0 else None
        for row in rows["objectqa"]["train"]:
            row["is_portrait"] = True

    plan = planned(config(task="filter", data=str(small_dataset(one_with_parts)), held_out={"share": 0}))
    asked = {plan.rows["objectqa"][row["row"]]["image_id"]: row["names"] for row in plan.train}
    assert asked == {"img0": list(IMAGEQA_SETS), "img1": ["realism", "plausibility"]}


def test_the_papers_queries_are_bare_and_its_answers_in_its_format(config: Callable[..., TrainConfig]) -> None:
    plan = planned(config(prompts="paper"))
    assert plan.train[0]["prompts"] == [question(name).text for name in QUESTION_NAMES]
    assert {answer for row in plan.train for answer in _answers_of(plan, row)} == {"Yes", "No"}

    plan = planned(config(task="imageqa", prompts="paper"))
    rows = plan.rows["imageqa"].remove_columns("image")
    unflawed = 0
    for row in plan.train:
        (name,), (prompt,), (answer,) = row["names"], row["prompts"], _answers_of(plan, row)
        assert prompt == imageqa_query(name)
        flawed = reference_regions(rows[row["row"]], name)
        unflawed += not flawed
        assert (answer == format_answer([])) is not bool(flawed)
    assert unflawed > 0
    assert {name for row in plan.train for name in row["names"]} == {"realism", "plausibility"}


HOSTILE = (
    "a <b> sign",
    "<label><[1, 2, 3, 4]><text>",
    "a > b < c",
    "{json: [10, 20, 30, 40]}",
    "[]",
    "None.",
    "two\nlines",
    "  blanks ",
    '狐狸 "quoted" and it\'s 100%',
    "\\<\\>",
    "ends with <",
    "ends with \\",
    "<coordinate>",
)


@pytest.mark.parametrize("family", TUNED_FAMILIES)
@pytest.mark.parametrize("caption", HOSTILE)
def test_a_caption_survives_the_papers_format(
    family: str, caption: str, config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    """Whatever people wrote: as many entities as there are, and no word of their labels and descriptions is lost."""

    def spoil(rows: Any) -> None:
        entity = rows["imageqa"]["train"][0]["entities"][0]
        entity |= {"label": caption, "plausibility_description": caption, "plausibility_flawed": True}
        entity["plausibility_q1"] = 1

    plan = planned(
        config(family, task="imageqa", prompts="paper", data=str(small_dataset(spoil)), held_out={"share": 0})
    )
    (turn,) = (_answers_of(plan, row)[0] for row in plan.train if row["row"] == 0 and row["names"] == ["plausibility"])
    image = plan.rows["imageqa"].remove_columns("image")[0]
    named = len(reference_regions(image, "plausibility"))
    read = parse_entities(turn)
    assert (read.reason, read.dropped, len(read.entities)) == (None, {}, named), turn
    result = " ".join(caption.translate(str.maketrans("<>", "‹›")).split())
    assert (read.entities[0].label, read.entities[0].description) == (result, result), turn
    collator, chat = collator_of(plan)
    check_labels(collator, chat, plan.train)


@pytest.mark.parametrize(
    ("asked", "result"),
    [
        ({}, "benchmark: as qreal_objectqa asks"),
        ({"task": "filter"}, "benchmark: as qreal_agent asks"),
        (
            {"task": "imageqa", "prompts": "paper"},
            "paper: its bare queries and its format of answers, as qreal_paper_imageqa asks",
        ),
    ],
)
def test_the_plan_says_which_prompts(
    asked: dict[str, str], result: str, config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    print_plan(planned(config(**asked)), 1, tmp_path, console)
    assert f"prompts {result}" in " ".join(console.export_text().replace("│", " ").split())


def test_two_runs_on_one_model_keep_back_the_same_prompts(config: Callable[..., TrainConfig]) -> None:
    kept = []
    for task in ("objectqa", "imageqa"):
        plan = planned(config(task=task, held_out={"share": 0.3}))
        assert plan.held_out is not None
        kept.append({plan.rows[task][at]["prompt_id"] for at in plan.held_out["row"]})
    assert kept[0] == kept[1]


def test_a_run_of_several_tasks_holds_what_each_alone_holds(config: Callable[..., TrainConfig]) -> None:
    """Sequences, what is kept back, and counts; pictures that two tasks show are counted once in all."""
    keys = {"held_out": {"share": 0.3}}
    names = ["objectqa", "detect", "imageqa", "describe"]
    both = planned(config(task=names, **keys))
    assert both.held_out is not None
    for task in names:
        alone = planned(config(task=task, **keys))
        assert alone.held_out is not None
        for of_both, of_alone in ((both.train, alone.train), (both.held_out, alone.held_out)):
            assert [row for row in of_both.to_list() if row["task"] == task] == of_alone.to_list()
        assert {part: of_part[task] for part, of_part in both.of_tasks.items()} == alone.counts
    together = both.counts["train"]
    of_tasks = both.of_tasks["train"]
    assert together.tokens == sum(counts.tokens for counts in of_tasks.values())
    assert together.pictures == of_tasks["objectqa"].pictures + of_tasks["imageqa"].pictures


def test_steps_and_table_count_what_an_epoch_holds(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    plan = planned(config(task=["objectqa", "imageqa"], weights={"objectqa": 0.5, "imageqa": 2}))
    sequences = {task: counts.sequences for task, counts in plan.of_tasks["train"].items()}
    assert plan.seen == {"objectqa": round(sequences["objectqa"] / 2), "imageqa": 2 * sequences["imageqa"]}
    console = Console(record=True, width=200, file=io.StringIO())
    print_plan(plan, 1, tmp_path, console)
    text = " ".join(console.export_text().replace("│", " ").split())
    for part in (
        "task objectqa (all questions about a picture as one sequence), each sequence seen 0.5 times an epoch "
        "imageqa, each sequence seen 2 times an epoch prompts benchmark: as qreal_objectqa and qreal_imageqa ask",
        f"objectqa: {plan.of_tasks['train']['objectqa'].questions:,} about",
        "and mean chooses the best checkpoint",
        f"about {3 * plan.batching.steps_an_epoch(sum(plan.seen.values()), 1):,} steps, 3 epochs",
        "boxes in resized_pixels",
    ):
        assert part in text, text
    with pytest.raises(ConfigError, match=r"weights\.imageqa is 0\.0001, so that an epoch holds none of the \d+ seq"):
        planned(config(task=["objectqa", "imageqa"], weights={"imageqa": 1e-4}))


@pytest.mark.parametrize(
    ("sequences", "processes", "batch", "accumulation", "steps"),
    [(160, 1, 4, 1, 40), (160, 2, 4, 1, 20), (161, 1, 4, 1, 41), (160, 2, 4, 8, 3), (3, 8, 4, 1, 1)],
)
def test_steps_of_an_epoch(sequences: int, processes: int, batch: int, accumulation: int, steps: int) -> None:
    assert Batching(batch, accumulation, 0.0).steps_an_epoch(sequences, processes) == steps


PARTS = ("Head face", "Hands", "Limbs", "Torso", "Feet", "Clothing", "Environment interaction")


def test_no_prompt_is_on_both_sides_and_the_choice_follows_the_seed(config: Callable[..., TrainConfig]) -> None:
    def sides(**keys: Any) -> tuple[set[str], set[str]]:
        plan = planned(config(held_out={"share": 0.3}, **keys))
        ids = plan.rows["objectqa"]["prompt_id"]
        assert plan.held_out is not None
        return {ids[at] for at in plan.train["row"]}, {ids[at] for at in plan.held_out["row"]}

    train, held_out = sides()
    assert train
    assert held_out
    assert not train & held_out
    assert sides() == (train, held_out)
    assert sides(seed=7)[1] != held_out


@pytest.mark.parametrize(
    ("batch", "accumulation", "each", "sequences", "accumulated", "questions"),
    [
        (4, 1, 6, 1, 1, 6),  # a picture's questions are not cut apart
        (4, 8, 6, 1, 5, 30),  # 32 asked for
        (12, 1, 6, 2, 1, 12),
        (13, 2, 6, 2, 2, 24),
        (4, 1, 1, 4, 1, 4),  # nothing packed
        (2, 4, 1, 2, 4, 8),
    ],
)
def test_a_batch_counts_questions(
    batch: int, accumulation: int, each: int, sequences: int, accumulated: int, questions: int
) -> None:
    config = TrainConfig(task="objectqa", model="m", batch_size=batch, gradient_accumulation=accumulation)
    found = choose_batching(config, {"objectqa": Counts(sequences=10, questions=10 * each)}, {"objectqa": 10})
    assert (found.sequences, found.accumulation, found.questions) == (sequences, accumulated, questions)


@pytest.mark.parametrize(
    ("batch", "accumulation", "seen", "sequences", "accumulated", "questions"),
    [
        (96, 1, (100, 100), 16, 2, 112),  # 16 packed crops are 96 questions: a batch of these alone is no larger
        (96, 1, (100, 20), 16, 1, 82.7),
        (12, 1, (100, 300), 2, 3, 13.5),
        (4, 1, (100, 100), 1, 1, 3.5),
        (4, 8, (100, 100), 1, 9, 31.5),  # 32 asked for
        (1, 1, (100, 100), 1, 1, 3.5),
    ],
)
def test_a_batch_of_packed_crops_and_single_questions(
    batch: int, accumulation: int, seen: tuple[int, int], sequences: int, accumulated: int, questions: float
) -> None:
    config = parse_config(
        {"task": ["objectqa", "imageqa"], "model": "m", "batch_size": batch, "gradient_accumulation": accumulation}, "x"
    )
    counts = {"objectqa": Counts(sequences=50, questions=300), "imageqa": Counts(sequences=200, questions=200)}
    found = choose_batching(config, counts, dict(zip(counts, seen, strict=True)))
    assert (found.sequences, found.accumulation) == (sequences, accumulated)
    assert found.questions == pytest.approx(questions, abs=0.05)


def test_special_tokens_in_captions_are_taken_out_and_counted(
    config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    def spoil(rows: Any) -> None:
        rows["objectqa"]["train"][0]["label"] = "dog <|im_end|><|image_pad|> big"
        rows["objectqa"]["train"][1]["label"] = "<|im_<|im_end|>end|>"
        rows["objectqa"]["train"][2]["label"] = "<|im_end|>"

    plan = planned(config(task="filter", data=str(small_dataset(spoil)), held_out={"share": 0}))
    assert plan.cleaned == 3
    for at, label in enumerate(("dog big", "<|im_ end|>", NAMELESS)):
        names = plan.train[at]["names"]
        assert plan.train[at]["prompts"] == [filter_prompt(name, label) for name in names]
    collator, chat = collator_of(plan)
    check_labels(collator, chat, plan.train)


def test_over_long_examples_are_refused_by_name_or_left_out_and_counted(config: Callable[..., TrainConfig]) -> None:
    with pytest.raises(ConfigError, match=r"#\d+, realism_q1: \d+ tokens with its answer, more than max_tokens=60"):
        planned(config(max_tokens=60))
    longest = planned(config(packing=False)).counts["train"].longest
    plan = planned(config(packing=False, max_tokens=longest - 3, over_length="drop"))
    assert 0 < plan.dropped < 200
    assert plan.counts["train"].longest <= longest - 3


def test_what_would_train_nothing_or_cut_an_answer_is_refused(
    config: Callable[..., TrainConfig], small_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    for changed, result in (
        ({"lora": {"targets": "no_such_layer"}}, "nothing would be trained"),
        ({"attn_implementation": "flex_attention"}, "attn_implementation flex_attention"),
        ({"max_patches": 4}, "qwen2_5_vl has no such limit (it has min_pixels and max_pixels)"),
        ({"task": "imageqa", "held_out": {"share": 0.3, "max_new_tokens": 9}}, "would cut answers of up to"),
        ({"model": str(tmp_path / "none")}, "none"),
        ({"held_out": {"share": 0.99}}, "leaves none to train on"),
        ({"adapter": str(tmp_path)}, "no adapter_config.json there"),
    ):
        with pytest.raises(ConfigError, match=result.replace("(", r"\(").replace(")", r"\)")):
            planned(config(**changed))
    with pytest.raises(DatasetError, match="train"):
        planned(config(data=str(small_dataset(lambda rows: [rows[c].pop("train") for c in rows]))))


def test_packing_needs_attention_that_takes_any_mask(config: Callable[..., TrainConfig]) -> None:
    found = read_outline(config())
    found.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ConfigError, match="cannot keep questions apart in one sequence; use sdpa or eager"):
        make_plan(config(), locate("mini"), found)
    assert make_plan(config(packing=False), locate("mini"), found).batching.sequences == 12


def test_a_picture_that_is_too_thin_is_stretched_as_in_the_benchmark(
    config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    from small_set import png

    def spoil(rows: Any) -> None:
        row = rows["objectqa"]["train"][0]
        row |= {"image": {"bytes": png(900, 3), "path": None}, "width": 900, "height": 3}

    plan = planned(config(data=str(small_dataset(spoil)), held_out={"share": 0}))
    assert plan.stretched == 1
    collator, _ = collator_of(plan)
    assert collator([plan.train[0]])["labels"].shape[1] == plan.train[0][LENGTH]


@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_the_adapter_reaches_the_language_model_only_and_is_counted_before_loading(
    family: str, config: Callable[..., TrainConfig]
) -> None:
    plan = planned(config(family))
    r, hidden, ffn, kv, layers = 16, 64, 128, 32, 2
    attention = r * (2 * 2 * hidden + 2 * (hidden + kv))
    assert plan.trainable.parameters == layers * (attention + r * 3 * (hidden + ffn))
    assert plan.trainable.modules == 7 * layers
    assert "language_model" in plan.trainable.example
