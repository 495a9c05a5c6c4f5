"""What lesson 7 stands on: a tiny Llama, small talk, pairs with siblings, a map of overfitting."""

import json

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from headless import ROOT
from worlds import random, toy_responses, triples

from lore_core.evaluation import overfitting
from lore_core.evaluation.bootstrap import Interval
from lore_core.language_model.tiny import TinyLlama
from lore_core.plotting import trust
from lore_core.simulation.labels import draw_prompts
from lore_core.simulation.siblings import favourites
from lore_core.simulation.small_talk import ENDINGS, OPENINGS, THINGS, small_talk
from lore_core.simulation.tastes import dirichlet_tastes, utilities

TEXTS = [
    "<|begin|>One two three.<|end|>",
    "<|begin|>One.<|end|>",
    "<|begin|>three two 'One'<|end|>",
]
SMALL = overfitting.Map(n_users=6, pairs=(2, 8), ranks=(1, 2), seeds=(0, 1), steps=5, n_tests=6)


def llama(seed=0):
    return TinyLlama.drawn(TEXTS, width=16, generator=random(seed))


def test_a_state_times_the_head_is_the_model_s_own_reward():
    model = llama()
    torch.testing.assert_close(model.states(TEXTS) @ model.head, model.rewards(TEXTS))


def test_a_text_has_one_state_whatever_is_read_beside_it():
    """A shorter one is padded, and the padding is not seen."""
    together, model = llama().states(TEXTS), llama()
    alone = torch.cat([model.states([text]) for text in TEXTS])
    torch.testing.assert_close(together, alone)
    with_rest = model.states([*TEXTS, 100 * "One two "])[:3]
    torch.testing.assert_close(together, with_rest)


def test_the_last_token_decides_where_the_state_is_read():
    model = llama()
    ids = model.tokens(TEXTS[0])[None]
    expected = model.net.model(ids).last_hidden_state[0, -1]
    torch.testing.assert_close(model.states(TEXTS[:1])[0], expected)


def test_a_seed_draws_the_same_weights_and_leaves_torch_s_own_generator_alone():
    before = torch.random.get_rng_state()
    assert torch.equal(llama().states(TEXTS), llama().states(TEXTS))
    assert not torch.equal(llama().head, llama(1).head)
    assert torch.equal(before, torch.random.get_rng_state())


def test_special_tokens_words_and_signs_are_tokens():
    model = llama()
    assert len(model.tokens(TEXTS[0])) == 6 and len(model.tokens(TEXTS[2])) == 7


@pytest.mark.parametrize("text", ["four", "", "   "])
def test_what_the_model_cannot_read_is_said(text):
    with pytest.raises(ValueError, match=r"give such texts to TinyLlama\.drawn"):
        llama().states([text])


def test_small_talk_never_gives_an_answer_twice():
    most = len(OPENINGS) * len(THINGS) * len(ENDINGS) // 2
    talk = small_talk(most, random(0))
    answers = [answer for one in talk for answer in one.answers]
    assert len(talk) == most and len(set(answers)) == 2 * most
    assert all(answer.endswith(".") and "  " not in answer for answer in answers)
    assert {one.question for one in talk} > {one.question for one in talk[:3]}
    with pytest.raises(ValueError, match=f"two answers for {most} questions at most"):
        small_talk(most + 1, random(0))


def named(n_candidates=3, temperature=1.0, n=40, seed=0):
    """Favourites of three users in a toy world."""
    responses = toy_responses(n_prompts=60)
    tastes = dirichlet_tastes(3, 3, 0.5, random(seed))
    prompts = draw_prompts(responses.prompt.unique(), 3, n, random(seed))
    pairs = favourites(responses, tastes, prompts, n_candidates, temperature, random(seed))
    return responses, tastes, prompts, pairs


def gaps(responses, tastes, pairs):
    """By how much the chosen one is worth more."""
    return utilities(responses, tastes, pairs.user, pairs.chosen) - utilities(
        responses, tastes, pairs.user, pairs.rejected
    )


def test_a_favourite_is_preferred_to_each_of_the_others_and_to_nothing_else():
    responses, _, prompts, pairs = named()
    assert pairs.counts.tolist() == [80, 80, 80]
    chosen, rejected = pairs.chosen.view(-1, 2), pairs.rejected.view(-1, 2)
    assert (chosen[:, 0] == chosen[:, 1]).all() and (rejected[:, 0] != rejected[:, 1]).all()
    assert (responses.prompt[chosen] == responses.prompt[rejected]).all()
    assert responses.prompt[chosen[:, 0]].view(3, -1).tolist() == prompts.tolist()


def test_without_noise_the_favourite_is_the_best_one():
    responses, tastes, _, pairs = named(temperature=1e-6)
    assert (gaps(responses, tastes, pairs) > 0).all()


