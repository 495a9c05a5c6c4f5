"""Personal tasks for a language model: synthetic users of real text, and LaMP's files."""

from lore_core.tasks.panel import Panel
from lore_core.tasks.task import Task

__all__ = ["Panel", "Task"]
