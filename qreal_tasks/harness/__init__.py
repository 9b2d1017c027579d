"""The only place that imports lmms_eval: registration, task hooks and the tasks' YAML."""

from pathlib import Path

TASKS_FOLDER = Path(__file__).parent / "tasks"
"""What lmms-eval indexes: by the plugin, or by ``--include_path "$(qreal tasks-path)"``."""
