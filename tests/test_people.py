"""The report on the reader's own people: the truth about planted and shuffled ones, readable."""

import html
import re

import numpy as np
import pandas as pd
import pytest
import torch
from worlds import normal

from lore_core import LowRankReward, Preferences, Responses
from lore_core.datasets.table import read_table
from lore_core.datasets.world import World
from lore_core.evaluation.likes import correlations, extremes, in_words, standing
from lore_core.people import Scorer, facts, fit, page
from lore_core.people.findings import LORE, ONE, OWN, find_out, mean_by_person

PROMPTS, CANDIDATES, D, PEOPLE = 60, 4, 6, 48
SEEDS = (0, 1)
WORDS = (
    "short.",
    "A longer one, with <b>more</b> words.",
    "- a list\n- of things",
    "It may be so.",
)


def quiet(_):
    """Say nothing."""


def crowd(shuffle=False, pairs=30):
    """People of three camps with opposite tastes, and their choices without noise."""
    generator = np.random.default_rng(0)
    embeddings = normal(PROMPTS * CANDIDATES, D)
    camps = normal(3, D, seed=1)
    user = torch.arange(PEOPLE).repeat_interleave(pairs)
    prompt = torch.from_numpy(generator.integers(PROMPTS, size=len(user)))
    places = torch.from_numpy(generator.random((len(user), CANDIDATES)).argsort(1)[:, :2])
    rows = prompt[:, None] * CANDIDATES + places
    utility = (embeddings[rows] @ camps[user % 3][..., None])[..., 0]
    better = utility.argmax(1, keepdim=True)
    if shuffle:
        user = user[torch.from_numpy(generator.permutation(len(user)))]
    preferences = Preferences(
        user=user,
        chosen=rows.gather(1, better)[:, 0],
        rejected=rows.gather(1, 1 - better)[:, 0],
        n_users=PEOPLE,
        user_names=tuple(f"person {u}" for u in range(PEOPLE)),
    )
    responses = Responses(
        embeddings=embeddings,
        prompt=torch.arange(PROMPTS).repeat_interleave(CANDIDATES),
        names=tuple(f"{WORDS[row % 4]} {row}" for row in range(len(embeddings))),
        prompt_names=tuple(f"question {p} & co" for p in range(PROMPTS)),
    )
    return World(responses, preferences, pd.DataFrame(index=range(PEOPLE)))


def studied(world):
    return fit.study(world, facts.described(world), facts.audited(world), SEEDS, quiet)


@pytest.fixture(scope="module")
def camps():
    return studied(crowd())


@pytest.fixture(scope="module")
def nobody():
    return studied(crowd(shuffle=True))


