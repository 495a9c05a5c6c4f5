"""How VPL is trained: some pairs of a user are context, others are to be predicted.

    loss = mean over pairs of log(1 + exp(-margin under z))  +  β · mean over users of KL(q||N(0,1))

z is drawn anew in each step, and so is the context.  Source: as in `vpl.py`.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lore_core.methods import parameter_count
from lore_core.methods.networks import TrainingData, build, deliver, validator
from lore_core.methods.protocol import Given, Method
from lore_core.methods.schedule import Schedule, optimise
from lore_core.methods.vpl import PairTable, VPLModel
from lore_core.objective import pair_loss
from lore_core.preferences import Preferences
from lore_core.tools import checks
from lore_core.tools.draws import Draws


@dataclass(frozen=True)
class VPL(Method):
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

    def __post_init__(self) -> None:
        checks.whole_numbers(
            1, hidden=self.hidden, latent=self.latent, users=self.users, targets=self.targets
        )
        if self.cycle is not None:
            checks.whole_number("cycle", self.cycle, at_least=1)
        checks.number("learning_rate", self.learning_rate, above=True)
        for name in ("kl", "decay"):
            checks.number(name, getattr(self, name))
        checks.instance_of("schedule", self.schedule, Schedule)
        checks.flag("rescale", self.rescale)
        low, high = checks.two("context", self.context, "(smallest, largest)")
        checks.whole_numbers(1, smallest_context=low, largest_context=high)
        if low > high:
            raise ValueError(f"context is {self.context}, expected 1 <= smallest <= largest")

    def _fit(self, given: Given) -> VPLModel:
        data = TrainingData.of(*given)
        if int(data.pairs.counts.max()) < 2:
            raise ValueError("VPL learns from users with at least two pairs: one to infer the user")
        sizes = given.responses.embeddings.shape[1], self.hidden, self.latent, given.train.n_users
        model = build(lambda: VPLModel(*sizes), data, given.seed)

        def know_users() -> None:
            model.latents.copy_(data.filled(model.adapt(data.responses, data.pairs)))

        optimizer = torch.optim.AdamW(
            model.parameters(), self.learning_rate, weight_decay=self.decay, fused=True
        )
        loss = self.losses(model, data, Draws(given.seed, data.device))
        validate = validator(model, data, know_users)
        pairs = self.users * self.targets
        optimise(model, optimizer, lambda: next(loss), self.schedule, validate, pairs)
        know_users()
        return deliver(model, given.responses.embeddings.device)

    def parameter_count(self, d: int, n_users: int) -> int:
        """Numbers trained on embeddings of d features, however many seen users there are."""
        return parameter_count.vpl(d, self.hidden, self.latent)

    def losses(self, model: VPLModel, data: TrainingData, draws: Draws) -> Iterator[Tensor]:
        """The loss of one batch after the other, without end."""
        questions = Questions(self, data.pairs, draws)
        e = model.inputs(data.responses.embeddings)
        for step in itertools.count():
            context, targets = questions.draw()
            mean, log_variance = model.posterior(e, context)
            z = self.stretched(mean + (log_variance / 2).exp() * draws.normal(*mean.shape))
            sides = torch.cat([targets.chosen, targets.rejected], 1)
            of_e, of_z = model.halves(e[sides], z)
            chosen, rejected = model.rewards(of_e + of_z[:, None]).chunk(2, 1)
            kl = self.beta(step) * divergence(mean, log_variance).mean()
            yield pair_loss(chosen - rejected)[targets.mask].mean() + kl

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
    """Draws, for some users at a time, pairs to infer them from and other pairs to predict.

    Args:
        settings: batch sizes.
        pairs: of the seen users, in order.
        draws: source of all draws.
    """

    def __init__(self, settings: VPL, pairs: Preferences, draws: Draws):
        self.settings = settings
        self.pairs = pairs
        self.draws = draws
        self.counts = pairs.counts[:, None]
        self.starts = self.counts.cumsum(0) - self.counts
        self.columns = torch.arange(int(self.counts.max()), device=self.counts.device)
        asked = (pairs.counts > 1).nonzero().flatten()
        self.users = draws.batches(asked, settings.users)

    def draw(self) -> tuple[PairTable, PairTable]:
        """Context and targets, for the same few users, a row each."""
        users, s = next(self.users), self.settings
        keys = self.draws.uniform(len(users), len(self.columns))
        count = self.counts[users]
        keys.masked_fill_(self.columns >= count, 2.0)  # what is missing comes last
        places = (self.starts[users] + keys.argsort(1)).clamp_max(len(self.pairs) - 1)
        end = (count // 2).clamp_max(s.targets)
        after = end + self.columns[: self.draws.whole_number(*s.context)]
        return self.these(places, after, count), self.these(places, self.columns[: s.targets], end)

    def these(self, places: Tensor, columns: Tensor, end: Tensor) -> PairTable:
        """The pairs in some columns of a table of places, as far as they come before the end."""
        mask = columns < end
        some = places.gather(1, columns.clamp_max(places.shape[1] - 1).expand_as(mask))
        return PairTable(self.pairs.chosen[some], self.pairs.rejected[some], mask)
