"""Rivals of PROPER in the style study: a history in the prompt, and peft's X-LoRA."""

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from style_world import QUICK, RECIPE, drawn, read, tiny, vectors

from lore_core.evaluation import style_history, style_rows, style_xlora
from lore_core.evaluation.style_study import merged
from lore_core.language_model import causal
from lore_core.language_model.xlora import with_xlora
from lore_core.tools import draws

pytestmark = pytest.mark.skipif(not find_spec("peft"), reason="needs the extra `hub`")
OWN, OTHER = style_history.METHODS


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def task():
    return drawn()


@pytest.fixture
def made(place, task):
    return read(place, task)


# A history in the prompt


def likest(task, row, owner):
    """The three items of somebody's history that are most like one, by a plain loop."""
    v = vectors(task)
    alike = {}
    for place in range(len(task)):
        if task.user[place] == owner and task.part[place] == 0:
            alike[place] = float(torch.cosine_similarity(v[place], v[row], dim=0))
    return sorted(alike, key=alike.get)[-3:]


@pytest.mark.parametrize(("method", "further"), style_history.METHODS.items())
def test_before_the_question_stand_the_nearest_items_of_the_right_user(
    made, task, method, further, monkeypatch
):
    seen = []
    monkeypatch.setattr(style_history, "answered", lambda _, chats: seen.extend(chats) or Rows())
    style_history.items(made, vectors(task), method)
    for row, prompt in zip(task.test.tolist(), seen, strict=True):
        owner = (int(task.user[row]) + further) % task.n_users
        earlier = likest(task, row, owner)
        texts = [text for place in earlier for text in (made.asked[place], made.wanted[place])]
        assert [message.content for message in prompt] == [*texts, made.asked[row]]
        assert [message.role[0] for message in prompt] == list("uauauau")


class Rows:
    """Stands for a table of rows."""

    def assign(self, **_):
        return self


def test_the_length_of_a_vector_says_nothing(made, task):
    test = task.test[:1].tolist()
    for scale in (torch.ones(len(task), 1), torch.arange(1.0, len(task) + 1)[:, None]):
        given = torch.nn.functional.normalize(vectors(task) * scale)
        rows = style_history.history(made, test[0], 0)
        assert style_history.nearest(given, rows, test[0]) == likest(task, test[0], 0)


def test_an_answer_is_read_and_given_behind_the_history(made, task):
    """Against the model itself: one chat, token by token, without a memory."""
    found = style_history.items(made, vectors(task), OWN).iloc[0]
    row = int(found["item"])
    chat = style_history.chat(made, likest(task, row, int(task.user[row])), row)
    head = causal.heads(made.tokenizer, [chat])[0]
    assert len(head) > 3 * len(causal.heads(made.tokenizer, [made.asked[row]])[0])
    wanted = made.tokenizer(made.wanted[row], add_special_tokens=False).input_ids
    ids = torch.tensor([head + wanted])
    with torch.no_grad():
        logs = made.model(input_ids=ids).logits[0].log_softmax(-1)
    nats = -sum(float(logs[len(head) - 1 + i, token]) for i, token in enumerate(wanted))
    bits = nats / torch.tensor(2.0).log().item() / len(made.wanted[row].encode())
    assert found[style_rows.BITS] == pytest.approx(bits, rel=1e-5)
    assert found["text"] == by_hand(made, made.model, head)


def test_losses_are_those_of_the_whole_model_whatever_stands_beside_a_chat(made, task):
    rows = task.test[:9].tolist()
    prompts = [style_history.chat(made, [row - 1], row) for row in rows]
    wanted, ended = ([texts[row] for row in rows] for texts in (made.wanted, made.ended))
    chats = causal.said(made.tokenizer, prompts, wanted, ended)
    expected = -causal.log_likelihoods(made.model, chats).float()
    found = style_history.losses(made.model, chats)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_control_reads_something_else(made, task):
    own, other = (style_history.items(made, vectors(task), method) for method in (OWN, OTHER))
    assert (own[style_rows.BITS] != other[style_rows.BITS]).mean() > 0.9
    assert own["user"].tolist() == other["user"].tolist()


def by_hand(made, model, ids):
    """A greedy answer, everything read again at each step."""
    said = []
    with torch.no_grad():
        while len(said) < style_rows.TOKENS:
            logits = model(input_ids=torch.tensor([ids + said])).logits
            said.append(int(logits[0, -1].argmax()))
            if said[-1] == made.tokenizer.eos_token_id:
                break
    return made.tokenizer.decode(said, skip_special_tokens=True)


# X-LoRA over the same experts


@pytest.fixture(scope="module")
def shared(place, task):
    """The weights after stage 1."""
    return merged(style_rows.population(read(place, task), RECIPE))


