"""PerFit on the real language model: the tail is exact there too, and a cache changes nothing."""

from importlib.util import find_spec

import pytest
import torch
from worlds import random

from lore_core.datasets import twelve_questions
from lore_core.language_model import causal, greedy, rating, weights
from lore_core.language_model.residual import residuals
from lore_core.language_model.tail import Tail, last_block
from lore_core.perfit import start
from lore_core.perfit.attach import STATE, attach
from lore_core.perfit.intervention import Intervention, Interventions
from lore_core.perfit.nudge import Nudge
from lore_core.perfit.positions import Positions
from lore_core.perfit.presets import SCALED

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`"),
    pytest.mark.skipif(not weights.is_whole(weights.home()), reason="needs `make model`"),
]
D, N = 576, 3
USER = torch.tensor([2, 0, 2, 1])


@pytest.fixture(scope="module")
def smollm2():
    net, tokenizer = causal.load(weights.home(), device="cpu")
    return net.requires_grad_(False), tokenizer


def nudge(seed, size):
    """Shifts that have learned something."""
    rows = start.random(random(seed), 4, D)
    found = Nudge(Intervention(rows), Interventions(N, rows)).requires_grad_(False)
    for place, weight in enumerate(found.parameters()):
        weight.add_(size * torch.randn(weight.shape, generator=random(seed + place)))
    return found


def test_the_tail_gives_what_the_whole_model_gives_with_the_same_shift(smollm2):
    net, tokenizer = smollm2
    texts = twelve_questions.read().iloc[::12][:4]
    asked = rating.questions(tokenizer, texts.prompt.tolist(), texts.response.tolist())
    labels, one = rating.label_tokens(tokenizer, "digits"), nudge(0, 0.01)
    tail, block, found = Tail.of(net, labels), last_block(net), []
    with attach(tail, {STATE: one}, Positions(last=1)) as reading:
        reading.user = USER
        found = tail(residuals(net, asked))
    for row, ids in enumerate(asked):
        entered = []

        def hear(_, args, kwargs, entered=entered):
            entered.append(args[0] if args else kwargs["hidden_states"])

        def move(_, __, output, entered=entered, row=row):
            state = entered[0] + output[0]  # what the block adds is φ(state) less what entered
            moved = state.clone()
            moved[:, -1] = one(state[:, -1], USER[row : row + 1])
            return (moved - entered[0], *output[1:])

        hooks = [
            block.register_forward_pre_hook(hear, with_kwargs=True),
            block.self_attn.register_forward_hook(move),
        ]
        logits = net(torch.tensor([ids])).logits[0, -1, labels]
        for hook in hooks:
            hook.remove()
        torch.testing.assert_close(found[row], logits, rtol=0, atol=1e-3)
    assert (found - tail(residuals(net, asked))).abs().max() > 0.1


def test_an_answer_is_the_same_with_a_cache_and_without(smollm2):
    net, tokenizer = smollm2
    preset = SCALED["movie_tagging"]
    nudges = {str(layer): nudge(layer, 0.02) for layer in preset.layers}
    [ids] = causal.heads(tokenizer, ["Name three rivers."])
    prompt = torch.tensor([ids])
    settings = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": 12}
    settings |= {"do_sample": False, "pad_token_id": 0}
    with attach(net, nudges, Positions.parse(preset.positions)) as reading:
        reading.user, reading.prompt = torch.tensor([1]), torch.ones_like(prompt).bool()
        cached, whole = (net.generate(prompt, use_cache=use, **settings) for use in (True, False))
        reading.prompt = None
        [text] = greedy.answers(net, tokenizer, ["Name three rivers."], 12)
    assert torch.equal(cached, whole)
    assert text == tokenizer.decode(cached[0, len(ids) :], skip_special_tokens=True)
    assert text != greedy.answers(net, tokenizer, ["Name three rivers."], 12)[0]
