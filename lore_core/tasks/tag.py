"""Tagging: a response, and which of six tags a person files it under. In the shape of LaMP-2.

A group ties every tag but one to a trait: what has much of it (or little) gets the tag. A person
says how much is much. The tag is the one whose threshold is passed by most; the last tag has a
threshold only. So a tag means one thing to one group and another to the next.

Shapes: N users, G groups, M responses, T traits, L tags.
"""

import torch
from torch import Tensor

from lore_core.responses import Responses
from lore_core.tasks.panel import Panel
from lore_core.tasks.task import Task
from lore_core.tasks.traits import decodable
from lore_core.tools import checks, draws

PANEL = Panel()
LABELS = ("A", "B", "C", "D", "E", "F")  # a letter is one token to any model
LAST = 0.5  # what a trait has to pass, in sd, lest the last tag be given: then all six are common


def make(responses: Responses, seed: int, panel: Panel = PANEL, noise: float = 0.3) -> Task:
    """Synthetic users tag real responses.

    Args:
        responses: with the decodable traits, equally many to each prompt.
        seed: of all draws.
        panel: who takes part. Its `own` is the personal share here too:
            the sd of a person's thresholds, in sd of a trait. `concentration`, `shared` and
            `distinct` play no part.
        noise: of what a user sees of a trait, in sd.

    Raises:
        ValueError: an argument is of another kind or out of range, or there are too few prompts.
    """
    traits = decodable(responses)
    checks.instance_of("panel", panel, Panel)
    checks.number("noise", noise)
    generator = draws.generator(seed)
    user, rows, part = panel.items(responses.to("cpu"), generator)
    group = panel.groups(generator)
    rules = draw_rules(panel.n_groups, traits.shape[1], generator)
    own = panel.own * draws.normal(generator, len(group), len(LABELS))
    seen = traits[rows] + noise * draws.normal(generator, len(rows), traits.shape[1])
    target = tags(seen, rules[group[user]], own[user])
    return Task(user, rows, target, part, panel.cold, group, LABELS)


def draw_rules(n_groups: int, n_traits: int, generator: torch.Generator) -> Tensor:
    """Which trait each group ties to each tag, and whether much or little of it counts.

    Returns:
        (G, L - 1, T): ±1 at the tag's trait, else 0; no trait has two tags.
    """
    order = torch.stack([draws.order(generator, n_traits) for _ in range(n_groups)])
    sign = (draws.uniform(generator, n_groups, n_traits) < 0.5).double().mul(2).sub(1)
    return torch.eye(n_traits, dtype=torch.float64)[order[:, : len(LABELS) - 1]] * sign[:, None]


def tags(traits: Tensor, rules: Tensor, own: Tensor) -> Tensor:
    """The tag of each item, (n,).

    Args:
        traits: (n, T) of the item's response, as its user sees it.
        rules: (n, L - 1, T) of the user's group.
        own: (n, L) how easily this user gives each tag.
    """
    found = torch.einsum("nlt,nt->nl", rules, traits)
    last = torch.full((len(found), 1), LAST, dtype=found.dtype)
    return (torch.cat([found, last], dim=1) + own).argmax(1)
