"""Who takes part in a task, with what tastes, and which responses each is shown.

Shapes: N users, M responses, T traits, n items.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.responses import Responses
from lore_core.splits import check_parts, study_prompts
from lore_core.tasks.task import PARTS
from lore_core.tools import checks, draws

COLD = (1, 4)  # items in the history of a user who comes later


@dataclass(frozen=True)
class Panel:
    """How many users there are, how they are alike, and how much is known of them.

    Args:
        n_users: who take part in what is learned from all.
        n_cold: who come later, with one to four items each.
        n_groups: G; users are spread evenly.
        shortest, longest: items in a history; its logarithm is uniform.
        n_validation, n_test: further items of each user.
        concentration: of the Dirichlet that tastes are drawn from.
        own: ρ, the personal share of a taste; the rest is the group's.
        shared: σ, the share of a taste that everybody has; groups and persons share the rest.
        distinct: the utilities of any two groups correlate by less.
    """

    n_users: int = 100
    n_cold: int = 20
    n_groups: int = 5
    shortest: int = 4
    longest: int = 64
    n_validation: int = 20
    n_test: int = 60
    concentration: float = 0.3
    own: float = 0.4
    shared: float = 0.0
    distinct: float = 0.3

    def __post_init__(self) -> None:
        sizes = {name: getattr(self, name) for name in ("n_users", "n_groups", "shortest")}
        checks.whole_numbers(1, **sizes)
        counts = {name: getattr(self, name) for name in ("n_cold", "n_validation", "n_test")}
        checks.whole_numbers(0, **counts)
        checks.whole_number("longest", self.longest, at_least=self.shortest)
        checks.number("concentration", self.concentration, above=True)
        for name in ("own", "shared", "distinct"):
            if checks.number(name, getattr(self, name)) > 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 to 1")

    @property
    def cold(self) -> Tensor:
        """Who comes later, (N,): the last ones."""
        return torch.arange(self.n_users + self.n_cold) >= self.n_users

    def groups(self, generator: torch.Generator) -> Tensor:
        """Everybody's group at random, (N,); among those who come later, again evenly."""
        blocks = [draws.order(generator, n) for n in (self.n_users, self.n_cold)]
        return torch.cat(blocks) % self.n_groups

    def lengths(self, generator: torch.Generator) -> Tensor:
        """How many items everybody's history has, (N,)."""
        short, long = torch.tensor([(self.shortest, self.longest), COLD]).T[:, self.cold.long()]
        share = draws.uniform(generator, len(self.cold))
        drawn = (short * ((long + 1) / short) ** share).floor().long()
        return torch.minimum(drawn, long)  # rounding must not add one

    def items(self, responses: Responses, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Which responses everybody is shown: at most one to a prompt.

        Prompts are split once for all: 60 % for histories, 10 % for validation, 30 % for test, so
        a test prompt is in nobody's history.

        Args:
            responses: with equally many to each prompt.
            generator: source of the draws.

        Returns:
            user, response and part, (n,) each.

        Raises:
            ValueError: there are too few prompts for what is asked.
        """
        prompts = study_prompts(responses, generator)
        check_parts("prompts", prompts)
        wanted = [self.lengths(generator)]
        wanted += [torch.full((len(self.cold),), n) for n in (self.n_validation, self.n_test)]
        found = []
        for part, (ids, counts) in enumerate(zip(prompts.parts.values(), wanted, strict=True)):
            user, rows = shown(responses.candidates_of(ids), counts, PARTS[part], generator)
            found.append((user, rows, torch.full_like(user, part)))
        return tuple(torch.cat(column) for column in zip(*found, strict=True))


def shown(
    candidates: Tensor, counts: Tensor, part: str, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random rows for each user, of different prompts.

    Args:
        candidates: (P, C) rows of each prompt.
        counts: (N,) rows wanted of each user, at most P.
        part: what they are for, for the message.
        generator: source of the draws.

    Returns:
        (n,) users, ascending, and (n,) rows.
    """
    n_prompts, n_candidates = candidates.shape
    most = int(counts.max())
    if most > n_prompts:
        raise ValueError(
            f"{most} items of {part} were asked for, but only {n_prompts} prompts are for it; ask "
            "for fewer, or give more responses"
        )
    prompt = draws.uniform(generator, len(counts), n_prompts).argsort(1)[:, :most]
    which = (draws.uniform(generator, len(counts), most) * n_candidates).long()
    wanted = torch.arange(most) < counts[:, None]
    return wanted.nonzero()[:, 0], candidates[prompt, which][wanted]
