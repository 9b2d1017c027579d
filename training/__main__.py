"""``python -m training RECIPE``: what ``launch.py`` starts in every process, and what torchrun may."""

from qreal_tasks.console.command_line import run_program
from training.commands import train_app

run_program(train_app)
