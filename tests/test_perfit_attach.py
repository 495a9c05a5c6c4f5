"""Hooks move what they should, in any decoder, with padding or a cache, and leave it as it was."""

from importlib.util import find_spec

import pytest
import torch
from tiny_models import llama
from torch.nn.functional import silu
from worlds import random

from lore_core.language_model import causal, greedy
from lore_core.language_model.chat import Turn
from lore_core.language_model.residual import residuals
from lore_core.language_model.tail import Tail
from lore_core.perfit import start
from lore_core.perfit.attach import STATE, attach, blocks
from lore_core.perfit.fit import adapt, fit
from lore_core.perfit.intervention import Intervention, Interventions
from lore_core.perfit.nudge import Nudge
from lore_core.perfit.positions import Positions
from lore_core.perfit.recipe import Recipe, Stage
from lore_core.perfit.shifted import Shifted
from lore_core.tasks.texts import Texts
from lore_core.tasks.texts_above import TextsAbove

pytestmark = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")
D, N = 16, 3
PROMPTS = [[5, 9, 11, 7, 30], [8, 21], [30, 31, 6, 5, 9, 12, 14]]
USER = torch.tensor([2, 0, 2])
ENDS = Positions.parse("f1+l2")
STEP = Stage(rank=2, learning_rate=0.01, passes=4, batch=4, warm_up=0)
RECIPE = Recipe(
    shared=STEP,
    personal=Stage(rank=2, learning_rate=0.1, passes=4, optimizer="sgd", batch=None, warm_up=0),
    start="random",
    user_start="random",
    coordinates="raw",
    layers=(1, 2),
    positions="f1+l2",
)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    llama(folder, num_key_value_heads=1, initializer_range=0.3)
    return causal.load(folder, device="cpu")[0].requires_grad_(False)


def values(*shape, seed=0):
    return torch.randn(*shape, generator=random(seed))


def nudge(seed=0, size=0.3):
    """Shifts that have learned something."""
    rows = start.random(random(seed), 2, D)
    found = Nudge(Intervention(rows), Interventions(N, rows)).requires_grad_(False)
    for place, weight in enumerate(found.parameters()):
        weight.add_(size * values(*weight.shape, seed=seed + place))
    return found


NUDGES = {"0": nudge(0), "2": nudge(7)}


def norm(x, layer, eps=1e-6):
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * layer.weight


