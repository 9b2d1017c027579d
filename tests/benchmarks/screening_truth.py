"""What ``qreal screen`` says about drawn scenes, against what was drawn.

    python tests/benchmarks/screening_truth.py [--model mini] [--images 900] [--precision .9] [--seed 77]

A set is drawn whose two splits share no prompt. A calibration is fitted on the first; on the second are printed, for
each dimension: AUC over the images, precision and recall of the threshold beside what the calibration promised, and
differences between generators beside the true ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from qreal_tasks.benchmark import Dimension
from qreal_tasks.cli import app
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.mini.write import draw_mini
from qreal_tasks.screening.calibration.record import load_calibration
from qreal_tasks.screening.rows import read_rows

FITTED, HELD_OUT = "train", "test"


def qreal(*arguments: str) -> None:
    """Run a command; its output is shown when it fails."""
    done = CliRunner().invoke(app, list(arguments))
    if done.exit_code:
        raise SystemExit(f"qreal {' '.join(arguments)}\n{done.output}")


def read_truth(data: Path) -> dict[str, dict[str, Any]]:
    """Generator, prompt and flaws of each held-out image."""
    rows = load_split(locate(str(data)), "imageqa", HELD_OUT).remove_columns("image")
    return {
        row["image_id"]: {
            "generator": row["generator"],
            "prompt": row["prompt_id"],
            **{one: any(entity[f"{one}_flawed"] for entity in row["entities"]) for one in Dimension},
        }
        for row in rows
    }


def true_rate(truth: dict[str, dict[str, Any]], generator: str, dimension: Dimension) -> float:
    """Share of flawed images, averaged within a prompt first."""
    by_prompt: dict[str, list[bool]] = defaultdict(list)
    for one in truth.values():
        if one["generator"] == generator:
            by_prompt[one["prompt"]].append(one[dimension])
    return float(np.mean([np.mean(flawed) for flawed in by_prompt.values()]))


def print_comparison(folder: Path, truth: dict[str, dict[str, Any]]) -> None:
    """Differences between generators, as compared and as drawn."""
    found = json.loads((folder / "comparison.json").read_text())
    print(f"\n{len(found['pairs'])} generators against the first, pairing {found['pairing']}")
    for one in Dimension:
        rows = [
            (
                true_rate(truth, pair["run"], one) - true_rate(truth, pair["against"], one),
                pair["dimensions"][str(one)]["difference"],
            )
            for pair in found["pairs"]
        ]
        inside = sum(told["low"] <= true <= told["high"] for true, told in rows)
        true, told = np.array([row[0] for row in rows]), np.array([row[1]["value"] for row in rows])
        slope = float((true * told).sum() / (true * true).sum())
        print(
            f"{one}: true differences {true.min():+.2f} to {true.max():+.2f}; told are {slope:.2f} of them, mean "
            f"distance {np.abs(true - told).mean():.3f}; inside the interval {inside} of {len(rows)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--images", type=int, default=900)
    parser.add_argument("--precision", default=".9")
    parser.add_argument("--seed", type=int, default=77)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        data, fitted, held_out, fit = root / "set", root / FITTED, root / HELD_OUT, root / "calibration.json"
        draw_mini(data, given.images, given.seed, test_share=0.5)
        screen = ("screen", str(data), "--model", given.model)
        qreal(*screen, "--split", FITTED, "--out", str(fitted))
        labelled = ("--data", str(data), "--split", FITTED, "--precision", given.precision)
        qreal("screen", "calibrate", str(fitted), *labelled, "--to", str(fit))
        qreal(*screen, "--split", HELD_OUT, "--out", str(held_out), "--calibration", str(fit))
        truth, calibration = read_truth(data), load_calibration(fit)
        rows = {Path(row["image"]).stem: row for row in read_rows(held_out)}
        for one in Dimension:
            told = calibration.dimensions[one]
            pairs = [(row[f"p_{one}"], truth[name][one]) for name, row in rows.items()]  # type: ignore[literal-required]
            p = np.array([pair[0] for pair in pairs], dtype=float)
            flawed = np.array([pair[1] for pair in pairs])
            flagged = p >= told.threshold
            print(f"\n{one}: {len(p)} held-out images, {flawed.mean():.2f} of them flawed")
            print(f"  AUC {roc_auc_score(flawed, p):.3f}")
            for name, value, promised in (
                ("precision", flawed[flagged].mean(), told.precision),
                ("recall", flagged[flawed].mean(), told.recall),
            ):
                print(
                    f"  {name} {value:.3f}; promised {promised.value:.3f} ({promised.low:.3f} to {promised.high:.3f})"
                )
        qreal("screen", "compare", str(held_out), "--out", str(root / "compared"))
        print_comparison(root / "compared", truth)


if __name__ == "__main__":
    main()
