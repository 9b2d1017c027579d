"""A screening from a folder to its tables: what is written, resumed, and judged once."""

from __future__ import annotations

import csv
import json
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from labelled import fit_made_up
from refusing import no_room
from scripted_screening import AnsweringEngine, answer, encode, measure_peak, picture, results, screened, write_images

from qreal_tasks.benchmark import Dimension
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.screening.calibration.record import save_calibration
from qreal_tasks.screening.rows import read_rows
from qreal_tasks.screening.run.errors import ScreeningError
from qreal_tasks.screening.run.record import read_record
from qreal_tasks.screening.run.screening import ScreeningOptions, ScreeningWatcher


def test_every_form_holds_the_same_rows_in_the_order_of_the_folder(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 10)
    (images / "a" / "00001.txt").write_text("=HYPERLINK(1)")
    summary = screened(images, tmp_path / "out")
    rows = list(read_rows(tmp_path / "out"))
    names = [path.relative_to(images).as_posix() for path in sorted(images.rglob("*.png"))]
    assert [row["image"] for row in rows] == names
    assert {row["state"] for row in rows} == {"judged"}
    assert [row["generator"] for row in rows] == ["a"] * 5 + ["b"] * 5
    assert rows[0]["prompt"] == "=HYPERLINK(1)"
    assert rows[0]["prompt_id"] is rows[1]["prompt"] is None
    lines = (tmp_path / "out" / "images.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows
    with (tmp_path / "out" / "images.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert [one["image"] for one in cells] == names
    assert cells[0]["prompt"] == "'=HYPERLINK(1)"
    assert [float(one["severity"]) for one in cells] == [row["severity"] for row in rows]
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert written == summary.to_json()
    assert written["states"] == {"judged": 10, "unread": 0, "refused": 0, "repeated": 0}
    assert [one["generator"] for one in written["generators"]] == ["a", "b"]
    assert len(list((tmp_path / "out" / "thumbnails").rglob("*.jpg"))) == 10
    assert not (tmp_path / "out" / "images.partial.jsonl").exists()


def test_equal_pixels_are_judged_once_across_shards(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 9)
    for name, kind in (("c.bmp", "BMP"), ("b/00000.tiff", "TIFF"), ("z/again.png", "PNG")):
        (images / name).parent.mkdir(exist_ok=True)
        (images / name).write_bytes(encode(picture(0), kind))
    engine = AnsweringEngine()
    screened(images, tmp_path / "out", engine)
    rows = {row["image"]: row for row in read_rows(tmp_path / "out")}
    assert engine.whole_images == 9
    first = next(row for row in rows.values() if row["pixels"] == rows["z/again.png"]["pixels"])
    assert first["state"] == "judged"
    repeated = [row for row in rows.values() if row["state"] == "repeated"]
    assert len(repeated) == 3
    for row in repeated:
        assert row["same_as"] == first["image"]
        assert (row["severity"], row["entities"]) == (first["severity"], first["entities"])


def test_a_folder_that_grew_is_gone_on_with(tmp_path: Path) -> None:
    """New files stand between the old ones; the old ones are neither read nor judged again, and what comes out is what
    one run over all gives."""
    images = write_images(tmp_path / "images", 7)
    screened(images, tmp_path / "out")
    write_images(images, 6, first=100)
    (images / "a" / "00000_copy.png").write_bytes(encode(picture(0)))
    (images / "b" / "00002.png").unlink()
    engine = AnsweringEngine()
    checked = Counter[str]()
    watcher = ScreeningWatcher(advance=lambda step, count, _: checked.update({step: count}))
    screened(images, tmp_path / "out", engine, watcher=watcher)
    assert engine.whole_images == checked["judging"] == 6
    assert checked["checking"] == 7
    screened(images, tmp_path / "once")
    grown, once = results(tmp_path / "out"), results(tmp_path / "once")
    assert grown == once
    assert not any(row["image"] == "b/00002.png" for row in read_rows(tmp_path / "out"))


def test_a_file_that_was_written_over_is_judged_anew(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 5)
    screened(images, tmp_path / "out")
    (images / "a" / "00001.png").write_bytes(encode(picture(77)))
    engine = AnsweringEngine()
    screened(images, tmp_path / "out", engine)
    assert engine.whole_images == 1
    screened(images, tmp_path / "once")
    assert results(tmp_path / "out") == results(tmp_path / "once")


def test_a_file_that_changes_under_way_is_said_and_judged_by_the_next_start(tmp_path: Path) -> None:
    """Its copy, which was not judged since this one stood for both, is judged too."""
    images = write_images(tmp_path / "images", 8)
    (images / "b" / "zz.png").write_bytes(encode(picture(1)))

    def overwrite(step: str, done: int, total: int) -> None:
        if step == "judging" and done == 0:
            (images / "a" / "00001.png").write_bytes(encode(picture(78)))

    screened(images, tmp_path / "out", watcher=ScreeningWatcher(begin=overwrite))
    rows = {row["image"]: row for row in read_rows(tmp_path / "out")}
    assert rows["a/00001.png"]["state"] == rows["b/zz.png"]["state"] == "refused"
    assert "changed between checking and judging" in str(rows["a/00001.png"]["reason"])
    screened(images, tmp_path / "out")
    screened(images, tmp_path / "once")
    assert results(tmp_path / "out") == results(tmp_path / "once")


def test_lines_grow_while_it_runs_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 12)
    seen: list[int] = []

    class Stop(KeyboardInterrupt):
        pass

    def watch(step: str, count: int, failed: int) -> None:
        path = tmp_path / "out" / "images.partial.jsonl"
        seen.append(len(path.read_text().splitlines()) if path.exists() else -1)
        if step == "judging" and len(seen) == 6:
            raise Stop

    with pytest.raises(Stop):
        screened(images, tmp_path / "out", watcher=ScreeningWatcher(advance=watch))
    assert seen == [-1, -1, -1, 0, 4, 8]
    assert not (tmp_path / "out" / "images.parquet").exists()
    with pytest.raises(ValueError, match="has not ended"):
        list(read_rows(tmp_path / "out"))
    engine = AnsweringEngine()
    screened(images, tmp_path / "out", engine)
    assert engine.whole_images == 0
    screened(images, tmp_path / "once")
    assert results(tmp_path / "out") == results(tmp_path / "once")


def test_another_model_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 5)
    screened(images, tmp_path / "out")
    before = results(tmp_path / "out")
    other = AnsweringEngine(name="another")
    with pytest.raises(ScreeningError, match=r"was judged otherwise \(model was .*scripted.* is .*another.*--anew"):
        screened(images, tmp_path / "out", other)
    with pytest.raises(ScreeningError, match=r"detect was true, is false"):
        screened(images, tmp_path / "out", detect=False)
    with pytest.raises(ScreeningError, match="holds a run over"):
        screened(write_images(tmp_path / "others", 1), tmp_path / "out")
    assert results(tmp_path / "out") == before
    screened(images, tmp_path / "out", other, ScreeningOptions(anew=True))
    assert other.whole_images == 5


