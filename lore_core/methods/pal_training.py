"""How PAL is trained: projectors, prototypes and the seen users' logits together, in batches.

Source: as in `pal.py`.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from lore_core.methods import parameter_count
from lore_core.methods.networks import TrainingData, build, deliver, validator
from lore_core.methods.pal import PALModel, inputs_of
from lore_core.methods.pal_forms import PALAModel, PALBModel
from lore_core.methods.pal_new_user import NewUser
from lore_core.methods.protocol import Given, Method
from lore_core.methods.schedule import Schedule, optimise
from lore_core.scores import logits_of
from lore_core.tools import checks
from lore_core.tools.draws import Draws


@dataclass(frozen=True)
class PAL(Method):
    """Settings of both; the defaults are the published sizes and rates.

    Args:
        form: PALAModel or PALBModel.
        rank: K, number of prototypes.
        width: p of PAL-B's projectors; PAL-A's is as wide as the embedding.
        layers: of a projector, after the first.
        batch: pairs per step.
        projector_rate, personal_rate, scale_rate: learning rates of Adam for the projectors, for
            prototype points and logits, and for PAL-B's scale.
        decay: weight decay of the projectors.
        schedule: steps.
        new_user: how new users' logits are fitted.

    Raises:
        ValueError: a number is out of range.
    """

    form: type[PALModel] = PALAModel
    rank: int = 2
    width: int = 512
    layers: int = 2
    batch: int = 4
    projector_rate: float = 1e-4
    personal_rate: float = 5e-3
    scale_rate: float = 0.1
    decay: float = 0.01
    schedule: Schedule = Schedule(7000)
    new_user: NewUser = NewUser()

    def __post_init__(self) -> None:
        if self.form not in (PALAModel, PALBModel):
            raise ValueError(f"form is {self.form!r}, expected PALAModel or PALBModel")
        checks.whole_numbers(1, rank=self.rank, width=self.width, batch=self.batch)
        checks.whole_number("layers", self.layers, at_least=0)
        for name in ("projector_rate", "personal_rate", "scale_rate"):
            checks.number(name, getattr(self, name), above=True)
        checks.number("decay", self.decay)
        checks.instance_of("schedule", self.schedule, Schedule)
        checks.instance_of("new_user", self.new_user, NewUser)

    def _fit(self, given: Given) -> PALModel:
        data = TrainingData.of(*given)
        sizes = {"d": given.responses.embeddings.shape[1], "n_users": given.train.n_users}
        sizes |= {"rank": self.rank, "width": self.width, "layers": self.layers}
        settings = sizes | {"new_user": asdict(self.new_user)}
        model = build(lambda: self.form(settings), data, given.seed)
        everything = torch.arange(len(data.pairs), device=data.device)
        batches = Draws(given.seed, data.device).batches(everything, self.batch)

        def loss() -> Tensor:
            return self.loss(model, data, next(batches))

        validate, batch = validator(model, data), min(self.batch, len(data.pairs))
        optimise(model, self.optimizer(model), loss, self.schedule, validate, pairs=batch)
        unknown = data.pairs.counts == 0
        model.logits.data[unknown] = logits_of(data.filled(model.personal)[unknown])
        return deliver(model, given.responses.embeddings.device)

    def parameter_count(self, d: int, n_users: int) -> int:
        """Numbers trained on embeddings of d features and so many seen users."""
        if self.form is PALAModel:
            return parameter_count.pal_a(d, self.rank, self.layers, n_users)
        return parameter_count.pal_b(d, self.rank, self.width, self.layers, n_users)

    def loss(self, model: PALModel, data: TrainingData, batch: Tensor) -> Tensor:
        """Mean loss of some pairs, for which only their own responses are projected."""
        e, q, prompt = inputs_of(data.responses)
        both = torch.stack([data.pairs.chosen[batch], data.pairs.rejected[batch]], 1)
        used, place = both.unique(return_inverse=True)
        prompts, prompt = prompt[used].unique(return_inverse=True)
        tables = model.tables(e[used], None if q is None else q[prompts], prompt)
        weights = model.logits[data.pairs.user[batch]].softmax(-1)
        chosen, rejected = model.rewards(model.items(tables, place), weights).unbind(1)
        return model.losses(chosen - rejected).mean()

    def optimizer(self, model: PALModel) -> torch.optim.Optimizer:
        """Adam, with a learning rate for each part of the model."""
        projector = {"lr": self.projector_rate, "weight_decay": self.decay}
        parts = {
            "project.": projector,
            "prototypes": projector if self.form is PALBModel else {"lr": self.personal_rate},
            "logits": {"lr": self.personal_rate},
            "log_scale": {"lr": self.scale_rate},
        }
        groups = [
            {"params": [p for name, p in model.named_parameters() if name.startswith(part)]} | rate
            for part, rate in parts.items()
        ]
        return torch.optim.Adam([group for group in groups if group["params"]], fused=True)
