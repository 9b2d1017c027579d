"""Draws the example of the README: a picture with its boxes, a crop, the answers to the six questions, and the reasons.

    python tools/draw_example.py docs/example.png --model mini
    python tools/draw_example.py docs/example.png            # the reference answers, where there is no model

The picture is one of the embedded set, with its boxes and reasons. With a model, answers and P(Yes) are the model's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from qreal_tasks.api.findings import EntityFindings, QuestionAnswer
from qreal_tasks.benchmark import ANSWERS, QUESTIONS, Dimension
from qreal_tasks.dataset.drawn import MINI_FOLDER
from qreal_tasks.images import draw_frame
from qreal_tasks.mini.figures.lettering import FONT
from qreal_tasks.mini.read import decode_pixels, read_drawn_rows

ROW, CROP = 37, 2
"""Which picture of the test split, and which entity of it, from the left, is shown as crop."""
SCALE, MARGIN, WIDTH = 3, 24, 1600
INK, GREY, BAD, GOOD = (30, 30, 36), (110, 110, 120), (200, 30, 45), (20, 125, 70)
TEXT, SMALL = FONT.font_variant(size=27), FONT.font_variant(size=23)
LINE = 36


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="PNG to write")
    parser.add_argument("--model", help="folder, hub id or `mini`; without it the reference answers are shown")
    parser.add_argument("--row", type=int, default=ROW, help="picture of the test split (default: %(default)s)")
    parser.add_argument("--crop", type=int, default=CROP, help="which entity, from the left (default: %(default)s)")
    options = parser.parse_args(arguments)
    row = read_drawn_rows(MINI_FOLDER, "imageqa", "test")[options.row]
    picture = Image.fromarray(decode_pixels(row))
    entities = read_references(row)
    if options.model:
        entities = ask_model(options.model, picture, entities)
    if not 1 <= options.crop <= len(entities):
        parser.error(f"--crop {options.crop}: {len(entities)} entities were found in picture {options.row}")
    caption = f"Answers of {Path(options.model).name}" if options.model else "The reference answers"
    draw_example(picture, entities, options.crop, caption).save(options.path, "PNG", optimize=True)


def ask_model(name: str, picture: Image.Image, references: Sequence[EntityFindings]) -> Sequence[EntityFindings]:
    """The references with a model's answers to the six questions about their crops, as ObjectQA asks it."""
    import qreal_tasks as qreal

    given = [(one.label, one.box_px) for one in references]
    with qreal.Model(name) as model:
        found = model.ask(picture, entities=given).entities
    return [replace(one, answers=answered.answers) for one, answered in zip(references, found, strict=True)]


def read_references(row: dict[str, Any]) -> Sequence[EntityFindings]:
    """What is true of the picture, in the form of what a model finds."""
    return [
        EntityFindings(
            one["label"],
            tuple(one["bbox"]),
            {each.name: QuestionAnswer(ANSWERS[one[each.name]], None) for each in QUESTIONS},
            {str(each): one[f"{each}_description"] for each in Dimension if one[f"{each}_flawed"]},
            ("given",),
        )
        for one in row["entities"]
    ]


def draw_example(picture: Image.Image, entities: Sequence[EntityFindings], number: int, caption: str) -> Image.Image:
    """The whole example.

    Args:
        picture: the image.
        entities: what was found in it.
        number: position, from 1, of the entity whose crop and answers are shown.
        caption: whose answers these are.
    """
    boxed = _draw_boxes(picture, entities)
    sheet = Image.new("RGB", (WIDTH, boxed.height + 2 * MARGIN + LINE * 12), "white")
    draw = ImageDraw.Draw(sheet)
    sheet.paste(boxed, (MARGIN, MARGIN))
    x, one = boxed.width + 2 * MARGIN, entities[number - 1]
    left, top, right, bottom = one.box_px
    crop = picture.crop((round(left), round(top), round(right), round(bottom)))
    crop = crop.resize((crop.width * SCALE * 2 // 3, crop.height * SCALE * 2 // 3), Image.Resampling.LANCZOS)
    sheet.paste(crop, (x, MARGIN))
    draw.text((x + crop.width + MARGIN, MARGIN), f"ObjectQA: crop {number}, {one.label}", fill=INK, font=TEXT)
    draw.text((x + crop.width + MARGIN, MARGIN + LINE), caption, fill=GREY, font=SMALL)
    legend = ("P: probability of Yes", "Filled red: the answer reports a defect")
    for number_of_line, text in enumerate(legend, 2):
        draw.text((x + crop.width + MARGIN, MARGIN + number_of_line * LINE), text, fill=GREY, font=SMALL)
    y = _write_answers(draw, one, x, MARGIN + crop.height + 20)
    y = max(y, boxed.height + MARGIN) + 16
    draw.text((MARGIN, y), "ImageQA: what is wrong, and where (the reference)", fill=INK, font=TEXT)
    y += LINE + 4
    for position, each in enumerate(entities, 1):
        for text in _describe(position, each):
            for line in _wrap(text, WIDTH - 2 * MARGIN):
                draw.text((MARGIN, y), line, fill=INK, font=SMALL)
                y += LINE - 6
    return sheet.crop((0, 0, WIDTH, y + MARGIN // 2))


def _draw_boxes(picture: Image.Image, entities: Sequence[EntityFindings]) -> Image.Image:
    large = picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(large)
    for number, one in enumerate(entities, 1):
        colour = BAD if one.flawed else GOOD
        x, y, *_ = box = tuple(value * SCALE for value in one.box_px)
        draw_frame(large, box, colour)
        y = max(0, y - 40)  # above the box, where there is room
        draw.rectangle((x, y, x + 34, y + 38), fill=colour)
        draw.text((x + 9, y + 3), str(number), fill="white", font=TEXT)
    return large


def _write_answers(draw: ImageDraw.ImageDraw, one: EntityFindings, x: int, y: int) -> int:
    """The six questions with their answers; returns where the next line begins."""
    answers, text_x = x + 7, x + 157
    for each in QUESTIONS:
        answer = one.answers[each.name]
        bad = answer.answer == each.defect
        text = answer.answer or "?"
        if bad:
            draw.rectangle((answers - 7, y - 1, answers + TEXT.getlength(text) + 6, y + 33), fill=BAD)
        draw.text((answers, y), text, fill="white" if bad else GOOD, font=TEXT)
        if answer.p_yes is not None:
            draw.text((answers + 60, y + 4), f"P {answer.p_yes:.2f}", fill=GREY, font=SMALL)
        for line in _wrap(each.text, WIDTH - MARGIN - text_x):
            draw.text((text_x, y + 2), line, fill=INK, font=SMALL)
            y += LINE - 8
        y += 10
    return y


def _describe(number: int, one: EntityFindings) -> Iterator[str]:
    box = ", ".join(f"{value:.0f}" for value in one.box_px)
    yield f"{number}  {one.label} [{box}]" + ("" if one.descriptions else ": nothing")
    yield from (f"     {name}: {text}" for name, text in one.descriptions.items())


def _wrap(text: str, width: float) -> Iterator[str]:
    """Lines of at most so many pixels."""
    indent = " " * (len(text) - len(text.lstrip()))
    line = ""
    for word in text.split():
        if line and SMALL.getlength(f"{line} {word}") > width:
            yield line
            line = f"{indent}{word}"
        else:
            line = f"{line} {word}" if line else f"{indent}{word}"
    yield line


if __name__ == "__main__":
    main()