def turned(x, base):
    """Rotary positions: pairs of features (i, i + half) are turned by angles that grow."""
    t, half = x.shape[-2], x.shape[-1] // 2
    angle = torch.arange(t)[:, None] * base ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def attended(x, layer, config):
    """Causal attention of one text, (t, d)."""
    heads, size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    q, k, v = (getattr(layer, f"{name}_proj")(x) for name in "qkv")
    q, k, v = (y.unflatten(1, (-1, size)).transpose(0, 1) for y in (q, k, v))
    k, v = (y.repeat_interleave(heads // len(y), 0) for y in (k, v))
    base = config.rope_parameters["rope_theta"]
    scores = turned(q, base) @ turned(k, base).mT / size**0.5
    later = torch.ones(len(x), len(x)).triu(1).bool()
    mixed = scores.masked_fill(later, -torch.inf).softmax(-1) @ v
    return layer.o_proj(mixed.transpose(0, 1).flatten(1))


@torch.no_grad()
def by_hand(net, ids, user, nudges, chosen, state=None):
    """The logits (t, v) of one text, from a forward pass that is written out here."""
    x = net.model.embed_tokens(torch.tensor(ids))
    eps = net.config.rms_norm_eps
    for number, block in enumerate(net.model.layers):
        attention = block.self_attn
        x = x + attended(norm(x, block.input_layernorm, eps), attention, net.config)
        if state is not None and number == len(net.model.layers) - 1:
            x[-1:] = state(x[-1:], torch.tensor([user]))
        y = norm(x, block.post_attention_layernorm, eps)
        mlp = block.mlp
        x = x + mlp.down_proj(silu(mlp.gate_proj(y)) * mlp.up_proj(y))
        if str(number) in nudges:
            moved = nudges[str(number)](x[chosen], torch.tensor([user] * len(chosen)))
            x[chosen] = moved
    return net.lm_head(norm(x, net.model.norm, eps))


def places(ids):
    """The first and the last two of a prompt."""
    return sorted({0, *range(max(0, len(ids) - 2), len(ids))})


def padded(side, prompts=PROMPTS):
    size = max(map(len, prompts))
    rows = [
        [0] * (size - len(p)) + p if side == "left" else p + [0] * (size - len(p)) for p in prompts
    ]
    mask = [[1] * len(p) for p in prompts]
    mask = [
        [0] * (size - len(m)) + m if side == "left" else m + [0] * (size - len(m)) for m in mask
    ]
    return torch.tensor(rows), torch.tensor(mask)


def n_hooks(net):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


def test_hooks_move_what_a_forward_pass_by_hand_moves(net):
    for ids, user in zip(PROMPTS, USER.tolist(), strict=True):
        plain = by_hand(net, ids, user, {}, [])
        torch.testing.assert_close(net(torch.tensor([ids])).logits[0], plain, rtol=0, atol=1e-4)
        expected = by_hand(net, ids, user, NUDGES, places(ids))
        with attach(net, NUDGES, ENDS) as reading:
            reading.user = torch.tensor([user])
            found = net(torch.tensor([ids])).logits[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
        assert (expected - plain).abs().max() > 0.1


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_no_answer(net, side):
    ids, mask = padded(side)
    position = (mask.cumsum(1) - 1).clamp_min(0)
    with attach(net, NUDGES, ENDS) as reading:
        reading.user = USER
        logits = net(ids, attention_mask=mask, position_ids=position).logits
    for row, prompt in enumerate(PROMPTS):
        expected = by_hand(net, prompt, int(USER[row]), NUDGES, places(prompt))
        torch.testing.assert_close(logits[row][mask[row].bool()], expected, rtol=0, atol=1e-4)


def test_the_tail_gives_what_the_whole_model_gives_with_the_same_shift(net):
    labels, one = [10, 20, 30, 40], nudge(3)
    tail, states = Tail.of(net, labels), residuals(net, PROMPTS)
    with attach(tail, {STATE: one}, ENDS) as reading:
        reading.user = USER
        found = tail(states)
    for row, ids in enumerate(PROMPTS):
        expected = by_hand(net, ids, int(USER[row]), {}, [], state=one)[-1, labels]
        torch.testing.assert_close(found[row], expected, rtol=0, atol=1e-3)
    assert (found - tail(states)).abs().max() > 0.1


@pytest.mark.parametrize("prompts", [PROMPTS, [[8], [21], [5]]])
def test_with_a_cache_or_without_the_text_is_the_same(net, prompts):
    ids, mask = padded("left", prompts)
    settings = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    with attach(net, NUDGES, ENDS) as reading:
        reading.user, reading.prompt = USER, mask.bool()
        cached, whole = (
            net.generate(ids, attention_mask=mask, use_cache=use, **settings)
            for use in (True, False)
        )
        reading.prompt = None  # with a cache, what the first call reads is the prompt
        found = net.generate(ids, attention_mask=mask, use_cache=True, **settings)
    assert torch.equal(cached, whole) and torch.equal(cached, found)
    assert not torch.equal(cached, net.generate(ids, attention_mask=mask, **settings))


def test_only_the_prompt_is_moved_while_an_answer_is_written(net):
    # Token by token by hand: the answer's tokens are read, and stay where they are.
    ids = list(PROMPTS[0])
    for _ in range(6):
        logits = by_hand(net, ids, 1, NUDGES, places(PROMPTS[0]))
        ids.append(int(logits[-1].argmax()))
    given = torch.tensor([PROMPTS[0]])
    with attach(net, NUDGES, ENDS) as reading:
        reading.user = torch.tensor([1])
        found = net.generate(
            given, attention_mask=torch.ones_like(given), max_new_tokens=6, do_sample=False,
            pad_token_id=0, eos_token_id=None,
        )  # fmt: skip
    assert found[0].tolist() == ids


def test_hooks_are_gone_also_after_an_error(net):
    before = n_hooks(net)
    plain = net(torch.tensor([PROMPTS[0]])).logits
    with pytest.raises(RuntimeError, match="on purpose"), attach(net, NUDGES, ENDS):
        assert n_hooks(net) > before
        raise RuntimeError("on purpose")
    with pytest.raises(ValueError, match="layer 3 is to be moved, but the model has 3 blocks"):
        attach(net, NUDGES | {"3": nudge()}, ENDS).__enter__()
    with pytest.raises(ValueError, match="user"), attach(net, NUDGES, ENDS):
        net(torch.tensor([PROMPTS[0]]))
    assert n_hooks(net) == before
    assert torch.equal(net(torch.tensor([PROMPTS[0]])).logits, plain)


def test_another_kind_of_decoder_is_moved_as_well():
    import transformers

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=50, n_embd=D, n_layer=2, n_head=2, n_positions=32, initializer_range=0.3
    )
    other = transformers.GPT2LMHeadModel(config).eval().requires_grad_(False)
    seen, one, ids = [], nudge(5), torch.tensor([PROMPTS[0]])
    with_hook = blocks(other)[1].register_forward_hook(
        lambda _, __, output: seen.append(output[0] if isinstance(output, tuple) else output)
    )
    other(ids)
    with_hook.remove()
    states = seen[0].clone()
    states[0, [0, 3, 4]] = one(states[0, [0, 3, 4]], torch.tensor([1, 1, 1]))
    expected = other.lm_head(other.transformer.ln_f(states))
    with attach(other, {"1": one}, ENDS) as reading:
        reading.user = torch.tensor([1])
        torch.testing.assert_close(other(ids).logits, expected, rtol=0, atol=1e-5)


# Training on texts

CHATS = [Turn(p + a, len(p), len(p) + len(a)) for p in PROMPTS for a in ([6, 9, 3], [12, 3])]


def texts():
    return Texts(tuple(CHATS), torch.tensor([0, 0, 1, 1, 2, 2]), N)


def test_shifts_learn_texts_and_the_model_stays_as_it_was(net):
    before = {name: w.clone() for name, w in net.state_dict().items()}
    base = fit(net, texts(), RECIPE.up_to(None)).all_losses(texts())
    found = fit(net, texts(), RECIPE)
    assert set(found.nudges) == {"1", "2"} and n_hooks(net) == 0
    assert found.all_losses(texts()).sum() < base.sum() - 1
    both = [found.curves["shared"][-1], *found.curves["personal"]]
    assert both[0] > both[-1]
    assert all(torch.equal(before[name], w) for name, w in net.state_dict().items())
    plain = torch.tensor([float(-causal.log_likelihood(net, [chat])) for chat in CHATS])
    torch.testing.assert_close(base, plain, rtol=0, atol=1e-4)


def test_the_loss_of_a_text_is_that_of_a_forward_pass_by_hand(net):
    # The answer's tokens are read too, and are none of the prompt's last.
    found = Shifted(net, NUDGES, Recipe(layers=(0, 2), positions="f1+l2"), N)
    for loss, chat, user in zip(found.all_losses(texts()), CHATS, texts().user, strict=True):
        logits = by_hand(net, chat.ids[:-1], int(user), NUDGES, places(chat.ids[: chat.start]))
        sure = logits.log_softmax(1)[range(chat.start - 1, chat.stop - 1), chat.ids[chat.start :]]
        torch.testing.assert_close(loss, -sure.sum(), rtol=0, atol=1e-4)


def test_the_upper_part_learns_what_the_whole_model_learns(net, tmp_path):
    from lore_core.language_model.whole import part

    above = TextsAbove.read(net, CHATS, texts().user, N, 1, tmp_path, progress=False)
    whole = fit(net, texts(), RECIPE, seed=3)
    upper = fit(part(net, 1), above, RECIPE, seed=3, first=1)
    torch.testing.assert_close(
        upper.all_losses(above), whole.all_losses(texts()), rtol=0, atol=1e-3
    )
    ids = torch.tensor([PROMPTS[0]])
    with whole.attached() as reading:
        reading.user = torch.tensor([1])
        expected = net(ids).logits
    with upper.attached(net) as reading:
        reading.user = torch.tensor([1])
        torch.testing.assert_close(net(ids).logits, expected, rtol=0, atol=1e-3)


def test_greedy_answers_are_each_to_their_user(net, tmp_path):
    llama(tmp_path / "tiny", num_key_value_heads=1, initializer_range=0.3)
    model, tokenizer = causal.load(tmp_path / "tiny", device="cpu")
    found = fit(model, texts(), RECIPE)
    found.nudges = NUDGES
    asked, user = ["one two", "five six seven", "one"], torch.tensor([2, 0, 1])
    with found.attached() as reading:

        def ahead(rows):
            reading.user = user[rows]

        together = greedy.answers(model, tokenizer, asked, 6, ahead=ahead)
        for row, prompt in enumerate(asked):
            reading.user = user[row : row + 1]
            assert greedy.answers(model, tokenizer, [prompt], 6) == together[row : row + 1]


def test_new_users_of_a_language_model_start_from_what_all_share(net):
    found = fit(net, texts(), RECIPE)
    few = texts().select(torch.tensor([0, 1]))
    new = adapt(found, few)
    for name, one in new.nudges.items():
        assert torch.equal(one.shared.W, found.nudges[name].shared.W)
        assert not torch.equal(one.personal.W[0], one.personal.W[1])
        assert torch.equal(one.personal.W[1], one.personal.R[1])  # who has no text


@pytest.mark.parametrize(
    ("user", "prompt", "said"),
    [
        ([0, 1], None, "reading.user has 2 users, but the network reads 1 texts"),
        (None, None, "but 0 users were given; set `reading.user`"),
        ([3], None, "user 3 is unknown: there are 3 .* `adapt`"),
        ([0], torch.ones(2, 5), "reading.prompt has 2 rows, but the network reads 1"),
    ],
)
def test_a_reading_that_does_not_fit_the_texts_is_refused(net, user, prompt, said):
    with pytest.raises(ValueError, match=said), attach(net, NUDGES, ENDS) as reading:
        reading.user = None if user is None else torch.tensor(user)
        reading.prompt = prompt
        net(torch.tensor([PROMPTS[0]]))


def test_a_start_where_labels_part_needs_labels(net):
    recipe = Recipe(layers=(1,), positions="l1")
    with pytest.raises(ValueError, match='LlamaForCausalLM has no head of labels; start at "rand'):
        fit(net, texts(), recipe)
    with pytest.raises(ValueError, match="layer 7 is to be moved, but the model has 3 blocks"):
        fit(net, texts(), Recipe(layers=(7,)))
