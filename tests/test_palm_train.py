"""A policy is trained towards π_w, and a portfolio is written whole or not at all."""

import json
import os
from importlib.util import find_spec

import pytest
import torch
from tiny_models import llama
from worlds import normal

from lore_core.language_model import causal
from lore_core.language_model.mixed import add_adapters
from lore_core.palm import adapters
from lore_core.palm.lora import Lora
from lore_core.palm.text_reward import TextReward
from lore_core.palm.train import own_probabilities, train_policy, train_portfolio
from lore_core.tools import folders

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
pytestmark = pytest.mark.skipif(
    not (find_spec("transformers") and find_spec("peft")), reason="needs the extra `hub`"
)

PROMPTS = ["one two", "three", "four five", "six"]
CANDIDATES = [["one", "two three two", "five."]] * 2 + [["six seven six", "nine", "ten ten"]] * 2
TARGETS = normal(4, 3).softmax(1)
QUICK = {"seed": 0, "lora": Lora(epochs=1), "progress": False}
UNITS = {"beta": 0.5, "shift": torch.zeros(2), "scale": torch.ones(2)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "llama"
    llama(place, layers=2, hidden_size=32, initializer_range=0.5)
    return place


def loaded(folder):
    return causal.load(folder, device="cpu")


def portfolio(folder, out, **changes):
    weights = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    both = torch.stack([TARGETS, TARGETS.flip(1)])
    told = {"weights": weights, "probabilities": both} | UNITS | QUICK | changes
    rest = {key: told.pop(key) for key in ("weights", "probabilities")}
    return train_portfolio(
        *loaded(folder), PROMPTS, CANDIDATES, rest["weights"], rest["probabilities"], out, **told
    )


def kl(p, q):
    return (p * (p.log() - q.log())).sum(1)


# Training


def test_training_ends_at_the_policy_that_it_was_given(folder, tmp_path):
    model, tokenizer = loaded(folder)
    before = own_probabilities(model, tokenizer, PROMPTS, CANDIDATES)
    lora = Lora(rank=8, learning_rate=0.003, epochs=250, together=4)
    losses = train_policy(
        *(model, tokenizer, PROMPTS, CANDIDATES, TARGETS, tmp_path / "a"),
        seed=0,
        lora=lora,
        progress=False,
    )
    add_adapters(model, {"a": tmp_path / "a"})
    model.set_adapter("a")
    after = own_probabilities(model, tokenizer, PROMPTS, CANDIDATES)
    assert losses[-1] < losses[0] and kl(TARGETS, before).max() > 0.1
    assert kl(TARGETS, after).max() < 0.02
    chats = causal.said(tokenizer, PROMPTS, [each[0] for each in CANDIDATES])
    mass = causal.log_likelihoods(model, chats).exp() / after[:, 0]
    assert mass.min() > 0.9  # the candidates have nearly all of the model's probability


def test_training_leaves_the_model_as_it_was(folder, tmp_path):
    model, tokenizer = loaded(folder)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    train_policy(model, tokenizer, PROMPTS, CANDIDATES, TARGETS, tmp_path / "a", **QUICK)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(weight.requires_grad for weight in model.parameters())


def test_an_adapter_without_a_step_says_what_the_model_says(folder, tmp_path):
    model, tokenizer = loaded(folder)
    plain = own_probabilities(model, tokenizer, PROMPTS, CANDIDATES)
    lora = Lora(epochs=1, learning_rate=1e-12)
    train_policy(
        *(model, tokenizer, PROMPTS, CANDIDATES, TARGETS, tmp_path / "a"), **QUICK | {"lora": lora}
    )
    add_adapters(model, {"a": tmp_path / "a"})
    model.set_adapter("a")
    after = own_probabilities(model, tokenizer, PROMPTS, CANDIDATES)
    torch.testing.assert_close(plain, after, atol=1e-5, rtol=0)


def test_the_loss_is_that_of_the_formula(folder, tmp_path):
    model, tokenizer = loaded(folder)
    flat = [(p, y) for p, each in zip(PROMPTS, CANDIDATES, strict=True) for y in each]
    chats = causal.said(tokenizer, *zip(*flat, strict=True))
    likely = causal.log_likelihoods(model, chats).view(4, 3)
    by_hand = -(TARGETS * likely).sum(1).mean()
    lora = Lora(epochs=1, together=4)  # one step, so nothing has moved when the loss is taken
    (loss,) = train_policy(
        *(model, tokenizer, PROMPTS, CANDIDATES, TARGETS, tmp_path / "a"), **QUICK | {"lora": lora}
    )
    assert loss == pytest.approx(float(by_hand), abs=1e-4)


def trained(folder, out, targets=TARGETS, **changes):
    train_policy(*loaded(folder), PROMPTS, CANDIDATES, targets, out, **QUICK | changes)
    return (out / "adapter_model.safetensors").read_bytes()


def test_one_seed_gives_one_adapter_and_two_seeds_two(folder, tmp_path):
    torch.manual_seed(5)
    one = trained(folder, tmp_path / "one")
    assert one == trained(folder, tmp_path / "again")
    assert one != trained(folder, tmp_path / "other", seed=1)


def test_tokens_of_a_batch_do_not_change_what_is_learned(folder, tmp_path):
    trained(folder, tmp_path / "one", lora=Lora(epochs=1, budget=1))
    trained(folder, tmp_path / "all", lora=Lora(epochs=1, budget=10_000))
    found = []
    for name in ("one", "all"):
        model, tokenizer = loaded(folder)
        add_adapters(model, {"a": tmp_path / name})
        found.append(own_probabilities(model, tokenizer, PROMPTS, CANDIDATES))
    torch.testing.assert_close(*found, atol=1e-3, rtol=0)


def test_candidates_of_a_small_share_are_not_read(folder, tmp_path, monkeypatch):
    rows = []

    def counted(model, some):
        rows.extend(some)
        return causal.log_likelihood(model, some)

    monkeypatch.setattr("lore_core.palm.lora.log_likelihood", counted)
    targets = torch.tensor([[0.97, 0.03, 0.0]] * 4)
    for smallest, read in ((0.0, 8), (0.05, 4)):
        rows.clear()
        lora = Lora(epochs=1, smallest=smallest)
        trained(folder, tmp_path / str(read), targets=targets, lora=lora)
        assert len(rows) == read


# The folder


def test_a_portfolio_has_an_adapter_for_each_policy_and_says_what_it_is(folder, tmp_path):
    out = portfolio(folder, tmp_path / "p")
    about = adapters.read(out)
    assert about == {
        "weights": [[1.0, 0.0], [0.25, 0.75]],
        "beta": 0.5,
        "shift": [0.0, 0.0],
        "scale": [1.0, 1.0],
        "adapters": ["policy_0", "policy_1"],
    }
    assert sorted(path.name for path in out.iterdir()) == ["policy_0", "policy_1", adapters.FILE]
    model, tokenizer = loaded(folder)
    add_adapters(model, {name: out / name for name in about["adapters"]})
    model.set_adapter(adapters.adapter_name(1))
    assert own_probabilities(model, tokenizer, PROMPTS, CANDIDATES).shape == (4, 3)


def test_a_portfolio_that_fails_half_way_leaves_nothing(folder, tmp_path):
    bad = torch.stack([TARGETS, TARGETS * 2])
    with pytest.raises(ValueError, match="the probabilities of prompt 0 sum to 2"):
        portfolio(folder, tmp_path / "p", probabilities=bad)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_is_interrupted_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), folders.whole(tmp_path / "a") as unfinished:
        (unfinished / "half").write_text("of it")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_never_written_over(folder, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "mine").write_text("kept")
    with pytest.raises(FileExistsError, match="exists already; remove it, or give another"):
        portfolio(folder, tmp_path / "p")
    assert (tmp_path / "p" / "mine").read_text() == "kept"