@pytest.fixture(scope="module")
def tuned(place, task, shared):
    """The model after PROPER's groups; its study."""
    own = read(place, task)
    *_, (name, found) = style_rows.stages(own, RECIPE.up_to("group"), shared, style_rows.SEED)
    assert name == "group"
    return own, found


@pytest.fixture(scope="module")
def folders(place, task, shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters") / "experts"
    style_xlora.experts(read(place, task), shared, folder, recipe=RECIPE)
    return sorted(folder.iterdir())


def untrained(made, shared, folders):
    """X-LoRA and its classifier, before training."""
    never = replace(style_xlora.CLASSIFIER, passes=0)
    mixed = style_xlora.fit(made, shared, folders, never)
    [*classifier] = [w for w in mixed.speaking.above.parameters() if w.requires_grad]
    assert [w.shape for w in classifier] == [(2, 32), (2,)]
    return mixed, classifier


def set_shares(classifier, shares):
    """Let the classifier say the same of every token."""
    weight, bias = classifier
    with torch.no_grad():
        weight.zero_()
        bias.copy_(torch.tensor(shares).clamp(min=1e-30).log())


@pytest.mark.parametrize("shares", [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.2, 0.8]])
def test_x_lora_with_fixed_shares_is_proper_with_these_routes(made, tuned, shared, folders, shares):
    own, expected = tuned
    mixed, classifier = untrained(made, shared, folders)
    set_shares(classifier, shares)
    before = expected.shares
    expected.route(torch.tensor([shares]).expand(made.task.n_users, 2))
    items = made.items.select(made.task.test)
    found = mixed.losses(items)
    wanted = expected.all_losses(own.items.select(own.task.test))
    asked = [made.asked[row] for row in made.task.test[:3].tolist()]
    said = own.answers(expected, made.task.test[:3], torch.zeros(3).long(), 6)
    expected.route(before)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert mixed.answers(asked, 6) == said


def test_the_experts_of_proper_are_those_that_are_exported(tuned, folders):
    from safetensors.torch import load_file

    assert [folder.name for folder in folders] == ["0", "1"]
    for expert, folder in enumerate(folders):
        stored = load_file(folder / "adapter_model.safetensors")
        for name, layer in tuned[1].layers.items():
            for side in "AB":
                key = f"base_model.model.{name}.lora_{side}.weight"
                assert torch.equal(stored.pop(key), getattr(layer.experts, side)[expert])
        assert not stored


def test_the_classifier_learns_and_nothing_else_moves(place, task, shared, folders):
    quick = replace(QUICK, learning_rate=0.02, passes=4, batch=1)
    start, _ = untrained(read(place, task), shared, folders)
    weights = {name: w.detach().clone() for name, w in start.speaking.above.named_parameters()}
    trained = style_xlora.fit(read(place, task), shared, folders, quick)
    assert trained.curve[-1] < trained.curve[0]
    for name, weight in trained.speaking.above.named_parameters():
        assert torch.equal(weight, weights[name]) != ("classifier" in name), name


def test_a_token_s_shares_depend_on_what_was_read_before_it(made, shared, folders):
    mixed, _ = untrained(made, shared, folders)
    mixed.losses(made.items.select(torch.tensor([3])))
    shares = mixed.speaking.above.adapted.base_model.get_latest_scalings()[0, :, 0]
    torch.testing.assert_close(shares.sum(-1), torch.ones(len(shares)))
    assert shares[:, 0].std() > 1e-3


def test_answers_with_a_memory_below_are_those_without_any(made, shared, folders):
    """The two-part model against peft's own, which reads the whole text twice at each step."""
    mixed, _ = untrained(made, shared, folders)
    rows = made.task.test[[0, 3, 7]].tolist()
    asked = [made.asked[row] for row in rows]
    assert len({len(text) for text in asked}) > 1  # so somebody is padded

    class Whole:
        def __call__(self, input_ids):
            below = mixed.speaking.below.base_model
            states = below(input_ids=input_ids, use_cache=False).last_hidden_state
            return mixed.speaking.above.adapted(inputs_embeds=states)

    expected = [by_hand(made, Whole(), head) for head in causal.heads(made.tokenizer, asked)]
    assert mixed.answers(asked, style_rows.TOKENS) == expected
    assert any(expected)


def test_one_seed_repeats_and_another_starts_elsewhere(place, task, shared, folders):
    starts = []
    for seed in (1, 1, 2):
        upper = read(place, task).upper(shared)
        adapted = with_xlora(upper, folders, draws.generator(seed))
        starts.append(next(w for w in adapted.parameters() if w.requires_grad))
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])