def test_options_may_be_mended_where_no_model_has_answered(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 3)

    def refuse(request: Request) -> Response:
        raise OSError("no such model")

    with pytest.raises(OSError, match="no such model"):
        screened(images, tmp_path / "out", AnsweringEngine(refuse, "misspelt"))
    screened(images, tmp_path / "out", AnsweringEngine())
    assert {row["state"] for row in read_rows(tmp_path / "out")} == {"judged"}


def test_weighting_and_calibration_need_no_model(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 6)
    screened(images, tmp_path / "out")
    engine = AnsweringEngine()
    screened(images, tmp_path / "out", engine, weighting="equal")
    assert engine.asked == []
    screened(images, tmp_path / "once", weighting="equal")
    assert results(tmp_path / "out") == results(tmp_path / "once")
    for row in read_rows(tmp_path / "out"):
        importance = [one["importance"] or 0 for one in row["entities"]]
        assert importance == sorted(importance, reverse=True)


def test_a_picture_that_the_model_fails_at_is_not_the_end(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 6)
    bad = picture(3).tobytes()

    def fails(request: Request) -> Response:
        if request.image.tobytes() == bad:
            raise RuntimeError("index out of range\nin self")
        return answer(request)

    summary = screened(images, tmp_path / "out", AnsweringEngine(fails))
    rows = {row["image"]: row for row in read_rows(tmp_path / "out")}
    assert Counter(row["state"] for row in rows.values()) == {"judged": 5, "unread": 1}
    assert rows["a/00003.png"]["reason"] == "the model failed: RuntimeError: index out of range in self"
    assert (summary.whole.either.told, rows["a/00003.png"]["width"]) == (5, 48)
    engine = AnsweringEngine()
    screened(images, tmp_path / "out", engine)
    assert engine.whole_images == 0
    screened(images, tmp_path / "out", engine, ScreeningOptions(retry_unread=True))
    assert engine.whole_images == 4  # its shard
    screened(images, tmp_path / "once")
    assert results(tmp_path / "out") == results(tmp_path / "once")


def test_a_picture_that_the_model_fails_at_may_be_alone_in_its_shard(tmp_path: Path) -> None:
    bad = picture(4).tobytes()

    def fails(request: Request) -> Response:
        if request.image.tobytes() == bad:
            raise RuntimeError("no such key: sk-abcdefgh1234")
        return answer(request)

    screened(write_images(tmp_path / "images", 5), tmp_path / "out", AnsweringEngine(fails))
    rows = {row["image"]: row for row in read_rows(tmp_path / "out")}
    assert Counter(row["state"] for row in rows.values()) == {"judged": 4, "unread": 1}
    assert rows["b/00004.png"]["reason"] == "the model failed: RuntimeError: no such key: <key>"


