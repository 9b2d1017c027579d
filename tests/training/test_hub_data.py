"""Training on a set of the hub: from an empty cache, on the commit that its revision named when the run began."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from few_rows import write_few
from hub_server import OWNER_TOKEN, READER_TOKEN, HubServer
from hub_user import HubUser
from huggingface_hub import HfApi

from qreal_tasks.dataset.source import DatasetError
from training.config import ConfigError, TrainConfig
from training.run.sft import train

pytestmark = pytest.mark.slow

SHORT: dict[str, Any] = {"max_steps": 1, "batch_size": 24, "epochs": 1, "held_out": {"share": 0}}


def test_a_run_keeps_to_its_commit_when_a_tag_moves_and_goes_on_without_a_network(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    with HubServer() as hub:
        owner = HubUser(hub.url, tmp_path / "owner", OWNER_TOKEN)
        first = owner.push(write_few(tmp_path / "few", 3), "org/few", "--tag", "v1", "--gated")
        recipe = config(**SHORT, data="org/few@v1")
        stranger = HubUser(hub.url, tmp_path / "stranger", READER_TOKEN)
        with stranger.here(), pytest.raises(DatasetError, match=r"^org/few@v1 \(hub\): it is gated: .* accept its ter"):
            train(recipe)
        assert not Path(str(recipe.output)).exists()

        user = HubUser(hub.url, tmp_path / "home", OWNER_TOKEN)
        with user.here():
            folder = train(recipe)
        data = json.loads((folder / "environment.json").read_text())["data"]
        assert (data["name"], data["revision"], data["commit"]) == ("org/few@v1", "v1", first)
        with user.here(offline=True):
            assert train(recipe, folder) == folder

        owner.push(write_few(tmp_path / "fewer", 2), "org/few")
        about: dict[str, Any] = {"repo_id": "org/few", "repo_type": "dataset"}
        with owner.here():
            HfApi().delete_tag(**about, tag="v1")
            HfApi().create_tag(**about, tag="v1")
        with user.here():
            with pytest.raises(ConfigError, match=f"write `data: org/few@{first}` into its config.yaml"):
                train(recipe, folder)
            assert train(recipe.model_copy(update={"data": f"org/few@{first}"}), folder) == folder
        assert hub.unknown == []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert OWNER_TOKEN.encode() not in path.read_bytes(), path
