"""``python -m training RECIPE``: what ``launch.py`` starts in every process, and what torchrun may."""

from qreal_tasks.console.command_line import errors_told
from qreal_tasks.console.terminal import prepare
from training.commands import train_app

prepare()
with errors_told():
    train_app()
