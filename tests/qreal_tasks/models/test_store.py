"""``AnswerStore``: what the key depends on, several processes, and runs killed in the middle."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.store import AnswerStore, StoreError, answer_with_store

PIXELS = np.random.default_rng(5).integers(0, 256, (6, 4, 3), dtype=np.uint8)
IMAGE = Image.fromarray(PIXELS)
SCORED = Response("Yes", ("Yes", "No"), p=(0.1 + 0.2, 0.7), mass=1e-300, input_size=(3, 4))


class Echo:
    """Answers with the text of the request; what starts with "bad" fails on the way."""

    def __init__(self, name: str = "echo") -> None:
        self.name = name
        self.asked: list[str] = []

    def identity(self) -> Mapping[str, Any]:
        return {"model": self.name}

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        for index in reversed(range(len(requests))):
            if index in known:
                continue
            text = requests[index].text
            self.asked.append(text)
            yield index, Response(text, unanswered="request failed: 500" if text.startswith("bad") else None)


def key(image: Image.Image = IMAGE, text: str = "?", **settings: Any) -> str:
    return AnswerStore.key(settings.pop("identity", {"model": "m"}), Request(image, text, **settings))


def test_a_response_comes_back_unchanged(tmp_path: Path) -> None:
    answers = {"scored": SCORED, "plain": Response("ünï\ud7ffcode\n"), "refused": Response("", unanswered="refused")}
    with AnswerStore(tmp_path / "new" / "answers.sqlite") as store:
        for name, answer in answers.items():
            store.put(name, answer)
        assert store.get_many([*answers, "missing"]) == answers
    with AnswerStore(tmp_path / "new" / "answers.sqlite") as store:
        assert store.get_many(answers) == answers
        assert len(store) == 3


def test_the_first_answer_stays(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a") as one, AnswerStore(tmp_path / "a") as two:
        assert one.put("k", Response("first")) == Response("first")
        assert two.put("k", Response("second")) == Response("first")


def test_thousands_of_keys_at_once(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a") as store:
        for n in range(1200):
            store.put(str(n), Response(str(n)))
        assert len(store.get_many(str(n) for n in range(2000))) == 1200


def test_same_pixels_from_different_files_have_one_key(tmp_path: Path) -> None:
    IMAGE.save(tmp_path / "a.png", compress_level=0)
    IMAGE.save(tmp_path / "b.png", compress_level=9, dpi=(300, 300))
    IMAGE.save(tmp_path / "c.bmp")
    assert {key(Image.open(tmp_path / name)) for name in ("a.png", "b.png", "c.bmp")} == {key()}


def test_answers_with_choices_have_another_key_than_before_and_others_have_theirs() -> None:
    """Of one answer with choices an earlier version may have kept the first word alone: the two are never mixed."""
    assert key(max_new_tokens=2048) == "73ec68f739d7650530470348954d73a69610ac9cc728be692ab4d7482584b358"
    assert key(choices=("Yes", "No")) != "fb053d926a5c61cea6081195fe974b056b8658167bf0b784da79a3e14f90e05a"


def test_everything_an_answer_depends_on_changes_the_key() -> None:
    one_pixel = PIXELS.copy()
    one_pixel[3, 2, 1] ^= 1
    palette = IMAGE.convert("P", palette=Image.Palette.ADAPTIVE)
    recoloured = palette.copy()
    recoloured.putpalette(palette.getpalette()[::-1])  # type: ignore[index]
    see_through = palette.copy()
    see_through.info["transparency"] = 0
    keys = [
        key(),
        key(Image.fromarray(one_pixel)),
        key(Image.fromarray(PIXELS.reshape(4, 6, 3))),
        key(IMAGE.convert("L")),
        key(palette),
        key(recoloured),
        key(see_through),
        key(text="? "),
        key(choices=("Yes", "No")),
        key(choices=("No", "Yes")),
        key(max_new_tokens=17),
        key(identity={"model": "n"}),
        key(identity={"model": "m", "seed": 1}),
    ]
    assert len(set(keys)) == len(keys)
    assert key(identity={"a": 1, "b": 2}) == key(identity={"b": 2, "a": 1})


def test_equal_requests_are_asked_once_and_failures_again(tmp_path: Path) -> None:
    requests = [Request(IMAGE, text) for text in ("a", "b", "a", "bad", "a")]
    with AnswerStore(tmp_path / "a") as store:
        engine = Echo()
        first = dict(answer_with_store(engine, store, requests))
        assert sorted(engine.asked) == ["a", "b", "bad"]
        assert [first[n].text for n in range(5)] == ["a", "b", "a", "bad", "a"]
        again = Echo()
        assert dict(answer_with_store(again, store, requests)) == first
        assert again.asked == ["bad"]
        other = Echo("other")
        dict(answer_with_store(other, store, requests))
        assert sorted(other.asked) == ["a", "b", "bad"]


@pytest.mark.parametrize(
    ("reply", "asked_again"),
    [
        pytest.param(completion(None, refusal="no"), False, id="refusal"),
        pytest.param(error(400, code="content_filter"), False, id="content filter"),
        pytest.param(completion(""), False, id="empty"),
        pytest.param(error(400, "odd request"), True, id="refused request"),
        pytest.param(error(500), True, id="server error"),
    ],
)
def test_the_models_own_outcomes_are_stored(tmp_path: Path, reply: Reply, asked_again: bool) -> None:
    requests = [Request(IMAGE, "good"), Request(IMAGE, "odd")]

    def script(asked: Asked) -> Reply:
        return reply if asked.text == "odd" else completion("Yes")

    with ScriptedServer(script) as server, AnswerStore(tmp_path / "a") as store:
        engine = OpenAIEngine("m", base_url=server.url, api_key="k", max_retries=0)
        before = dict(answer_with_store(engine, store, requests))
        assert dict(answer_with_store(engine, store, requests)) == before
    assert sum(asked.text == "odd" for asked in server.asked) == (2 if asked_again else 1)


def test_an_unreadable_picture_does_not_end_the_run(tmp_path: Path) -> None:
    IMAGE.resize((200, 200)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:300])
    requests = [Request(Image.open(tmp_path / "cut.png"), "?"), Request(IMAGE, "?")]
    with ScriptedServer(lambda _: completion("Yes")) as server, AnswerStore(tmp_path / "a") as store:
        engine = OpenAIEngine("m", base_url=server.url, api_key="k")
        found = dict(answer_with_store(engine, store, requests))
        assert len(store) == 1
    assert str(found[0].unanswered).startswith("image cannot be sent: ")
    assert found[1].text == "Yes"


def test_what_is_known_is_counted_before_anything_is_asked(tmp_path: Path) -> None:
    requests = [Request(IMAGE, text) for text in ("a", "b", "a", "bad")]
    counts: list[tuple[int, int]] = []
    with AnswerStore(tmp_path / "a") as store:
        for asked in (requests, requests, []):
            dict(answer_with_store(Echo(), store, asked, lambda known, to_ask: counts.append((known, to_ask))))
    assert counts == [(0, 4), (3, 1), (0, 0)]


def test_a_picture_that_raises_any_error_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    IMAGE.resize((200, 200)).save(tmp_path / "large.png")
    image = Image.open(tmp_path / "large.png")
    monkeypatch.setattr(image, "tobytes", lambda: (_ for _ in ()).throw(Image.DecompressionBombError("huge")))
    with AnswerStore(tmp_path / "a") as store:
        assert dict(answer_with_store(Echo(), store, [Request(image, "?")]))[0].text == "?"


def test_half_a_surrogate_pair_is_stored_and_not_taken_for_damage(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a") as store:
        store.put("k", Response("\ud800"))
        assert store.get_many(["k"]) == {"k": Response("\ud800")}
        with pytest.raises(UnicodeEncodeError):
            store.put("\ud800", Response("a key that SQLite cannot take"))


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE mine (x)")


def newer_version(path: Path) -> None:
    AnswerStore(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")


def damaged(path: Path) -> None:
    with AnswerStore(path) as store:
        for n in range(200):
            store.put(f"{n:064}", Response("x" * 200))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x07" * (len(content) - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "output"),
    [
        pytest.param(foreign_database, "belongs to another program or version", id="another program's"),
        pytest.param(newer_version, "belongs to another program or version", id="a newer version's"),
        pytest.param(damaged, "is no answer store or is damaged", id="damaged"),
        pytest.param(lambda path: path.write_text("notes, " * 999), "is no answer store or is damaged", id="text"),
        pytest.param(lambda path: path.mkdir(), "cannot be used", id="folder"),
    ],
)
def test_another_file_is_refused_and_left_alone(tmp_path: Path, make: Any, output: str) -> None:
    path = tmp_path / "answers.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with (
        pytest.raises(StoreError, match=f"answers.sqlite {output}") as caught,
        AnswerStore(path) as store,
    ):
        store.get_many([f"{n:064}" for n in range(200)])
    error = caught.value  # the first error of a printed chain is what qreal eval shows as the reason
    assert error.__suppress_context__ or error.__context__ is None
    if path.is_file():
        assert path.read_bytes() == before


WRITER = """
import sys
from qreal_tasks.models.requests import Response
from qreal_tasks.models.store import AnswerStore

