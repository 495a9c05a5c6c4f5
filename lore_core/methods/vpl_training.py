"""How VPL is trained: some pairs of a user are context, others are to be predicted.

    loss = mean over pairs of log(1 + exp(-margin under z))  +  β · mean over users of KL(q||N(0,1))

z is drawn anew in each step, and so is the context.  Source: as in `vpl.py`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lore_core.methods.networks import Schedule, Setting, optimise
from lore_core.methods.vpl import VPLModel
from lore_core.objective import pair_loss
from lore_core.preferences import Preferences
from lore_core.tools import checks
from lore_core.tools.ragged import padded


@dataclass(frozen=True)
class VPL:
    """Settings of VPL; the defaults are the published widths and rates.

    Args:
        hidden, latent: widths.
        kl: weight of the KL term; the published runs use 1e-4, 3e-6 or 0, by data set.
        cycle: steps in which β goes from a tenth of `kl` to all of it and back; None: always all.
        context: smallest and largest number of pairs that a latent is inferred from.
        users, targets: users per step, and pairs of each that are predicted.
        learning_rate, decay: of AdamW.
        schedule: steps, warm-up and decay of the rate.
        rescale: stretch z to length √z in training and not afterwards, as the published code does.

    Raises:
        ValueError: a number is out of range.
    """

    hidden: int = 512
    latent: int = 512
    kl: float = 3e-6
    cycle: int | None = 10_000
    context: tuple[int, int] = (2, 8)
    users: int = 8
    targets: int = 4
    learning_rate: float = 1e-4
    decay: float = 0.01
    schedule: Schedule = Schedule(4000, warmup=0.03, cosine=True)
    rescale: bool = False

    def __post_init__(self):
        checks.whole_numbers(
            1, hidden=self.hidden, latent=self.latent, users=self.users, targets=self.targets
        )
        if self.cycle is not None:
            checks.whole_number("cycle", self.cycle, at_least=1)
        checks.number("learning_rate", self.learning_rate, above=True)
        for name in ("kl", "decay"):
            checks.number(name, getattr(self, name))
        checks.kind("schedule", self.schedule, Schedule)
        checks.flag("rescale", self.rescale)
        low, high = checks.two("context", self.context, "(smallest, largest)")
        checks.whole_numbers(1, smallest_context=low, largest_context=high)
        if low > high:
            raise ValueError(f"context is {self.context}, expected 1 <= smallest <= largest")

    def fit(self, responses, train, *, validation=None, seed=0, device=None) -> VPLModel:
        here = Setting.on(responses, train, validation, seed, device)
        if int(here.pairs.counts.max()) < 2:
            raise ValueError("VPL learns from users with at least two pairs: one to infer the user")
        sizes = responses.embeddings.shape[1], self.hidden, self.latent, train.n_users
        model = here.build(lambda: VPLModel(*sizes))
        questions = Questions(self, here)
        e = model.inputs(here.responses.embeddings)

        def loss(step: int) -> Tensor:
            context, targets = questions.draw()
            mean, log_variance = model.posterior(e, context)
            z = self.stretched(mean + (log_variance / 2).exp() * here.normal(mean.shape))
            sides = torch.cat([targets.chosen, targets.rejected])
            chosen, rejected = model.rewards(e, z, targets.user.repeat(2), sides).chunk(2)
            kl = self.beta(step) * divergence(mean, log_variance).mean()
            return pair_loss(chosen - rejected).mean() + kl

        def know_users() -> None:
            model.personal.copy_(here.filled(model.adapt(here.responses, here.pairs)))

        optimizer = torch.optim.AdamW(
            model.parameters(), self.learning_rate, weight_decay=self.decay, fused=True
        )
        optimise(model, optimizer, loss, self.schedule, here.judge(model, know_users))
        know_users()
        return here.home(model)

    def stretched(self, z: Tensor) -> Tensor:
        """The published code's rescaling, if it is asked for."""
        return F.normalize(z, dim=1) * math.sqrt(z.shape[1]) if self.rescale else z

    def beta(self, step: int) -> float:
        """The weight of the KL term: from a tenth to all of it and back, along a cosine."""
        if self.cycle is None:
            return self.kl
        return self.kl * (0.1 + 0.45 * (1 - math.cos(2 * math.pi * step / self.cycle)))


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) || N(0, 1)) of each user, summed over the latent, (N,)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)


class Questions:
    """Draws, for some users at a time, pairs to infer them from and other pairs to predict."""

    def __init__(self, settings: VPL, here: Setting):
        self.settings, self.here, self.pairs = settings, here, here.pairs
        self.places, self.there = padded(self.pairs.user, self.pairs.n_users)
        self.users = here.batches((self.pairs.counts > 1).nonzero().flatten(), settings.users)

    def draw(self) -> tuple[Preferences, Preferences]:
        """Context and targets, for the same few users; their ids are 0, 1, ..."""
        users, s = next(self.users), self.settings
        order = self.here.uniform((len(users), self.there.shape[1]))
        order = order.masked_fill(~self.there[users], 2.0).argsort(1)  # what is missing comes last
        place, count = self.places[users].gather(1, order), self.pairs.counts[users][:, None]
        column = torch.arange(place.shape[1], device=place.device)
        end = (count // 2).clamp_max(s.targets)
        last = (end + self.here.whole_number(*s.context)).minimum(count)
        context, targets = (column >= end) & (column < last), column < end
        return self.these(place, context), self.these(place, targets)

    def these(self, place: Tensor, mask: Tensor) -> Preferences:
        """The pairs at the masked places, row by row."""
        user, positions = mask.nonzero()[:, 0], place[mask]
        return Preferences(
            user, self.pairs.chosen[positions], self.pairs.rejected[positions], len(place)
        )