def test_a_model_that_fails_at_everything_stops_the_run(tmp_path: Path) -> None:
    def fails(request: Request) -> Response:
        raise RuntimeError("CUDA error")

    with pytest.raises(RuntimeError, match="CUDA error"):
        screened(write_images(tmp_path / "images", 6), tmp_path / "out", AnsweringEngine(fails))


def test_model_texts_are_kept_as_text(tmp_path: Path) -> None:
    label = "<script>alert(1)</script>\ud800\u202e"

    def hostile(request: Request) -> Response:
        if request.choices:
            return answer(request)
        entity: dict[str, Any] = {"bbox_2d": [0, 0, 500, 500], "label": label, "description": "=1+1\n\x00"}
        return Response(json.dumps([entity]))

    screened(write_images(tmp_path / "images", 1), tmp_path / "out", AnsweringEngine(hostile))
    [row] = read_rows(tmp_path / "out")
    assert row["entities"][0]["label"].startswith("<script>alert(1)</script>?")
    with (tmp_path / "out" / "images.csv").open(encoding="utf-8", newline="") as file:
        [cells] = csv.DictReader(file)
    assert cells["entity_realism"].startswith("'=1+1")


def test_out_among_the_images_and_nothing_to_screen_are_refused(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 1)
    with pytest.raises(ScreeningError, match="is inside the images"):
        screened(images, images / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScreeningError, match="holds no file or row"):
        screened(tmp_path / "empty", tmp_path / "out")


def test_a_disk_that_fills_up_under_way_loses_nothing(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 10)
    with ExitStack() as stack:

        def fill(step: str, count: int, failed: int) -> None:
            if step == "judging":
                stack.enter_context(no_room())

        with pytest.raises(OSError, match="File too large") as refused:
            screened(images, tmp_path / "out", watcher=ScreeningWatcher(advance=fill))
    assert str(refused.value.filename).startswith(str(tmp_path / "out"))
    engine = AnsweringEngine()
    screened(images, tmp_path / "out", engine)
    assert engine.whole_images == 6  # the first shard is there
    screened(images, tmp_path / "once")
    assert results(tmp_path / "out") == results(tmp_path / "once")


def test_a_calibration_is_of_one_model_and_needs_no_judging(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 6)
    screened(images, tmp_path / "out")
    raw = {row["image"]: row for row in read_rows(tmp_path / "out")}
    made = fit_made_up(**read_record(tmp_path / "out").asked)
    save_calibration(made, tmp_path / "fitted.json")
    engine = AnsweringEngine()
    summary = screened(images, tmp_path / "out", engine, calibration=tmp_path / "fitted.json")
    assert engine.asked == []
    assert summary.calibrated
    assert summary.thresholds == {one: made.threshold(one) for one in Dimension}
    for row in read_rows(tmp_path / "out"):
        before = raw[row["image"]]["p_realism"]
        assert (row["raw_p_realism"], row["p_realism"]) == (before, made.apply(before or 0.0, Dimension.REALISM))
    with pytest.raises(ScreeningError, match=r"fitted\.json was fitted for another model .*\(model differ\)"):
        screened(images, tmp_path / "other", AnsweringEngine(name="another"), calibration=tmp_path / "fitted.json")


def test_rows_of_an_earlier_model_are_not_taken_for_those_of_the_next(tmp_path: Path) -> None:
    """Stopped while another model judges all anew: the tables are still the first one's."""
    images = write_images(tmp_path / "images", 6)
    screened(images, tmp_path / "out")

    class Stop(KeyboardInterrupt):
        pass

    def stop(step: str, count: int, failed: int) -> None:
        raise Stop

    other = AnsweringEngine(name="another")
    with pytest.raises(Stop):
        screened(images, tmp_path / "out", other, ScreeningOptions(anew=True), ScreeningWatcher(advance=stop))
    with pytest.raises(ValueError, match="the run has not ended; start it again"):
        read_record(tmp_path / "out")
    screened(images, tmp_path / "out", other)
    assert read_record(tmp_path / "out").asked["model"] == {"loaded": {"engine": "another"}}


def test_home_is_found_in_the_name_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell leaves ~ in --out=~/screened as it is."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    screened(write_images(tmp_path / "images", 2), Path("~/screened"))
    assert (tmp_path / "home" / "screened" / "images.parquet").exists()
    assert not (tmp_path / "~").exists()


def test_an_empty_name_is_not_the_current_folder(tmp_path: Path) -> None:
    with pytest.raises(ScreeningError, match="the name of the images is empty"):
        screened("", tmp_path / "out")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    peaks = {}
    for count in (32, 320):
        images = write_images(tmp_path / f"images {count}", count)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            peaks[count] = pool.submit(measure_peak, str(images), str(tmp_path / f"out {count}")).result()
    print(f"peak memory in KiB by images: {peaks}")
    assert peaks[320] <= 1.1 * peaks[32]
