"""What a data set needs beyond the course: the modules of the extra `hub`, imported when used."""

import warnings
from importlib import import_module
from types import ModuleType

from tqdm import TqdmWarning


def needed(name: str, purpose: str) -> ModuleType:
    """A module of the extra `hub`.

    Args:
        name: the module, as in `import name`.
        purpose: what needs it; begins the error message.

    Raises:
        ImportError: it is not installed; the message names the extra.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TqdmWarning)  # that bars in notebooks need ipywidgets
            return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs {name.split('.')[0]}: pip install 'lore-course[hub]'"
        ) from error