def text_of(path):
    """The words of a page as a person reads them, without its figures and its style."""
    content = path.read_text(encoding="utf-8")
    content = re.sub(r"<(svg|style|title).*?</\1>", " ", content, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", content)).split())


# The verdict


def test_where_tastes_are_planted_personalising_pays_and_the_page_says_so_first(camps, tmp_path):
    assert camps.findings.pays and camps.findings.ahead.low > 0.1
    words = text_of(fit.kept(tmp_path, camps))
    assert words.startswith("Does personalising pay for these people? Yes.")


def test_where_people_are_shuffled_it_does_not_and_the_page_says_so_first(nobody, tmp_path):
    assert not nobody.findings.pays
    words = text_of(fit.kept(tmp_path, nobody))
    assert words.startswith("Does personalising pay for these people? No.")
    assert nobody.scorer.model.personal.unique(dim=0).shape[0] == 1, "one reward for all is saved"


def test_new_people_of_a_camp_are_served_better_with_more_pairs(camps):
    lore = camps.findings.tested[LORE].new.nanmean(1)
    assert lore[-1] > lore[0] + 0.1
    assert camps.findings.tested[LORE].stranger.nanmean() < lore[-1] - 0.1


def test_one_reward_is_the_same_whatever_a_new_person_says(camps):
    curve = camps.findings.tested[ONE].new
    torch.testing.assert_close(curve, curve[:1].expand_as(curve), equal_nan=True)


def test_the_table_names_every_method_for_known_and_for_new_people(camps):
    table = camps.findings.table()
    assert list(zip(table.method, table.people, strict=True)) == [
        (method, people) for method in (ONE, LORE, OWN) for people in ("known", "new")
    ]
    assert (table.low <= table["mean"]).all() and (table["mean"] <= table.high).all()


def test_a_person_counts_once_however_many_splits_tested_them():
    nan = float("nan")
    values = [torch.tensor([1.0, 0.0]), torch.tensor([0.5, nan])]
    ids = [torch.tensor([0, 2]), torch.tensor([0, 1])]
    found = mean_by_person(values, ids, 4)
    torch.testing.assert_close(found, torch.tensor([0.75, nan, 0.0, nan]).double(), equal_nan=True)


def test_too_few_people_are_said_before_anything_is_trained():
    few = crowd()
    two = few.preferences.of_users(torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="too few users"):
        find_out(few.responses, two, SEEDS)


# The page


def test_the_page_and_its_files_are_all_there(camps, tmp_path):
    fit.kept(tmp_path, camps)
    names = {path.name for path in tmp_path.iterdir()}
    tables = {"methods", "few_pairs", "people", "facts", "audit", "weights"}
    assert {f"{name}.csv" for name in tables} <= names
    assert {"report.html", "model.safetensors", "few_pairs.svg", "gains.svg", "likes.svg"} <= names
    assert len(pd.read_csv(tmp_path / "people.csv")) == PEOPLE


def test_a_text_of_the_reader_s_cannot_become_part_of_the_page(camps, tmp_path):
    content = fit.kept(tmp_path, camps).read_text(encoding="utf-8")
    assert "<b>more" not in content and "&lt;b&gt;more" in content
    assert "question" in content and "&amp; co" in content


def test_the_page_needs_nothing_from_elsewhere(camps, tmp_path):
    content = fit.kept(tmp_path, camps).read_text(encoding="utf-8")
    assert not re.search(r"<(link|script|img|iframe)\b", content)
    sources = re.findall(r"(?:href|src)=\"([^\"]+)\"", content)
    assert all(source.startswith("#") for source in sources), "references within the figures"


def test_a_world_without_texts_has_a_page_too(tmp_path):
    world = crowd()
    bare = Responses(world.responses.embeddings, world.responses.prompt)
    found = studied(World(bare, world.preferences, world.people))
    words = text_of(fit.kept(tmp_path, found))
    assert "Yes." in words and "What each reward likes" not in words


def test_long_texts_are_cut_and_signs_are_printed():
    assert page.short("word " * 100).endswith(" …") and len(page.short("word " * 100)) < 300
    assert page.signed(-0.0312) == "−3.1" and page.signed(0.02) == "+2.0"
    assert page.percent(0.5) == "50.0 %"


# The model


def test_a_saved_model_scores_as_it_did(camps, tmp_path):
    fit.kept(tmp_path, camps)
    loaded = Scorer.load(tmp_path / "model.safetensors")
    assert loaded.users == camps.scorer.users
    world = crowd()
    rows, user = torch.arange(8), torch.arange(8) % PEOPLE
    torch.testing.assert_close(
        loaded.model.scores(world.responses, loaded.personal, user, rows),
        camps.scorer.model.scores(world.responses, camps.scorer.personal, user, rows),
    )


def test_what_everybody_likes_is_measured_within_each_prompt(camps):
    world = crowd()
    found = camps.scorer.everybody(world.responses)
    assert found.shape == (len(world.responses), PEOPLE)
    for prompt in world.responses.prompt.unique():
        torch.testing.assert_close(
            found[world.responses.prompt == prompt].mean(0), torch.zeros(PEOPLE).to(found)
        )
    pairs = world.preferences
    ahead = found[pairs.chosen, pairs.user] - found[pairs.rejected, pairs.user]
    margins = camps.scorer.model.margins(world.responses, pairs, camps.scorer.personal)
    torch.testing.assert_close(ahead, margins)


def test_new_people_are_taken_in_beside_the_old_ones(camps):
    world = crowd()
    mine = world.preferences.of_users(torch.tensor([0, 1, 2]))
    new = Preferences(mine.user, mine.chosen, mine.rejected, 3, ("x", "y", "z"))
    larger = camps.scorer.adapt(world.responses, new)
    assert larger.users == (*camps.scorer.users, "x", "y", "z")
    torch.testing.assert_close(larger.personal[:PEOPLE], camps.scorer.personal)
    ahead = larger.model.margins(world.responses, new, larger.personal[PEOPLE:])
    assert (ahead > 0).double().mean() > 0.9, "they are of the camps that the basis knows"


def test_who_is_known_already_or_has_no_name_is_refused(camps):
    world = crowd()
    with pytest.raises(ValueError, match="'person 0' is known already"):
        camps.scorer.adapt(world.responses, world.preferences)
    with pytest.raises(ValueError, match="the new people have no names"):
        camps.scorer.adapt(world.responses, Preferences([0], [0], [1], 1))


def test_a_model_of_embeddings_reads_no_text(camps):
    with pytest.raises(ValueError, match="fitted on embeddings, and no encoder is known"):
        camps.scorer.score("question", ["answer"])
    with pytest.raises(ValueError, match="'nobody' is not among the 48 people of this model"):
        camps.scorer.score("question", ["answer"], user="nobody")


def test_another_file_is_no_model(tmp_path):
    LowRankReward(normal(3, 2), normal(4, 2)).save(tmp_path / "reward.safetensors")
    with pytest.raises(ValueError, match="is no model of `lore fit`"):
        Scorer.load(tmp_path / "reward.safetensors")


# What a basis reward likes


def test_standing_is_within_a_prompt_and_where_prompts_have_one_response_among_all():
    values = torch.tensor([[1.0], [3.0], [10.0], [20.0]])
    within = standing(values, torch.tensor([0, 0, 1, 1]))
    assert within[:, 0].tolist() == [-1.0, 1.0, -5.0, 5.0]
    alone = standing(values, torch.tensor([0, 1, 2, 3]))
    assert alone[:, 0].tolist() == [-7.5, -5.5, 1.5, 11.5]


def test_a_reward_that_is_a_trait_correlates_with_it_and_with_no_other():
    traits = torch.linalg.qr(normal(40, 3) - normal(40, 3).mean(0))[0]
    responses = Responses(traits, torch.zeros(40).long(), traits, ("a", "b", "c"))
    reward = LowRankReward(torch.eye(3)[:, [2, 0]].double(), normal(5, 2))
    expected = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]).double()
    torch.testing.assert_close(correlations(reward, responses), expected, rtol=0, atol=0.05)


