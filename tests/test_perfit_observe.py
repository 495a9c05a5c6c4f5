"""Shifts are what a plain loop over users and queries finds; profiles show whose items they say."""

from importlib.util import find_spec

import pytest
import torch
from tiny_models import llama

from lore_core.language_model import causal, last_token
from lore_core.language_model.decoder import Decoder
from lore_core.language_model.last_token import last_states, read_last
from lore_core.language_model.residual import residuals
from lore_core.perfit import observe
from lore_core.perfit.observe import shifts
from lore_core.perfit.profiles import Drawn, Rated, halves, nearest, partners, queries
from lore_core.perfit.prompts import Writer
from lore_core.tasks import Task
from lore_core.tools import draws

pytestmark = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")
PROMPTS = [[5, 9, 11, 7], [8], [30, 31, 6, 5, 9, 12, 14], [17, 18], [8, 8, 8]]
LAYERS = [0, 2, 1, "tail"]
WORDS = ("one", "two", "three", "four", "five")
N_RESPONSES, BUDGET = 40, 150
ITEMS = (7, 0, 5, 2, 1)  # in the histories of four users, and of one who comes later
ASKED = 4  # test items of each


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random Llama whose MLP is felt, with norms that are not all ones, and its tokenizer."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    llama(folder, num_key_value_heads=1, initializer_range=0.3)
    net, tokenizer = causal.load(folder, device="cpu")
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "norm" in name:
                weight.copy_(1 + 0.5 * torch.randn(weight.shape, generator=draw))
    return net, tokenizer


def text(row):
    return " ".join(WORDS[(row + place * (1 + row % 3)) % 5] for place in range(3 + row % 7))


@pytest.fixture(scope="module")
def rated():
    counts = [n + ASKED for n in ITEMS]
    user = torch.tensor([who for who, n in enumerate(counts) for _ in range(n)])
    part = torch.tensor([p for n in ITEMS for p in [0] * n + [2] * ASKED])
    g = draws.generator(0)
    response = draws.order(g, N_RESPONSES)[: len(user)]
    target = (draws.uniform(g, len(user)) * 5).long()
    cold = torch.tensor([False] * 4 + [True])
    task = Task(user, response, target, part, cold, torch.tensor([0, 1, 0, 1, 0]), WORDS)
    texts = [text(row) for row in range(N_RESPONSES)]
    return Rated(task, texts[::-1], texts, draws.normal(g, N_RESPONSES, 6))


@torch.no_grad()
def whole(net, ids):
    """The last token's states of one prompt by transformers' own account, (4, d) as in LAYERS."""
    found = net.base_model(torch.tensor([ids]), output_hidden_states=True)
    first, second = found.hidden_states[1][0, -1], found.hidden_states[2][0, -1]
    mlp = net.base_model.layers[2].mlp
    tail = residuals(net, [ids])[0]
    last = tail + mlp(net.base_model.layers[2].post_attention_layernorm(tail))
    # transformers shows the last block's state behind the final norm only
    torch.testing.assert_close(
        net.base_model.norm(last), found.hidden_states[3][0, -1], rtol=0, atol=1e-5
    )
    return torch.stack([first, last, second, tail])


# Reading.


def test_last_states_are_those_of_every_hidden_state(model):
    found = last_states(model[0], PROMPTS, LAYERS)
    assert found.shape == (5, 4, 16) and found.dtype == torch.float32
    for row, ids in enumerate(PROMPTS):
        torch.testing.assert_close(found[row], whole(model[0], ids), rtol=0, atol=1e-5)


def test_many_prompts_come_back_in_their_order_and_are_read_once(model, tmp_path, monkeypatch):
    decoder = Decoder(model[1], model[0].base_model)
    monkeypatch.setattr("lore_core.language_model.shards.BATCH", 8)
    monkeypatch.setattr("lore_core.language_model.shards.SHARD", 2)
    first = read_last(PROMPTS, decoder, LAYERS, tmp_path, progress=False)
    torch.testing.assert_close(first, last_states(model[0], PROMPTS, LAYERS), rtol=0, atol=1e-5)
    files = sorted(tmp_path.iterdir())
    assert len(files) > 1
    assert torch.equal(read_last(PROMPTS, decoder, LAYERS, None, progress=False), first)
    read = []
    real = last_token.last_states
    monkeypatch.setattr(last_token, "last_states", lambda *a: read.append(a[1]) or real(*a))
    assert torch.equal(read_last(PROMPTS, decoder, LAYERS, tmp_path, progress=False), first)
    assert not read
    files[0].write_bytes(files[0].read_bytes()[:-9])  # damaged: this one is read once more
    assert torch.equal(read_last(PROMPTS, decoder, LAYERS, tmp_path, progress=False), first)
    assert 0 < sum(map(len, read)) < len(PROMPTS)


