"""Rating: a response, and how many of five stars a person gives it. In the shape of LaMP-3.

Shapes: N users, M responses.
"""

import torch
from torch import Tensor

from lore_core.responses import Responses
from lore_core.tasks import tastes
from lore_core.tasks.panel import Panel
from lore_core.tasks.task import Task
from lore_core.tasks.traits import decodable
from lore_core.tools import checks, draws

PANEL = Panel()
LABELS = ("1", "2", "3", "4", "5")


def make(responses: Responses, seed: int, panel: Panel = PANEL, noise: float = 0.3) -> Task:
    """Synthetic users rate real responses.

    Args:
        responses: with the decodable traits, equally many to each prompt.
        seed: of all draws.
        panel: who takes part.
        noise: of a rating, in sd of the user's utility.

    Raises:
        ValueError: an argument is of another kind or out of range, or there are too few prompts.
    """
    checks.number("noise", noise)
    generator = draws.generator(seed)
    (user, rows, part), group, taste = people(responses, generator, panel)
    given = stars(tastes.noisy(taste @ decodable(responses).T, noise, generator))
    return Task(user, rows, given[user, rows], part, panel.cold, group, LABELS, ordered=True)


def tastes_of(responses: Responses, seed: int, panel: Panel = PANEL) -> Tensor:
    """What the users that `make` draws like: weights of the decodable traits, (N, 7) float64.

    For oracles and scores; no method is to see it.

    Args:
        responses, seed, panel: as in `make`.
    """
    return people(responses, draws.generator(seed), panel)[2]


def people(
    responses: Responses, generator: torch.Generator, panel: Panel
) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """Who is shown what (user, response and part), everybody's group, and everybody's taste."""
    traits = decodable(responses)
    checks.instance_of("panel", panel, Panel)
    shown = panel.items(responses.to("cpu"), generator)
    group = panel.groups(generator)
    return shown, group, tastes.draw(panel, traits, group, generator)


def stars(utilities: Tensor) -> Tensor:
    """Which fifth of the user's own utilities each lies in, (N, M): 0 to 4.

    Fifths of all responses, not of those in the history: the meaning of a star is then the user's
    and does not depend on which few were drawn.

    Args:
        utilities: (N, M), of all responses.
    """
    n = utilities.shape[1]
    least = utilities.sort(1).values[:, [-(-n * fifth // 5) for fifth in (1, 2, 3, 4)]]
    return torch.searchsorted(least.contiguous(), utilities.contiguous(), right=True)
