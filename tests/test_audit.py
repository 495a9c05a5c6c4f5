"""The audit finds every leak that was planted, and is quiet where there is none."""

from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
import torch
from worlds import pairs, planted, random, toy_pairs

from lore_core import Preferences, Responses
from lore_core.datasets import alpaca_eval
from lore_core.datasets.world import World
from lore_core.evaluation.audit import audit
from lore_core.evaluation.marks import FORMAT, STYLE, marks
from lore_core.evaluation.probe import chance, exchanged, held_out_wins
from lore_core.evaluation.study import SEEN, UNSEEN
from lore_core.evaluation.synthetic import draw_study
from lore_core.simulation.labels import draw_prompts, noisy_choices
from lore_core.simulation.planted import planted_responses
from lore_core.simulation.tastes import dirichlet_tastes

RESAMPLES = 200
OF_TEXTS = ["format", "style", "length", "empty responses"]
OF_PARTS = [
    "same question in a test",
    "known prompts in a test",
    "copies in a test",
    "users without tests",
]
WRITERS = [
    lambda text: f"[{text}]",
    lambda text: f'"{text}"',
    lambda text: text + "\n",
    lambda text: text.replace("o", "\\'"),
    lambda text: f"**{text}**",
    lambda text: f"- {text}\n- more",
    lambda text: f"# {text}",
    lambda text: text + "!",
    lambda text: text.lower(),
]


def flags(table):
    """What is flagged, by check."""
    return {
        row.check: row.flag for row in table.itertuples() if row.flag not in ("ok", "not checked")
    }


def row(table, check):
    return table.set_index("check").loc[check]


def written(generator):
    """A text of random length that bears each mark by chance."""
    text = "Some words " * int(torch.randint(3, 300, (), generator=generator)) + "end."
    for write, drawn in zip(WRITERS, torch.rand(len(WRITERS), generator=generator), strict=True):
        text = write(text) if drawn < 0.15 else text
    return text


def clean_world(seed, n_users=30, n_pairs=10):
    """People with tastes of their own, and texts that have nothing to do with them."""
    generator = random(seed)
    world, _ = planted_responses(40, 4, 8, 3, generator)
    tastes = dirichlet_tastes(n_users, 3, 0.1, generator)
    asked = draw_prompts(torch.arange(40), n_users, n_pairs, generator)
    given = noisy_choices(world, tastes, asked, temperature=0.3, generator=generator)
    return replace(world, names=tuple(written(generator) for _ in range(len(world)))), given


def changed(responses, given, write, side="rejected"):
    """The same world, in which every pair has two responses of its own, and one side is changed."""
    rows = torch.cat([given.chosen, given.rejected])
    n = len(given)
    texts = [responses.names[place] for place in rows.tolist()]
    where = range(n) if side == "chosen" else range(n, 2 * n)
    for place in where:
        texts[place] = write(texts[place])
    own = Responses(responses.embeddings[rows], torch.arange(n).repeat(2), names=tuple(texts))
    return own, Preferences(given.user, torch.arange(n), torch.arange(n, 2 * n), given.n_users)


@cache
def shipped():
    """Two crowds on the shipped world: without noise, and with noise on random pairs."""
    whole = alpaca_eval.load()
    some = whole.prompt < 200  # enough, and quicker
    responses = Responses(
        whole.embeddings[some], whole.prompt[some], whole.traits[some], whole.trait_names
    )
    sizes = dict(n_seen=80, n_unseen=40, n_pairs=20, n_shots=9, n_tests=10, seed=0)
    return [draw_study(responses, 0.1, **sizes, temperature=noise) for noise in (None, 1.0)]