path, start, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with AnswerStore(path) as store:
    for n in range(start, stop):
        store.put(str(n), Response(str(n)))
"""


@pytest.mark.slow
def test_several_processes_write_at_once(tmp_path: Path) -> None:
    ranges = [(0, 400), (200, 600), (500, 900)]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "a"), str(start), str(stop)])
        for start, stop in ranges
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    with AnswerStore(tmp_path / "a") as store:
        assert store.get_many(map(str, range(900))) == {str(n): Response(str(n)) for n in range(900)}


ASKER = """
import sys
import numpy as np
from PIL import Image
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.requests import Request
from qreal_tasks.models.store import AnswerStore, answer_with_store

path, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
image = Image.fromarray(np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
requests = [Request(image, str(n), ("Yes", "No")) for n in range(count)]
engine = OpenAIEngine("m", base_url=url, api_key="key", concurrency=8)
with AnswerStore(path) as store:
    for index, response in sorted(answer_with_store(engine, store, requests)):
        print(index, response)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_killed_runs_go_on_where_they_stopped(tmp_path: Path) -> None:
    count, rng = 300, random.Random(11)

    def script(asked: Asked) -> Reply:
        p = (int(asked.text) * 37 % 101 + 1) / 103
        return completion("Yes", {"Yes": p, "No": 1 - p}, delay_s=0.02)

    def start(path: Path, url: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", ASKER, str(path), url, str(count)]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=os.environ)

    with ScriptedServer(script) as server:
        whole, _ = start(tmp_path / "whole", server.url).communicate(timeout=120)
        assert whole.count("\n") == count
        server.asked.clear()
        path, stored = tmp_path / "killed", set[str]()
        for _ in range(2):
            at_start = len(server.asked)
            run = start(path, server.url)
            while len(server.asked) == at_start:
                time.sleep(0.005)
            time.sleep(rng.uniform(0.02, 0.2))
            run.kill()
            run.communicate(timeout=30)
            asked_in_this_run = {asked.text for asked in server.asked[at_start:]}
            assert not stored & asked_in_this_run, "asked although it was stored"
            stored = texts_stored(path, server.url, count)
        at_start = len(server.asked)
        resumed, _ = start(path, server.url).communicate(timeout=120)
        assert len(server.asked) - at_start == count - len(stored)
    assert 0 < len(stored) < count
    assert resumed == whole
    # Only what was under way when a run was killed can have been asked before: 8 places, and what just came back.
    assert sum(times - 1 for times in Counter(asked.text for asked in server.asked).values()) <= 2 * 16


def texts_stored(path: Path, url: str, count: int) -> set[str]:
    """The texts whose answers are in the store, found through their keys."""
    image = Image.fromarray(np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
    identity = OpenAIEngine("m", base_url=url, api_key="key").identity()
    texts = {AnswerStore.key(identity, Request(image, str(n), ("Yes", "No"))): str(n) for n in range(count)}
    with AnswerStore(path) as store:
        return {texts[key] for key in store.get_many(texts)}
