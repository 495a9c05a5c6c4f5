"""The three kinds of encoder: which one a model is, how it reads by default, how it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lore_core.datasets import embed
from lore_core.datasets.embed import SentenceReader
from lore_core.language_model import shards, states
from lore_core.language_model.architecture import (
    DECODER,
    REWARD,
    SENTENCES,
    declared_pooling,
    what_is,
)
from lore_core.language_model.batches import Batch
from lore_core.language_model.checkpoint import Checkpoint
from lore_core.language_model.decoder import KINDS, Decoder, check_layer
from lore_core.language_model.decoder_reader import DecoderReader
from lore_core.language_model.messages import Chat
from lore_core.language_model.reward_head import check_head
from lore_core.language_model.reward_model import RewardModel, default_kind
from lore_core.tools import checks, devices
from lore_core.tools.devices import Device

BUDGET = 1024  # tokens that a language model reads at once on a CPU: what its caches can hold


class Reader(Protocol):
    """A model in memory."""

    def read(self, chats: Sequence[Chat]) -> Iterator[Batch]:
        """Vectors of some chats, in batches of like length."""


@dataclass(frozen=True)
class Kind:
    """A kind of encoder.

    Args:
        what: its name.
        options: settings that a caller may choose.
        defaults: settings of a model, where the caller chooses none.
        load: brings a model into memory, from its files, settings, device and tokens per batch.
    """

    what: str
    options: tuple[str, ...]
    defaults: Callable[[Checkpoint, Device], dict[str, Any]]
    load: Callable[[Checkpoint, dict[str, Any], Device, int | None], Reader]

    def chosen(
        self, checkpoint: Checkpoint, given: dict[str, Any], device: Device
    ) -> dict[str, Any]:
        """The settings that a model reads with.

        Args:
            checkpoint: the model.
            given: what the caller chose; None is no choice.
            device: where it will compute.

        Raises:
            ValueError: this kind has no such setting, or its value is out of range.
        """
        wanted = {name: value for name, value in given.items() if value is not None}
        for name in wanted:
            if name not in self.options:
                raise ValueError(
                    f"{checkpoint.name} is a {self.what} and has no {name}; it has the settings "
                    f"{', '.join(self.options)}"
                )
        settings = self.defaults(checkpoint, device) | wanted
        check(settings, self.what, checkpoint)
        return settings


def check(settings: dict[str, Any], what: str, checkpoint: Checkpoint) -> None:
    """Raise a ValueError unless every setting is in its range."""
    poolings = embed.POOLINGS if what == SENTENCES else states.POOLINGS
    checks.one_of("pooling", settings.get("pooling", poolings[0]), poolings)
    checks.one_of("kind", settings["kind"], KINDS)
    checks.whole_number("window", settings["window"], at_least=3)
    check_layer(settings.get("layer", 0), checkpoint.config.get_text_config().num_hidden_layers)


def sentence_defaults(checkpoint: Checkpoint, device: Device) -> dict[str, Any]:
    """How a sentence encoder reads where nothing is said: as it was saved."""
    return {
        "pooling": declared_pooling(checkpoint, embed.POOLINGS),
        "window": embed.WINDOW,
        "kind": "float32",
    }


def decoder_defaults(checkpoint: Checkpoint, device: Device) -> dict[str, Any]:
    """How a language model reads where nothing is said: two thirds up, mean over the response."""
    config = checkpoint.config.get_text_config()
    return {
        "layer": round(2 * config.num_hidden_layers / 3),
        "pooling": "mean",
        "window": config.max_position_embeddings,
        "kind": "float32",
    }


def reward_defaults(checkpoint: Checkpoint, device: Device) -> dict[str, Any]:
    """How a reward model reads where nothing is said: the kind of number goes by the device."""
    window = checkpoint.config.get_text_config().max_position_embeddings
    return {"window": window, "kind": default_kind(devices.pick(device))}


def sentence_reader(
    checkpoint: Checkpoint, settings: dict[str, Any], device: Device, budget: int | None
) -> Reader:
    """A sentence encoder in memory; its budget counts windows."""
    chosen = {"window": settings["window"], "pooling": settings["pooling"]}
    batch_size = budget or embed.BATCH
    return SentenceReader.load(checkpoint.folder, device, batch_size=batch_size, **chosen)


def decoder_reader(
    checkpoint: Checkpoint, settings: dict[str, Any], device: Device, budget: int | None
) -> Reader:
    """A language model in memory, without the blocks above its layer."""
    layer, kind = settings["layer"], settings["kind"]
    decoder = Decoder.load(checkpoint.folder, up_to=layer, kind=kind, device=device)
    return DecoderReader(
        decoder=decoder,
        layer=layer,
        pooling=settings["pooling"],
        window=min(settings["window"], decoder.window),
        budget=budget or (BUDGET if decoder.net.device.type == "cpu" else shards.BATCH),
    )


def reward_reader(
    checkpoint: Checkpoint, settings: dict[str, Any], device: Device, budget: int | None
) -> Reader:
    """The reward model, once its head has been held against its own logit."""
    model = RewardModel.load(checkpoint.folder, device=device, budget=budget, **settings)
    check_head(model, model.head, model.bias)
    return model


ALL = (
    Kind(SENTENCES, ("pooling", "window"), sentence_defaults, sentence_reader),
    Kind(DECODER, ("layer", "pooling", "window", "kind"), decoder_defaults, decoder_reader),
    Kind(REWARD, ("window", "kind"), reward_defaults, reward_reader),
)


def kind_of(checkpoint: Checkpoint) -> Kind:
    """Which kind of encoder a model is, as its config says.

    Raises:
        ValueError: it is none of them, such as a model that turns one text into another.
    """
    name = what_is(checkpoint)
    return next(kind for kind in ALL if kind.what == name)
