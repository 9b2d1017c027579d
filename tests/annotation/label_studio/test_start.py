"""Setting the workplace up: names, addresses, and what is there already."""

from __future__ import annotations

import io
import socket
import stat
from pathlib import Path

import pytest
from answering import free_ports
from drafted_run import write_drafted_run
from PIL import Image

from annotation.errors import AnnotationError
from annotation.label_studio.environment import ENVIRONMENT, find_or_install
from annotation.label_studio.push import order_forms
from annotation.label_studio.server import new_account, run_servers
from annotation.label_studio.start import SetupRequest, TeamServers, set_up
from annotation.label_studio.tasks import crop_file_name, encode_for_browsers, image_file_name, write_media
from annotation.label_studio.workplace import load_workplace, lock_workplace
from annotation.merging.forms import load_forms
from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery
from qreal_tasks.files.system_errors import describe_os_error

NAMES = ["anna", "ben", "cara"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_drafted_run(tmp_path_factory.mktemp("run"), 12)


def test_accounts_are_kept_and_their_secrets_are_the_owners_alone(tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path, 2)
    made = set_up(run, SetupRequest(NAMES, port=9000))
    assert [account.url for account in made.accounts] == [f"http://127.0.0.1:{port}" for port in (9000, 9001, 9002)]
    assert len({account.token for account in made.accounts} | {account.password for account in made.accounts}) == 6
    assert set_up(run, SetupRequest(NAMES)) == made == load_workplace(run)
    path = run.verification_path / "workplace.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with_judge = set_up(run, SetupRequest(NAMES, "dora"))
    assert with_judge.adjudicator is not None
    assert with_judge.adjudicator.url == "http://127.0.0.1:9003"
    assert with_judge.annotators == made.accounts
    with pytest.raises(AnnotationError, match="is adjudicated by dora"):
        set_up(run, SetupRequest(NAMES, "emil"))
    moved = set_up(run, SetupRequest(NAMES, port=9100, adaptive=True))
    assert [account.url[-4:] for account in moved.accounts] == ["9100", "9101", "9102", "9103"]
    assert [account.token for account in moved.accounts] == [account.token for account in with_judge.accounts]
    assert set_up(run, SetupRequest(NAMES)).adaptive
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(AnnotationError, match="is verified by anna,ben,cara"):
        set_up(run, SetupRequest(["mia", "noah", "olga"]))


NAMING = {
    "one": (["anna"], "1 annotators, expected two to 9"),
    "twice": (["anna", "anna"], "a name stands twice"),
    "capital": (["Anna", "ben"], "'Anna': expected small letters"),
    "path": (["../x", "ben"], "'../x': expected small letters"),
}


@pytest.mark.parametrize("case", NAMING)
def test_names_that_will_not_do(tmp_path: Path, case: str) -> None:
    names, message = NAMING[case]
    with pytest.raises(AnnotationError, match=message):
        set_up(write_drafted_run(tmp_path, 1), SetupRequest(names))


URLS = [
    "labels.example.org",
    "ftp://x",
    "http://user:pass@x",
    "http://x?token=1",
    "http://x:abc",
    "http://[::1",
    "http://x:0",
]


@pytest.mark.parametrize("url", URLS)
def test_addresses_that_will_not_do(tmp_path: Path, url: str) -> None:
    team = TeamServers(dict.fromkeys(NAMES, url), dict.fromkeys(NAMES, "t"), "https://files.example.org")
    with pytest.raises(AnnotationError, match="expected http"):
        set_up(write_drafted_run(tmp_path, 1), SetupRequest(NAMES, team=team))


@pytest.mark.parametrize("token", ["", "a\nb", "tökén", "a b"])
def test_tokens_that_will_not_do_are_not_shown(tmp_path: Path, token: str) -> None:
    team = TeamServers(dict.fromkeys(NAMES, "http://x"), dict.fromkeys(NAMES, token), "https://files.example.org")
    with pytest.raises(AnnotationError, match="the token of anna") as raised:
        set_up(write_drafted_run(tmp_path, 1), SetupRequest(NAMES, team=team))
    assert not token or token not in str(raised.value)


def test_a_teams_tokens_can_be_renewed(tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path, 1)
    old = TeamServers(dict.fromkeys(NAMES, "http://x"), dict.fromkeys(NAMES, "old"), "https://files.example.org")
    set_up(run, SetupRequest(NAMES, team=old))
    new = TeamServers(old.urls, old.tokens | {"ben": "new"}, old.media_url)  # type: ignore[operator]
    assert [account.token for account in set_up(run, SetupRequest(NAMES, team=new)).accounts] == ["old", "new", "old"]
    with pytest.raises(AnnotationError, match="team's servers"):
        set_up(run, SetupRequest(NAMES, port=9000))


def test_lost_secrets_are_said_before_anything_is_started(tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path, 1)
    set_up(run, SetupRequest(NAMES))
    (run.verification_path / "workplace.json").unlink()
    (run.verification_path / "ben").mkdir()
    with pytest.raises(AnnotationError, match=r"ben holds ben's server, but workplace\.json"):
        set_up(run, SetupRequest(NAMES))


def test_a_setting_of_intake_changes_nothing_about_whose_votes_they_are(tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path, 1)
    made = set_up(run, SetupRequest(NAMES))
    run.config_path.write_text(run.config_path.read_text().replace("min_side_px: 32", "min_side_px: 31"))
    again = RunFolder(run.path)
    assert again.recipe("intake") != run.recipe("intake")
    assert load_workplace(again) == made


def test_two_programs_do_not_push_at_once(run: RunFolder) -> None:
    with (
        lock_workplace(run, "start"),
        pytest.raises(AnnotationError, match=r"verify start` is at work .* before you push"),
        lock_workplace(run, "push"),
    ):
        pass


def test_a_damaged_or_missing_workplace_says_what_to_do(tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path, 1)
    with pytest.raises(AnnotationError, match="nobody verifies it yet; `qreal annotate verify start"):
        load_workplace(run)
    path = run.verification_path / "workplace.json"
    path.parent.mkdir()
    path.write_text('{"form": 1}')
    with pytest.raises(AnnotationError, match=r"workplace\.json cannot be read"):
        load_workplace(run)


def test_whole_prompts_come_one_after_the_other(run: RunFolder) -> None:
    """In an order that is the same for everybody and follows neither the drafts nor the generators."""
    forms = load_forms(run)
    ordered = order_forms(forms)
    prompts = [form.prompt_id for form in ordered]
    assert {form.entity_id for form in ordered} == forms.keys()
    assert len([p for n, p in enumerate(prompts) if n == 0 or p != prompts[n - 1]]) == len(set(prompts))
    assert order_forms(dict(reversed(forms.items()))) == ordered
    assert ordered != list(forms.values())


def test_pictures_are_the_files_that_came_in_and_lossless_crops(run: RunFolder, tmp_path: Path) -> None:
    write_media(run, tmp_path, run.shard_numbers)
    contents = {picture.image_id: picture.content for shard in run.shard_numbers for picture in run.pictures(shard)}
    for form in load_forms(run).values():
        whole = tmp_path / image_file_name(form.image_id)
        assert whole.read_bytes() == contents[form.image_id]
        x1, y1, x2, y2 = map(round, form.bbox_px)
        with Image.open(whole) as image, Image.open(tmp_path / crop_file_name(form)) as crop:
            assert crop.tobytes() == image.convert("RGB").crop((x1, y1, x2, y2)).tobytes()
    count = len(list(tmp_path.iterdir()))
    write_media(run, tmp_path, run.shard_numbers)
    assert len(list(tmp_path.iterdir())) == count


def test_a_picture_that_browsers_would_turn_is_stored_as_it_is_judged(tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path / "a", 1)
    picture = run.pictures(0)[0]
    turned = tmp_path / "turned.jpg"
    with Image.open(io.BytesIO(picture.content)) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.convert("RGB").save(turned, exif=exif)
    one = AcceptedImage(**{**vars(picture), "content": turned.read_bytes()})
    shown = encode_for_browsers(one, Gallery([one]))
    with Image.open(io.BytesIO(shown)) as image:
        assert image.format == "PNG"
        assert image.tobytes() == Gallery([one]).whole(one.image_id).tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "L"])
