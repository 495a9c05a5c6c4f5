"""How PAL is trained: projectors, prototypes and the seen users' logits together, in batches.

Source: as in `pal.py`.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from lore_core.methods.networks import Schedule, Setting, optimise
from lore_core.methods.pal import NewUser, PALAModel, PALBModel, PALModel, inputs_of
from lore_core.scores import logits_of
from lore_core.tools import checks


@dataclass(frozen=True)
class PAL:
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

    def __post_init__(self):
        if self.form not in (PALAModel, PALBModel):
            raise ValueError(f"form is {self.form!r}, expected PALAModel or PALBModel")
        checks.whole_numbers(1, rank=self.rank, width=self.width, batch=self.batch)
        checks.whole_number("layers", self.layers, at_least=0)
        for name in ("projector_rate", "personal_rate", "scale_rate"):
            checks.number(name, getattr(self, name), above=True)
        checks.number("decay", self.decay)
        checks.kind("schedule", self.schedule, Schedule)
        checks.kind("new_user", self.new_user, NewUser)

    def fit(self, responses, train, *, validation=None, seed=0, device=None) -> PALModel:
        here = Setting.on(responses, train, validation, seed, device)
        sizes = {"d": responses.embeddings.shape[1], "n_users": train.n_users}
        sizes |= {"rank": self.rank, "width": self.width, "layers": self.layers}
        model = here.build(lambda: self.form(sizes | {"new_user": asdict(self.new_user)}))
        everything = torch.arange(len(here.pairs), device=here.device)
        batches = here.batches(everything, self.batch)

        def loss(step: int) -> Tensor:
            return self.loss(model, here, next(batches))

        optimise(model, self.optimizer(model), loss, self.schedule, here.judge(model))
        unknown = here.pairs.counts == 0
        model.logits.data[unknown] = logits_of(here.filled(model.personal)[unknown])
        return here.home(model)

    def loss(self, model: PALModel, here: Setting, batch: Tensor) -> Tensor:
        """Mean loss of some pairs, for which only their own responses are projected."""
        e, q, prompt = inputs_of(here.responses)
        both = torch.stack([here.pairs.chosen[batch], here.pairs.rejected[batch]], 1)
        used, place = both.unique(return_inverse=True)
        prompts, prompt = prompt[used].unique(return_inverse=True)
        items = model.items(model.tables(e[used], None if q is None else q[prompts], prompt), place)
        chosen, rejected = model.rewards(
            items, model.logits[here.pairs.user[batch]].softmax(-1)
        ).unbind(1)
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