def test_another_model_or_other_layers_have_files_of_their_own(model, tmp_path):
    decoder = Decoder(model[1], model[0].base_model)
    one = read_last(PROMPTS[:1], decoder, [0, 1], tmp_path, progress=False)
    other = read_last(PROMPTS[:1], decoder, [1, 0], tmp_path, progress=False)
    assert torch.equal(one, other[:, [1, 0]])
    weight = model[0].base_model.layers[0].mlp.up_proj.weight
    with torch.no_grad():
        weight.mul_(2)
        changed = read_last(PROMPTS[:1], decoder, [0, 1], tmp_path, progress=False)
        weight.div_(2)
    assert not torch.equal(changed, one) and len(list(tmp_path.iterdir())) == 3


def test_no_hook_stays_even_if_reading_fails(model):
    def hooks():
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model[0].modules())

    before = hooks()
    last_states(model[0], PROMPTS, LAYERS)
    with pytest.raises(IndexError):
        last_states(model[0], [[10**6]], LAYERS)
    assert hooks() == before


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([3], 'layer 3 is wanted of a model of 3 blocks; expected some of 0 to 2, or "tail"'),
        ([-1], "a layer is -1"),
        (["head"], "a layer is 'head'"),
        ("tail", "layers is 'tail'; expected some of"),
        ([], "layers is .*; expected some of"),
    ],
)
def test_a_layer_outside_the_model_is_refused(model, rated, layers, message):
    with pytest.raises(ValueError, match=message):
        shifts(*model, rated, layers, progress=False)


# Shifts.


def told(model, rated, half, seed=0, k=3):
    """A writer, who has items, and a loop's answer: user, query, and the items shown to it."""
    writer = Writer(model[1], rated, k, BUDGET)
    who = Drawn.of(rated.task, half, draws.generator(seed))
    return writer, who


@pytest.mark.parametrize("half", [None, 0, 1])
@pytest.mark.parametrize("profile", ["own", "other"])
def test_shifts_are_those_of_a_plain_loop(model, rated, half, profile):
    found = shifts(
        *model, rated, LAYERS, 2, profile, budget=BUDGET, half=half, seed=3, progress=False
    )
    writer, who = told(model, rated, half, seed=3)
    tests = rated.task.test
    for row, user in enumerate(found.user.tolist()):
        shown = int(found.partner[row]) if profile == "other" else user
        changes = []
        for query in tests[rated.task.user[tests] == user][2 * (half or 0) :][:2].tolist():
            cosine = torch.cosine_similarity(
                rated.vectors[rated.task.response[who.items[shown]]],
                rated.vectors[rated.task.response[query]][None],
            )
            near = who.items[shown][cosine.topk(min(3, len(cosine))).indices.flip(0)].tolist()
            with_it = writer.head + writer.profile(near) + writer.query(query)
            without = writer.head + writer.query(query)
            changes.append(whole(model[0], with_it) - whole(model[0], without))
        expected = torch.stack(changes).mean(0)
        torch.testing.assert_close(found.value[row], expected, rtol=0, atol=1e-4)


def test_who_has_no_item_is_left_out_and_counted_and_who_comes_later_is_not_read(model, rated):
    whole_history = shifts(*model, rated, [1], 1, budget=BUDGET, progress=False)
    assert whole_history.user.tolist() == [0, 2, 3]
    assert (whole_history.n_users, whole_history.left_out) == (4, 1)
    assert whole_history.value.shape == (3, 1, 16)