def resampled(study, generator):
    """Half of the seen users, with half of their pairs, and all their tests."""
    some = torch.randperm(study.train.n_users, generator=generator)[: study.train.n_users // 2]
    train = study.train.of_users(some)
    train = train.subsample(int(train.counts.max()) // 2, generator)
    tests = study.tests | {
        block: tested.of_users(some)
        for block, tested in study.tests.items()
        if block.startswith("seen")
    }
    return replace(study, train=train, tests=tests, validation=study.validation.of_users(some))


def test_the_shipped_world_is_clean():
    for study in shipped():
        table = audit(study.responses, study.train, parts=study)
        assert flags(table) == {}
        assert set(table.check[table.flag == "not checked"]) == {*OF_TEXTS, "reward head"}


def test_resamples_of_the_shipped_world_are_flagged_in_at_most_one_of_twenty():
    """Nothing there is left to chance, so none of them is."""
    draw, studies = random(0), shipped()
    some = [resampled(studies[place % 2], draw) for place in range(RESAMPLES)]
    wrong = [flags(audit(one.responses, one.train, parts=one)) for one in some]
    assert sum(map(bool, wrong)) <= RESAMPLES / 20


def test_clean_texts_are_flagged_in_at_most_one_of_twenty():
    wrong = [flags(audit(*clean_world(seed), seed=seed)) for seed in range(RESAMPLES)]
    assert sum(map(bool, wrong)) <= RESAMPLES / 20


@pytest.mark.parametrize(
    ("write", "mark"),
    [
        (lambda text: str([text]), "stands in brackets"),
        (lambda text: f'"{text}"', "stands in quotes"),
        (lambda text: text + " ", "begins or ends with white space"),
        (lambda text: text.replace(" ", "\\n"), "holds escaped signs"),
        (lambda text: text + "<|eot_id|>", "holds a chat template's tokens"),
        (lambda text: "None", "is no text"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_a_format_of_one_side_is_a_leak_and_is_named(write, mark, side):
    found = row(audit(*changed(*clean_world(1), write, side)), "format")
    assert found.flag == "leak" and found.found > 0.7 and found.p < 0.01
    assert mark in found.reads and f"only the {side} one" in found.reads
    assert "render both sides alike" in found.do


def test_a_format_that_both_sides_share_is_none():
    world, given = clean_world(1)
    both = replace(world, names=tuple(str([text]) for text in world.names))
    assert row(audit(both, given), "format").flag == "ok"


def test_a_mark_of_style_is_a_note_for_it_may_be_taste():
    found = row(audit(*changed(*clean_world(2), lambda text: f"**{text}**", "chosen")), "style")
    assert (
        found.flag == "note" and "has bold words" in found.reads and "what people like" in found.do
    )


def test_a_taste_for_length_is_a_note_with_its_interval():
    found = row(audit(*changed(*clean_world(3), lambda text: 2 * text, "chosen")), "length")
    assert found.flag == "note" and 0.5 < found.low < found.found < found.high


def test_a_dislike_of_length_is_noted_as_well():
    found = row(audit(*changed(*clean_world(3), lambda text: 2 * text)), "length")
    assert found.flag == "note" and found.low < found.found < found.high < 0.5


def test_a_few_odd_pairs_are_no_leak():
    """A leak wins more than one pair in a hundred."""
    world, given = changed(*clean_world(4, n_users=40, n_pairs=25), lambda text: text)
    clean = tuple(text.strip('[]{}()"\n ').replace("\\'", "o") for text in world.names)
    odd = range(len(given), len(clean), 90)  # of the rejected
    few = [str([text]) if place in odd else text for place, text in enumerate(clean)]
    found = row(audit(replace(world, names=tuple(few)), given), "format")
    assert found.p < 0.01 and found.flag == "note"


def test_the_probe_has_seen_neither_the_user_nor_the_prompt():
    """Were it to learn from the pair's own prompt, it could not be wrong about any of these."""
    n_prompts, n_users = 30, 12
    features = torch.eye(2 * n_prompts, dtype=torch.float64)  # every response is its own feature
    user, prompt = torch.meshgrid(torch.arange(n_users), torch.arange(n_prompts), indexing="ij")
    rows = 2 * prompt.flatten()
    given = Preferences(user.flatten(), rows, rows + 1, n_users)
    wins = held_out_wins(features, given, torch.arange(2 * n_prompts) // 2, random(0))
    assert (wins == 0.5).all()
    own = torch.zeros(n_prompts * 2, n_users, dtype=torch.float64)  # one feature for each user
    own[0::2] = 1
    own = held_out_wins(own, given, torch.arange(2 * n_prompts) // 2, random(0))
    assert (own == 1).all()


def test_one_user_or_one_prompt_is_enough_for_a_probe():
    features = torch.tensor([[1.0], [0.0]] * 10, dtype=torch.float64)
    first, second = torch.arange(0, 20, 2), torch.arange(1, 20, 2)
    one_user = Preferences(torch.zeros(10, dtype=torch.long), first, second, 1)
    one_prompt = Preferences(torch.arange(10), first, second, 10)
    assert (held_out_wins(features, one_user, torch.arange(20) // 2, random(0)) == 1).all()
    assert (held_out_wins(features, one_prompt, torch.zeros(20).long(), random(0)) == 1).all()


def test_rows_are_exchanged_within_their_block_alone():
    block = torch.tensor([0, 1, 0, 2, 1, 0])
    values = torch.arange(6)
    drawn = torch.stack([exchanged(values, block, draw) for draw in [random(0)] for _ in range(50)])
    assert (block[drawn] == block).all()
    assert all(set(drawn[:, place].tolist()) == {0, 2, 5} for place in (0, 2, 5))


def test_a_p_value_of_chance_is_right():
    """Ten coins, all heads: shuffled sides look so once in 1024, or 2 / 1024 for either side."""
    block, values = torch.arange(20) // 2, torch.arange(20) % 2
    heads = chance(lambda some: float((some[1::2] > 0).sum()), values, block, random(0))
    assert heads < 0.01
    usual = chance(lambda some: float((some[1::2] > 0).sum()), values.flip(0) * 0, block, random(0))
    assert usual == 1.0


def test_an_offset_of_every_rejected_embedding_is_seen_without_texts():
    world, given = changed(*clean_world(5), lambda text: text)
    n = len(given)
    moved = world.embeddings.clone()
    moved[n:, 0] += 8
    found = row(audit(Responses(moved, world.prompt), given), "one reward for all")
    assert found.flag == "note" and found.low > 0.95
    assert flags(audit(Responses(world.embeddings, world.prompt), given)) == {}


def test_a_split_by_pair_is_a_leak_and_a_split_by_prompt_is_none():
    world, given = clean_world(6, n_pairs=30)
    three = Preferences(  # each user ranks three responses of a prompt: two pairs share one
        given.user.repeat(2),
        given.chosen.repeat(2),
        torch.cat([given.rejected, other(world, given)]),
        given.n_users,
    )
    half = torch.rand(len(three), generator=random(0)) < 0.5
    by_pair = {"train": three.select(half), "test": three.select(~half)}
    assert row(audit(world, three, parts=by_pair), OF_PARTS[0]).flag == "leak"
    half = world.prompt[three.chosen] < 20
    by_prompt = {"train": three.select(half), "test": three.select(~half)}
    assert not set(flags(audit(world, three, parts=by_prompt))) & set(OF_PARTS[:3])


def other(world, given):
    """A third response of each pair's prompt."""
    return next(
        torch.where(taken, later, rows)
        for rows in [4 * world.prompt[given.chosen]]
        for taken, later in [free(rows, given)]
    )


def free(rows, given):
    """Whether a prompt's first response is in the pair, and the first one that is not."""
    candidates = rows[:, None] + torch.arange(4)
    open_ = (candidates != given.chosen[:, None]) & (candidates != given.rejected[:, None])
    place = open_.int().argmax(1)
    return place > 0, rows + place


def test_the_parts_of_a_study_are_looked_through():
    study = planted(n_users=20, n_pairs=10)
    tests = {**study.tests, UNSEEN: study.tests["unseen users, seen prompts"]}
    found = flags(audit(study.responses, study.train, parts=replace(study, tests=tests)))
    assert found == {"known prompts in a test": "leak"}
    tests = {**study.tests, SEEN: study.train}
    found = flags(audit(study.responses, study.train, parts=replace(study, tests=tests)))
    assert found == {"same question in a test": "leak", "known prompts in a test": "leak"}


def test_a_copy_on_another_prompt_is_a_leak():
    study = planted(n_users=20, n_pairs=10)
    old, new = study.prompts.train[:20], study.prompts.test[:20]
    copied = study.responses.embeddings.clone()
    copied[study.responses.candidates_of(new)] = copied[study.responses.candidates_of(old)]
    responses = replace(study.responses, embeddings=copied)
    found = flags(audit(responses, study.train, parts=study))
    assert found["copies in a test"] == "leak"
    assert "copies in a test" not in flags(audit(study.responses, study.train, parts=study))


def test_users_who_are_trained_on_and_never_tested_are_counted():
    given = pairs((0, 0, 1), (1, 0, 1), (2, 2, 3), n_users=4)
    tested = pairs((0, 4, 5), (3, 4, 5), n_users=4)
    world = Responses(torch.eye(6), torch.arange(6) // 2)
    table = audit(world, given, parts={"train": given, "test": tested})
    found = row(table, "users without tests")
    assert (found.flag, found.reads[:6]) == ("note", "2 of 3")
    assert row(table, "users without pairs").reads.startswith("1 of 4")


def test_odd_pairs_are_counted_and_a_rare_one_is_not_flagged():
    world, given = clean_world(7)
    few = given.select(torch.cat([torch.arange(len(given)), torch.arange(2)]))
    assert row(audit(world, few), "repeated pairs").flag == "ok"
    many = given.select(torch.cat([torch.arange(len(given)), torch.arange(30)]))
    assert row(audit(world, many), "repeated pairs").flag == "note"
    turned = Preferences(many.user, many.chosen.clone(), many.rejected.clone(), many.n_users)
    turned.chosen[-30:], turned.rejected[-30:] = many.rejected[-30:], many.chosen[-30:]
    found = row(audit(world, turned), "contradictions")
    assert found.flag == "note" and found.reads.startswith("60 of 330")
    alike = replace(
        world, names=tuple("" if place % 4 < 2 else text for place, text in enumerate(world.names))
    )
    found = flags(audit(alike, given))
    assert found["ties"] == "note" and found["empty responses"] == "note"


def test_the_true_head_is_let_pass_in_half_precision_and_another_direction_is_not():
    world, given = clean_world(8)
    head = torch.randn(8, dtype=torch.float64, generator=random(0))
    logits = world.embeddings @ head + 3  # a constant does not matter
    stored = replace(world, embeddings=world.embeddings.half().double())
    assert row(audit(stored, given, head=head, logits=logits), "reward head").flag == "ok"
    wrong = audit(stored, given, head=head.roll(1), logits=logits)
    assert row(wrong, "reward head").flag == "error"
    assert "score.weight" in row(wrong, "reward head").do
    assert row(audit(stored, given, head=head), "reward head").flag == "not checked"
    for nothing in (head, head * 0):
        found = row(audit(stored, given, head=nothing, logits=logits * 0), "reward head")
        assert found.flag == "error"


def test_without_texts_parts_or_head_the_table_says_so():
    world, given = clean_world(9)
    table = audit(Responses(world.embeddings, world.prompt), given)
    missing = table[table.flag == "not checked"]
    assert list(missing.check) == [*OF_PARTS, *OF_TEXTS, "reward head"]
    assert set(missing.reads) == {
        "not checked: no parts",
        "not checked: no texts",
        "not checked: no head and logits",
    }


def test_a_world_brings_its_preferences_and_its_names():
    world, given = clean_world(10)
    whole = World(world, given, pd.DataFrame({"age": range(given.n_users)}))
    pd.testing.assert_frame_equal(audit(whole), audit(world, given))
    pd.testing.assert_frame_equal(audit(whole), audit(world, given, texts=world.names))


def test_one_seed_repeats_exactly():
    world, given = clean_world(11)
    pd.testing.assert_frame_equal(audit(world, given, seed=3), audit(world, given, seed=3))


def test_pairs_across_prompts_can_be_audited():
    """As with films, which have no prompt of their own."""
    world, _ = clean_world(12)
    world = Responses(world.embeddings, torch.arange(len(world)), names=world.names)
    given = toy_pairs(len(world), n_users=10, n_pairs=200)
    table = audit(world, given)
    assert flags(table) == {}
    odd = [
        str([text]) if place in set(given.rejected.tolist()) else text
        for place, text in enumerate(world.names)
    ]
    assert row(audit(world, given, texts=odd), "format").p < 0.5


@pytest.mark.parametrize("name", [*FORMAT, *STYLE])
def test_a_plain_sentence_bears_no_mark_but_its_capital(name):
    found = marks(["This is plain, and it (nearly) ends here."], FORMAT | STYLE)[0]
    assert found[[*FORMAT, *STYLE].index(name)] == (name == "begins with a capital")


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("['one', \"two\"]", "stands in brackets"),
        ("{'a': 1}", "stands in brackets"),
        ("“Yes.”", "stands in quotes"),
        ("Yes. ", "begins or ends with white space"),
        ("one\\n\\nTwo", "holds escaped signs"),
        ("a &amp; b", "holds escaped signs"),
        ("Yes.</s>", "holds a chat template's tokens"),
        ("nan", "is no text"),
        ("[]", "is no text"),
        ("**Yes**", "has bold words"),
        ("So:\n- one", "has bullets"),
        ("So:\n1. one", "has numbered items"),
        ("## So", "has headings"),
        ("use `x`", "has code"),
        ("one\n\ntwo", "has several lines"),
        ("Really?)", "ends with a question mark"),
        ("Really!", "ends with an exclamation mark"),
        ("and so on,", "ends in the middle of a sentence"),
    ],
)
def test_a_mark_is_found(text, mark):
    assert marks([text], FORMAT | STYLE)[0, [*FORMAT, *STYLE].index(mark)] == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w, p: audit(w), "give Responses and Preferences, or a World"),
        (lambda w, p: audit(p, w), "expected Responses"),
        (lambda w, p: audit(w, p, texts=["one"]), "texts has 1 strings, expected 160"),
        (lambda w, p: audit(w, p.select(torch.zeros(0).long())), "there are no pairs"),
        (lambda w, p: audit(w, p, seed=-1), "seed is -1"),
        (lambda w, p: audit(w, p, parts={"train": p}), "at least two parts"),
        (
            lambda w, p: audit(w, p, parts={"train": p, "test": p.of_users(torch.arange(3))}),
            "the same users in all",
        ),
        (lambda w, p: audit(w, p, parts={"train": p, "test": 3}), r"parts\['test'\] is a int"),
        (lambda w, p: audit(w, p, head=torch.ones(3), logits=torch.ones(160)), "expected \\(8,\\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(*clean_world(0))


def test_a_world_and_preferences_are_one_too_many():
    world, given = clean_world(0)
    whole = World(world, given, pd.DataFrame({"age": range(given.n_users)}))
    with pytest.raises(ValueError, match="brings its own preferences"):
        audit(whole, given)
