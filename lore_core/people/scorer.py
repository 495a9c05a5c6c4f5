"""A fitted model that scores new text: with its people's names, and the encoder that it reads by.

scorer = Scorer.load("report/model.safetensors")
scorer.score("What shall I cook?", ["Soup.", "Order a pizza."], user="Ada")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lore_core.datasets.corpus import Corpus
from lore_core.datasets.vectors import embedded
from lore_core.evaluation.likes import standing
from lore_core.language_model.chat import Prompt
from lore_core.methods.lore import LowRank
from lore_core.methods.per_user import PerUserModel
from lore_core.methods.protocol import Model
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks, tensor_files

KIND = "Scorer"
MODELS: dict[str, type[Model]] = {model.kind: model for model in (LowRank, PerUserModel)}
NOBODY = "somebody unknown"


@dataclass(frozen=True, eq=False)
class Scorer:
    """What was learned of some people, ready for new text and for new people.

    Args:
        model: what was learned.
        users: N names.
        personal: (N, p) what is kept of each of them.
        about: the encoder's name, hash and settings, and where the data came from; empty for
            embeddings of the reader's own.
        scale: (2, d) mean and standard deviation of each feature, or None.
        encoder: where the encoder lies here, if it is a folder; no path is saved with the model.
    """

    model: Model
    users: tuple[str, ...]
    personal: Tensor
    about: dict[str, Any] = field(default_factory=dict)
    scale: Tensor | None = None
    encoder: Path | str | None = None

    def __post_init__(self) -> None:
        checks.same_length("users", self.users, "personal", self.personal)

    def score(self, prompt: Prompt, responses: Sequence[str], user: str | None = None) -> pd.Series:
        """What each response to a prompt is worth to somebody; more is better.

        Args:
            prompt: a question, or a chat so far.
            responses: texts.
            user: a name among `users`; None for somebody of whom nothing is known.

        Raises:
            ValueError: there is no such user, or the encoder is not the one of the fit.
        """
        names = [NOBODY if user is None else user] * len(responses)
        table = pd.DataFrame({"prompt": [prompt] * len(responses), "response": list(responses)})
        rewards = self.scores(table.assign(user=names))
        return pd.Series(rewards.tolist(), index=list(responses), name="reward")

    def scores(self, table: pd.DataFrame) -> Tensor:
        """Rewards of the rows of a table with the columns prompt, response and user, (n,)."""
        personal = torch.cat([self.personal, self.model.crowd[None]])
        user = torch.tensor([self.place(name) for name in table.user])
        responses = self.read(list(table.prompt), list(table.response))
        return self.model.scores(responses, personal, user, torch.arange(len(table)))

    def everybody(self, responses: Responses) -> Tensor:
        """What each response is worth to each user, minus the mean of its prompt's, (M, N).

        Args:
            responses: read by the encoder of the fit, in its units, such as those of the fit.
        """
        rows = torch.arange(len(responses))
        worth = [
            self.model.scores(responses, self.personal, torch.full_like(rows, user), rows)
            for user in range(len(self.users))
        ]
        return standing(torch.stack(worth, 1), responses.prompt)

    def place(self, user: str) -> int:
        """The row of a user in `personal`; one behind the last for NOBODY."""
        if user == NOBODY:
            return len(self.users)
        if user not in self.users:
            raise ValueError(
                f"{user!r} is not among the {len(self.users)} people of this model, such as "
                f"{', '.join(map(repr, self.users[:3]))}; adapt it to new people first"
            )
        return self.users.index(user)

    def read(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> Responses:
        """Texts as the encoder of the fit reads them, in its units."""
        nobody = Preferences([], [], [], n_users=1)  # type: ignore[arg-type]
        corpus = Corpus(
            prompts=tuple(prompts),
            responses=tuple(responses),
            prompt=torch.arange(len(responses)),
            preferences=nobody,
            people=pd.DataFrame(index=[0]),
        )
        return self.embedded(corpus).responses

    def embedded(self, corpus: Corpus) -> Any:
        """A corpus read by the encoder of the fit.

        Raises:
            ValueError: the model was fitted on embeddings of the reader's own, or the encoder has
                other weights now.
        """
        if "encoder" not in self.about:
            raise ValueError(
                "this model was fitted on embeddings, and no encoder is known; embed the text as "
                "those were, and use model.scores"
            )
        here = self.encoder or self.about["encoder"]
        world = embedded(corpus, here, scale=self.scale, progress=False)
        if world.about.get("encoder_hash") != self.about.get("encoder_hash"):
            raise ValueError(
                f"the encoder {here} has other weights or settings than when the "
                "model was fitted; bring the old one back, or fit again"
            )
        return world

    def adapt(self, responses: Responses, preferences: Preferences, seed: int = 0) -> Scorer:
        """The same model with some more people, known by their pairs alone.

        Args:
            responses: read by the same encoder, in the same units.
            preferences: pairs of the new people, with their names.
            seed: of a method that draws.

        Raises:
            ValueError: a new person has no name, or that of somebody who is known already.
        """
        if not preferences.user_names:
            raise ValueError("the new people have no names; give preferences with user_names")
        known = set(self.users) & set(preferences.user_names)
        if known:
            raise ValueError(
                f"{sorted(known)[0]!r} is known already ({len(known)} of the new people are); "
                "rename them, or fit again with all pairs"
            )
        personal = self.model.adapt(responses, preferences, seed)
        return replace(
            self,
            users=self.users + preferences.user_names,
            personal=torch.cat([self.personal, personal.to(self.personal)]),
        )

    def save(self, path: Path | str) -> None:
        """Write everything to a safetensors file, whole or not at all."""
        tensors, settings = self.model.state()
        tensors = {f"model.{name}": tensor for name, tensor in tensors.items()}
        tensors["personal"] = self.personal
        if self.scale is not None:
            tensors["scale"] = self.scale
        about = {"kind": KIND, "model": self.model.kind, "settings": settings}
        tensor_files.write(path, tensors, about | {"users": self.users, "about": self.about})

    @classmethod
    def load(cls, path: Path | str, encoder: Path | str | None = None) -> Scorer:
        """Read what `save` wrote.

        Args:
            path: the file.
            encoder: folder of the encoder, if it is not one that is found by its name.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds something else.
        """
        tensors, about = tensor_files.read(path)
        if about.get("kind") != KIND:
            raise ValueError(f"{path} is no model of `lore fit`; give its model.safetensors")
        own = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
        return cls(
            model=MODELS[about["model"]].restore(own, about["settings"]),
            users=tuple(about["users"]),
            personal=tensors["personal"],
            about=about["about"],
            scale=tensors.get("scale"),
            encoder=encoder,
        )