def test_two_halves_share_neither_items_nor_queries(rated):
    drawn = [Drawn.of(rated.task, half, draws.generator(0)) for half in (0, 1, None)]
    for user, count in ((0, 7), (2, 5), (3, 2)):
        first, second, both = (set(one.items[user].tolist()) for one in drawn)
        assert not first & second and first | second == both and len(both) == count
        assert len(first) - len(second) in (0, 1)
    asked = [queries(rated.task, torch.tensor([0, 2]), 2, first) for first in (0, 2)]
    for row in (0, 1):
        assert not set(asked[0][row].tolist()) & set(asked[1][row].tolist())


def test_halves_differ_between_seeds_and_repeat_with_one(rated):
    sides = [halves(rated.task, draws.generator(seed)) for seed in (0, 0, 1)]
    assert torch.equal(sides[0], sides[1]) and not torch.equal(sides[0], sides[2])


@pytest.mark.parametrize("n", [2, 3, 50])
def test_a_partner_is_somebody_else_and_everybody_is_one(n):
    found = partners(n, draws.generator(n))
    assert (found != torch.arange(n)).all()
    assert found.sort().values.tolist() == list(range(n))


def test_the_nearest_items_are_shown_the_nearest_last(rated):
    vectors = torch.zeros(N_RESPONSES, 2)
    response = rated.task.response
    vectors[response[11]] = torch.tensor([1.0, 0.0])  # the query
    for item, angle in ((0, 0.3), (1, 0.1), (2, 2.0), (3, 0.2), (4, 0.3)):
        size = 1 + item  # a longer vector is not nearer
        vectors[response[item]] = size * torch.tensor([angle, angle]).cos() * torch.tensor([1, 0])
        vectors[response[item], 1] = size * torch.tensor(angle).sin()
    near = Rated(rated.task, rated.instructions, rated.responses, vectors)
    candidates = torch.arange(5)
    assert nearest(near, 11, candidates, 3).tolist() == [0, 3, 1]
    assert nearest(near, 11, candidates[:2], 3).tolist() == [0, 1]


# Prompts.


def words(tokenizer, ids):
    return tokenizer.convert_ids_to_tokens(ids)


def test_a_prompt_is_the_chat_with_items_and_their_ratings_before_the_query(model, rated):
    writer = Writer(model[1], rated, 2, 300)
    task = rated.task
    found = words(model[1], writer.head + writer.profile([0, 1]) + writer.query(7))
    shown = []
    for item in (0, 1, 7):
        row = int(task.response[item])
        shown += [*rated.instructions[row].split(), *rated.responses[row].split()]
        shown += [WORDS[int(task.target[item])]] if item != 7 else []
    assert [word for word in found if word in WORDS or word in text(5).split()] == shown
    chat = [{"role": "user", "content": "x"}]
    frame = model[1].apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    before, after = frame.split("x")
    assert found[: len(writer.head)] == model[1].tokenize(before)
    assert found[-len(writer.rest) :] == model[1].tokenize(after + "Rating: ")


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("extra", [0, 1, 13, 400])
def test_no_prompt_is_longer_than_its_budget_and_none_is_shorter_than_it_need_be(
    model, rated, k, extra
):
    with pytest.raises(ValueError, match=r"give at least \d+") as refused:
        Writer(model[1], rated, k, 40)
    least = int(str(refused.value).split("give at least ")[1].split(",")[0])
    with pytest.raises(ValueError, match=f"budget is {least - 1} tokens, too few"):
        Writer(model[1], rated, k, least - 1)
    budget = least + extra
    writer = Writer(model[1], rated, k, budget)
    for items in ([0], [1, 2], [3, 4, 5])[:k]:
        ids = writer.head + writer.profile(items) + writer.query(7)
        assert len(ids) <= budget
        long = all(len(writer.text(item, 999)) >= writer.share * 3 for item in (*items, 7))
        assert not long or len(ids) > budget - len(items) - 1