def test_pictures_of_other_modes_are_shown_as_models_see_them(tmp_path: Path, mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (40, 40), 0).save(out, "JPEG" if mode == "CMYK" else "PNG")
    one = AcceptedImage("a", out.getvalue(), 40, 40, "a", "", "p", "g")
    with Image.open(io.BytesIO(encode_for_browsers(one, Gallery([one])))) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert image.tobytes() == Gallery([one]).whole("a").tobytes()


def test_a_full_disk_is_said_with_the_file(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left on device") as refused:
        write_media(run, tmp_path, run.shard_numbers)
    assert describe_os_error(refused.value).startswith(f"disk full while writing {tmp_path}/")
    assert describe_os_error(refused.value).endswith(
        ".png: No space left on device; free some space there, or name another folder"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    port = free_ports(1)
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "label_studio.sqlite3").touch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        account = new_account("anna", port)
        with (
            pytest.raises(AnnotationError, match=f"port {port}, which anna's links name, is in use"),
            run_servers(Path("label-studio"), [account], tmp_path, tmp_path / "media", "127.0.0.1"),
        ):
            pass


def test_a_program_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "nothing"))
    with pytest.raises(AnnotationError, match=f"{ENVIRONMENT}=.*nothing: there is no such program"):
        find_or_install()


def test_an_installation_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index cannot be reached."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(AnnotationError, match=r"Label Studio .*(cannot be installed|gets an environment)"):
        find_or_install(tmp_path / "environment")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