def test_a_portfolio_that_is_not_there_or_damaged_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="is missing; train a portfolio there first"):
        adapters.read(tmp_path)
    (tmp_path / adapters.FILE).write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        adapters.read(tmp_path)
    (tmp_path / adapters.FILE).write_text("{}")
    with pytest.raises(ValueError, match="lacks .*'adapters'"):
        adapters.read(tmp_path)
    about = adapters.described(torch.ones(1, 1), 0.0, torch.zeros(1), torch.ones(1))
    (tmp_path / adapters.FILE).write_text(json.dumps(about))
    with pytest.raises(FileNotFoundError, match="lacks the adapter policy_0"):
        adapters.read(tmp_path)


# The reward


class Stub:
    """An encoder of two features that are known: words, and letters."""

    name, n_features = "stub", 2


def test_a_text_reward_is_the_texts_in_the_data_s_units_times_the_basis(monkeypatch):
    def read(chats, *_, **__):
        return torch.tensor([[len(y.split()), len(y)] for _, y in chats]).float()

    monkeypatch.setattr("lore_core.palm.text_reward.read_once", read)
    scale = torch.tensor([[1.0, 4.0], [2.0, 0.5]])
    basis = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])
    found = TextReward(Stub(), basis, scale)([("q", "a bcd"), ("q", "ab")])
    by_hand = torch.tensor([[0.5, 2.0], [0.0, -4.0]]) @ basis
    torch.testing.assert_close(found, by_hand.double())


def test_a_text_reward_of_another_width_is_refused():
    with pytest.raises(ValueError, match="the basis has 3 features and stub reads 2"):
        TextReward(Stub(), torch.ones(3, 2))
    with pytest.raises(ValueError, match=r"scale of shape \(2, 3\)"):
        TextReward(Stub(), torch.ones(2, 2), torch.ones(2, 3))


# What can go wrong


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": torch.tensor([[0.5, 0.6], [1.0, 0.0]])}, "do not lie on the simplex"),
        ({"weights": torch.ones(3, 1)}, "shift has 2 numbers, expected one for each of the 1"),
        ({"weights": torch.tensor([[1.0, 0.0]])}, "probabilities has 2 rows but weights has 1"),
        ({"beta": -1}, "beta is -1, expected 0 or more"),
        ({"scale": torch.ones(3)}, "scale has 3 numbers"),
        ({"probabilities": torch.ones(2, 3, 3) / 3}, r"shape \(3, 3\) for 4 prompts"),
        ({"seed": -1}, "seed is -1"),
        ({"ended": [[True]] * 4}, "ended has 1 rows but responses has 3"),
    ],
)
def test_bad_input_is_refused(folder, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        portfolio(folder, tmp_path / "p", **changes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", ["rank", "epochs", "together", "budget", "learning_rate"])
def test_a_setting_out_of_range_is_refused(setting):
    with pytest.raises(ValueError, match=f"{setting} is 0"):
        Lora(**{setting: 0})


def test_prompts_with_unequal_candidates_or_none_are_refused(folder, tmp_path):
    model, tokenizer = loaded(folder)
    with pytest.raises(ValueError, match="the same number of candidates"):
        train_policy(
            *(model, tokenizer, ["one", "two"], [["a"], ["a", "b"]], torch.ones(2, 1)),
            tmp_path / "a",
            **QUICK,
        )
    with pytest.raises(ValueError, match="prompts is empty"):
        train_policy(model, tokenizer, [], [], torch.ones(0, 1), tmp_path / "a", **QUICK)