def test_items_are_cut_evenly_a_third_for_the_instruction(model, rated):
    long, one = [" ".join(WORDS * 20)] * N_RESPONSES, ["one"] * N_RESPONSES

    def cut(instructions, responses):
        writer = Writer(model[1], Rated(rated.task, instructions, responses, rated.vectors), 3, 200)
        pieces = "Instruction: " + instructions[0], "\n\nResponse: " + responses[0]
        return writer.text(0, 60), *map(writer.tokens, pieces)

    found, asked, said = cut(long, long)
    assert found == asked[:20] + said[:40]
    found, asked, said = cut(long, one)
    assert found == asked[: 60 - len(said)] + said, "what is left goes to the other"
    found, asked, said = cut(one, long)
    assert found == asked + said[: 60 - len(asked)]
    found, asked, said = cut(one, one)
    assert found == asked + said


def test_controls_are_as_long_as_the_profile_and_hold_what_they_say(model, rated):
    writer = Writer(model[1], rated, 3, BUDGET)
    own = writer.profile([0, 1, 2])
    mixed = writer.shuffled(own, draws.generator(0))
    assert sorted(mixed) == sorted(own) and mixed != own
    passage = writer.passage(own, draws.generator(0))
    assert len(passage) == len(own)
    first = words(model[1], passage)
    starts = [text(row).split() for row in range(N_RESPONSES)]
    assert any(first[: len(one)] == one[: len(first)] for one in starts)
    assert (
        writer.passage(own, draws.generator(0))
        == passage
        != writer.passage(own, draws.generator(1))
    )


@pytest.mark.parametrize("profile", ["random", "shuffled", "examples"])
def test_controls_take_the_place_of_the_profile(model, rated, profile):
    def read(which, seed):
        return shifts(*model, rated, [1], 1, which, budget=BUDGET, seed=seed, progress=False).value

    one = read(profile, 0)
    assert torch.equal(one, read(profile, 0))
    assert not torch.allclose(one, read(profile, 1)) and not torch.allclose(one, read("own", 0))


def test_examples_are_of_as_many_others_and_never_the_user_s_own(rated):
    who = Drawn.of(rated.task, None, draws.generator(0))
    others = {0: {2, 3}, 2: {0, 3}, 3: {0, 2}}
    for seed in range(8):
        for user, expected in others.items():
            shown = who.examples(user, 3, draws.generator(seed))
            assert set(rated.task.user[shown].tolist()) == expected and len(shown) == 2
    assert len(who.examples(0, 1, draws.generator(0))) == 1


# Bad input.


NO = {
    "an unknown profile": ({"profile": "mine"}, "profile is 'mine', expected one of own, other"),
    "a third half": ({"half": 2}, "half is 2, expected 0, 1 or None"),
    "no query": ({"n_queries": 0}, "n_queries is 0"),
    "more queries than there are": (
        {"n_queries": 3, "half": 1},
        "user 0 has 4 test items, but 6 queries are asked for",
    ),
    "a prompt beyond the context": (
        {"budget": 600},
        "budget is 600 tokens, but the model reads 512 at once: up to 88 tokens would be cut, at "
        "the end of the query; give a budget of at most 512",
    ),
    "a budget without room": ({"budget": 60}, "budget is 60 tokens, too few for a query and 3"),
    "an empty profile": ({"k": 0}, "k is 0"),
}


@pytest.mark.parametrize(("change", "message"), NO.values(), ids=NO)
def test_shifts_that_cannot_be_read_are_refused(model, rated, change, message):
    with pytest.raises(ValueError, match=message):
        shifts(*model, rated, [1], **{"budget": BUDGET, "progress": False} | change)


def test_with_fewer_than_two_histories_nobody_is_another(model, rated):
    task = rated.task
    kept = (task.part != 0) | (task.user == 0)
    fields = {name: getattr(task, name)[kept] for name in ("user", "response", "target", "part")}
    lone = Task(**fields, cold=task.cold, group=task.group, labels=WORDS)
    one = Rated(lone, rated.instructions, rated.responses, rated.vectors)
    with pytest.raises(ValueError, match="1 users have an item to show, expected at least two"):
        shifts(*model, one, [1], budget=BUDGET, progress=False)


def test_a_shift_keeps_its_users(model, rated):
    found = shifts(*model, rated, [1], 1, "other", budget=BUDGET, progress=False)
    assert isinstance(found, observe.Shifts)
    assert set(found.partner.tolist()) == set(found.user.tolist())
    assert (found.partner != found.user).all()