def test_correlations_are_those_of_numpy():
    traits = normal(40, 2, seed=3)
    responses = Responses(normal(40, 4), torch.zeros(40).long(), traits, ("a", "b"))
    reward = LowRankReward(normal(4, 3, seed=2), normal(5, 3))
    scores = (responses.embeddings @ reward.basis).numpy()
    expected = np.corrcoef(scores.T, traits.numpy().T)[:3, 3:]
    assert correlations(reward, responses).numpy() == pytest.approx(expected)


def test_extremes_are_of_different_prompts_and_the_most_extreme_ones_first():
    embeddings = torch.tensor([[0.0], [9.0], [8.0], [0.0], [1.0], [2.0]])
    responses = Responses(embeddings, [0, 0, 0, 1, 1, 1])
    reward = LowRankReward(torch.ones(1, 1), torch.zeros(1, 1))
    best, worst = extremes(reward, responses, 0, 2)
    assert best == [1, 5] and worst == [0, 3]


def test_words_name_what_is_worth_saying():
    names = ("brevity", "plain_words", "lists")
    assert in_words(torch.tensor([0.62, -0.31, 0.1]), names) == (
        "more brevity (0.62), less plain words (−0.31)"
    )
    assert in_words(torch.zeros(3), names) == "nothing that these traits measure"


# Facts


def test_facts_are_counted_as_by_hand():
    table = pd.DataFrame(
        [
            ("Ada", "p", "yes", "no"),
            ("Ada", "p", "yes", "no"),
            ("Ada", "p", "no", "yes"),
            ("Björn", "q", "no", "maybe not"),
            ("Björn", "q", "", "maybe not"),
        ],
        columns=["user", "prompt", "chosen", "rejected"],
    )
    world = facts.unread(read_table(table, say=quiet))
    found = facts.described(world).set_index("what").found
    assert found["people"] == 2 and found["pairs"] == 5 and found["prompts"] == 2
    assert found["pairs per person"] == "2 / 2.5 / 3"
    assert found["pairs given twice"] == 1 and found["contradictions"] == 3
    assert found["responses under several prompts"] == 2 and found["empty responses"] == 1
    assert found["the longer one is chosen"].startswith("0.333"), "Ada 2 of 3, Björn 0 of 2"
