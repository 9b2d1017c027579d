"""Images of a dataset on the hub, through the real clients."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_http import refuse
from hub_server import OWNER_TOKEN, READER_TOKEN, SIGNATURE, HubServer
from hub_user import HubUser
from small_set import small_rows, write_hub_layout

from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.settings import IntakeSettings
from qreal_tasks.intake.table import HubSource

pytestmark = pytest.mark.slow


def test_the_pictures_of_a_private_set_or_why_not(tmp_path: Path) -> None:
    folder = write_hub_layout(tmp_path / "set", {"imageqa": small_rows()["imageqa"]})
    with HubServer() as hub:
        HubUser(hub.url, tmp_path / "owner", OWNER_TOKEN).push(folder, "org/images", "--private", "--tag", "v1")
        settings = IntakeSettings(split="test")
        with HubUser(hub.url, tmp_path / "home", OWNER_TOKEN).here():
            source = HubSource("org/images@v1", settings)
            assert len(list(source.listing())) == 3
        with HubUser(hub.url, tmp_path / "other", READER_TOKEN).here(), pytest.raises(IntakeError) as raised:
            HubSource("org/images", settings)
        assert str(raised.value) == (
            "org/images, split test, cannot be loaded (Dataset 'org/images' doesn't exist on the Hub or cannot be "
            "accessed; check name and revision; if it is private or gated, log in with `hf auth login` or set HF_TOKEN)"
        )
        hub.instead = lambda asked: refuse(503, "busy") if asked.at_storage else None
        with HubUser(hub.url, tmp_path / "later", OWNER_TOKEN).here(), pytest.raises(IntakeError) as raised:
            HubSource("org/images", settings)
        assert "the hub has trouble of its own (503: busy); try again later" in str(raised.value)
        assert SIGNATURE not in str(raised.value)
        assert hub.unknown == []