def test_of_two_candidates_the_favourite_is_chosen_as_bradley_terry_says():
    wins, expected = 0.0, 0.0
    for seed in range(20):
        responses, tastes, _, pairs = named(2, n=60, seed=seed)
        gap = gaps(responses, tastes, pairs)
        wins += float((gap > 0).double().mean())
        expected += float(gap.abs().sigmoid().mean())
    assert abs(wins - expected) / 20 < 0.02


def test_as_many_candidates_as_there_are_can_be_asked_about_and_no_more():
    assert len(named(n_candidates=4)[3]) == 3 * 40 * 3
    with pytest.raises(ValueError, match="n_candidates is 5, but prompts have 4"):
        named(n_candidates=5)


def test_the_map_has_every_cell_once(tmp_path):
    table = SMALL.table(toy_responses(n_prompts=60))
    assert len(table) == 2 * 2 * 2 * 2
    assert (table.low <= table["mean"]).all() and (table["mean"] <= table.high).all()
    overfitting.write(table, tmp_path / "map.csv")
    pd.testing.assert_frame_equal(overfitting.read(tmp_path / "map.csv"), table.round(4))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.iloc[1:],
        lambda table: table.drop(columns="low"),
        lambda table: pd.concat([table.iloc[:-1], table.iloc[:1]]),
        lambda table: table.assign(mean=float("nan")),
    ],
    ids=["row", "column", "twice", "gap"],
)
def test_a_map_that_is_not_whole_is_refused(spoil, tmp_path):
    spoil(overfitting.read()).to_csv(tmp_path / "map.csv", index=False)
    with pytest.raises(ValueError, match="is not whole"):
        overfitting.read(tmp_path / "map.csv")


def test_a_missing_map_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="git checkout"):
        overfitting.read(tmp_path / "none.csv")


def test_no_recipe_sees_more_of_a_user_s_pairs_than_another():
    study = SMALL.study(toy_responses(n_prompts=60), 0, {})
    published, nothing = overfitting.given(study, overfitting.PUBLISHED, 8)
    train, validation = overfitting.given(study, overfitting.VALIDATED, 8)
    assert nothing is None and (published.counts == 8).all()
    assert (train.counts == 7).all() and (validation.counts == 1).all()
    assert sorted(triples(published)) == sorted(triples(train) + triples(validation))


def test_the_committed_map_is_of_the_sizes_that_the_script_computes():
    table, whole = overfitting.read(), overfitting.Map()
    assert (
        tuple(table.pairs.unique()) == whole.pairs and tuple(table["rank"].unique()) == whole.ranks
    )
    assert list(table.crowd.unique()) == list(overfitting.CROWDS)


def test_a_cell_of_the_map_holds_the_number_that_it_shows():
    table = overfitting.read()
    known = {15: "a data set"}
    fig = trust.overfitting_map(table, known)
    assert len(fig.axes) == 4
    panel = table[(table.crowd == table.crowd[0]) & (table.recipe == table.recipe[0])]
    written = [float(text.get_text()) for text in fig.axes[0].texts]
    top_first = panel.sort_values(["rank", "pairs"], ascending=[False, True])["mean"]
    assert written == pytest.approx(top_first.tolist(), abs=0.0051)
    assert [label.get_text() for label in fig.axes[2].get_xticklabels()][2] == "15\na data set"
    plt.close(fig)


def test_the_leak_s_figure_draws_what_it_is_given():
    curve = {"reference": Interval(0.6, 0.5, 0.7), "1": Interval(0.7, 0.6, 0.8)}
    panels = {"one": {"training": curve, "new": curve}, "two": {"training": curve, "new": curve}}
    fig = trust.by_rank(panels, {"reference": 0.65, "1": 0.75}, signal=0.57)
    heights = [list(line.get_ydata()) for line in fig.axes[0].lines]
    assert heights[0] == heights[1] == [0.6, 0.7] and heights[-1] == [0.65, 0.75]
    assert [ax.get_title("left") or ax.get_title() for ax in fig.axes] == ["one", "two"]
    plt.close(fig)


def test_lesson_7_shows_what_the_course_promises():
    """The leak rises with the rank and has no gap; text stays at what the true reward reaches."""
    shown = json.loads((ROOT / "figures" / "07_leak.json").read_text())
    leak, fixed = shown["leak curve"], shown["fixed curve"]
    for part in leak:
        means = [point["mean"] for point in leak[part].values()]
        assert means[-1] > 0.9 and means[-1] > means[0] + 0.1
        assert means == pytest.approx(sorted(means), abs=0.02)
        level = [point["mean"] for point in fixed[part].values()]
        assert max(level) - min(level) < 0.04
        assert fixed[part]["50"]["low"] < shown["agreement"] + 0.02
    cells = json.loads((ROOT / "figures" / "07_map.json").read_text())["accuracy"]
    assert {len(by_recipe) for by_recipe in cells.values()} == {2}
