"""What is needed beyond the course: modules of an extra, most often `hub`, imported when used."""

import warnings
from importlib import import_module
from types import ModuleType

from tqdm import TqdmWarning


def needed(name: str, purpose: str, of: str = "hub") -> ModuleType:
    """A module of an extra.

    Args:
        name: the module, as in `import name`.
        purpose: what needs it; begins the error message.
        of: the extra.

    Raises:
        ImportError: it is not installed; the message names the extra.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TqdmWarning)  # that bars in notebooks need ipywidgets
            return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs {name.split('.')[0]}: pip install 'lore-course[{of}]'"
        ) from error
