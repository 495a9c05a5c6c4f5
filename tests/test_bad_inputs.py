"""Bad input is refused in the house's words, or it is understood; never a wrong answer in silence.

REFUSED holds, door by door, what somebody might pass and what they are told. WELCOME holds input
that looks unusual and is right. A wrong number that nobody notices is worse than a crash.
"""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize
from worlds import normal, pairs, planted, random, toy_pairs, toy_responses

import lore_core
from lore_core import (
    LowRankReward,
    Preferences,
    Recipe,
    Responses,
    Split,
    accuracy,
    fit_basis,
    fit_weights,
)
from lore_core.datasets import download
from lore_core.decisions import laplace, posterior, questions
from lore_core.decisions.best_of_n import best_of_n
from lore_core.decisions.cloud import Cloud
from lore_core.distributed import inputs
from lore_core.distributed.checkpoints import Checkpoints
from lore_core.distributed.processes import Processes, own_device, started
from lore_core.distributed.sharding import shards
from lore_core.distributed.sorting import check_order
from lore_core.evaluation import (
    asking,
    calibration,
    question_rows,
    serving_rows,
    style_history,
    style_study,
)
from lore_core.evaluation.alignment import alignment
from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.bootstrap import bootstrap, lead, share
from lore_core.evaluation.controls import other_users
from lore_core.evaluation.headroom import headroom
from lore_core.evaluation.learning_curve import few_shots
from lore_core.evaluation.newcomers import Newcomers
from lore_core.evaluation.selection import select
from lore_core.evaluation.study import BLOCKS, four_blocks
from lore_core.evaluation.sweep import Run
from lore_core.evaluation.synthetic import Crowd, draw_study
from lore_core.evaluation.temperature import best_temperature
from lore_core.evaluation.utility import true_utility
from lore_core.language_model.chat import Turn
from lore_core.language_model.generate import check_weights
from lore_core.language_model.steer import drawn, tilted
from lore_core.language_model.xlora import with_xlora
from lore_core.methods import (
    PAL,
    VPL,
    FreeWeights,
    LoRe,
    MeanDifference,
    NewUser,
    PALBModel,
    PerUser,
    Reference,
    Schedule,
    parameter_count,
)
from lore_core.palm import adapters
from lore_core.palm.lora import Lora
from lore_core.perfit import counting, start
from lore_core.perfit.fit import fit as move
from lore_core.perfit.intervention import Intervention, Interventions
from lore_core.perfit.null import band, null
from lore_core.perfit.person import agreement, between
from lore_core.perfit.plan import Plan as Road
from lore_core.perfit.plan import paced
from lore_core.perfit.positions import Positions
from lore_core.perfit.presets import PRESETS, Preset, layers_of
from lore_core.perfit.profiles import Rated
from lore_core.perfit.recipe import PAPER as PUBLISHED
from lore_core.perfit.recipe import Recipe as Moving
from lore_core.perfit.recipe import Stage as Rank
from lore_core.perfit.rivals import mean_shift
from lore_core.perfit.spectrum import collective, directions, heaviest, spectrum
from lore_core.prepared import PreparedPairs
from lore_core.proper import count
from lore_core.proper.inject import inject
from lore_core.proper.linear import ProperLinear
from lore_core.proper.low_rank import LowRank, LowRanks
from lore_core.proper.penalty import constraint
from lore_core.proper.recipe import Recipe as Tuning
from lore_core.proper.recipe import Stage
from lore_core.proper.routers import FixedRouter, LoraRouter, UserRouter, bounds
from lore_core.proper.user_adapters import load_users
from lore_core.proper.who import Who
from lore_core.recipes import FEW_SHOT, PAPER, PAPER_FEW_SHOT, FewShot
from lore_core.reference import reference_direction
from lore_core.scale import pair_scale
from lore_core.simulation import habits
from lore_core.simulation.labels import (
    best_and_worst,
    choice_probability,
    draw_prompts,
    noisy_choices,
)
from lore_core.simulation.planted import planted_responses
from lore_core.simulation.tastes import dirichlet_tastes
from lore_core.sorted_pairs import SortedPairs
from lore_core.splits import split
from lore_core.tasks import Panel, Task, rating, style, tag
from lore_core.tasks.contest import Given
from lore_core.tasks.items import Labelled
from lore_core.tasks.texts import Texts
from lore_core.tasks.traits import DECODABLE
from lore_core.tools import checksums, draws, tensor_files
from lore_core.tools.manifests import claim

NAN, INF = float("nan"), float("inf")
HERE, PAIRS = toy_responses(), toy_pairs()  # 60 responses of 15 prompts, d = 6; 60 pairs of 5 users
E, PROMPT = HERE.embeddings, HERE.prompt
EVEN = torch.tensor([0.5, 0.5])
NARROW = toy_responses(n_features=5)
REWARD = LowRankReward(normal(6, 3), normal(5, 3, seed=1))
ONE_STEP = Schedule(1)
TWO_STEPS = Recipe(steps=2)
TIMES_100 = replace(HERE, embeddings=E * 100)
METHODS = {
    "LoRe": LoRe(2, Recipe(steps=1)),
    "free weights": FreeWeights(2, ridge_basis=1e-4, ridge_weights=0.03),
    "mean difference": MeanDifference(),
    "reference": Reference("trait 1"),
    "per user": PerUser(),
    "per user, from Bradley–Terry": PerUser(0.1, LoRe(1, Recipe(steps=1))),
    "VPL": VPL(hidden=4, latent=3, schedule=ONE_STEP),
    "PAL-A": PAL(schedule=ONE_STEP, new_user=NewUser(epochs=1)),
    "PAL-B": PAL(form=PALBModel, width=4, schedule=ONE_STEP, new_user=NewUser(epochs=1)),
}


@cache
def model(name):
    return METHODS[name].fit(HERE, PAIRS, device="cpu")


def with_value(table, value, row=3):
    changed = table.clone()
    changed[row] = value
    return changed


def reward_times(factor):
    return LowRankReward(REWARD.basis * factor, REWARD.logits)


def study(**changes):
    sizes = {"concentration": 1.0, "n_seen": 5, "n_unseen": 5, "n_pairs": 3, "n_shots": 2}
    return draw_study(toy_responses(n_prompts=40), **(sizes | {"seed": 0, "n_tests": 3} | changes))


def free_weights(**changes):
    return FreeWeights(**({"rank": 2, "ridge_basis": 1e-4, "ridge_weights": 0.03} | changes))


def crowd(**changes):
    sizes = {"concentration": 1.0, "n_seen": 5, "n_unseen": 5, "n_pairs": 3, "pool": 4}
    return Crowd(**(sizes | changes))


def benchmark(**changes):
    rest = {"data": "alpaca_eval", "counts": (1, 2), "repeats": 2, "shots": 2, "seeds": (0,)}
    return Benchmark(**({"crowd": crowd()} | rest | changes))


def responses(embeddings=E, prompt=PROMPT, *more, **options):
    return partial(Responses, embeddings, prompt, *more, **options)


def preferences(user=(0, 1), chosen=(0, 1), rejected=(2, 3), n_users=2):
    return partial(Preferences, user, chosen, rejected, n_users)


RESPONSES = {
    "embeddings with NaN": (responses(with_value(E, NAN)), "NaN or infinite values in 1 rows"),
    "embeddings with inf": (responses(with_value(E, INF)), "NaN or infinite values in 1 rows"),
    "embeddings of one dimension": (responses(E[0]), "expected a floating-point table"),
    "embeddings of three dimensions": (responses(E[None]), "expected a floating-point table"),
    "whole numbers as embeddings": (responses(E.long()), "int64, expected a floating-point"),
    "complex embeddings": (responses(E.to(torch.complex128)), "complex128, expected a floating"),
    "text as embeddings": (responses([["a", "b"]] * 60), "embeddings is a list that is not all n"),
    "ragged lists": (responses([[1.0], [1.0, 2.0]]), "embeddings is a list that is not all numb"),
    "None as embeddings": (responses(None), "embeddings is a NoneType that is not all numbers"),
    "an array of objects": (
        responses(E.numpy().astype(object)),
        "embeddings is a ndarray that is not all numbers",
    ),
    "a table with text": (responses(pd.DataFrame({"a": ["x"] * 60})), "is a DataFrame that is not"),
    "sparse embeddings": (responses(E.to_sparse()), r"stored as torch.sparse_coo; pass embeddings"),
    "prompts as floats": (responses(prompt=PROMPT.double()), "expected one dimension of whole num"),
    "prompts as booleans": (
        responses(prompt=PROMPT > 3),
        "expected one dimension of whole numbers",
    ),
    "a negative prompt": (responses(prompt=PROMPT - 1), "prompt contains -1; ids and rows start"),
    "too few prompts": (responses(prompt=PROMPT[:-1]), "embeddings has 60 rows but prompt has 59"),
    "prompts in a table": (responses(prompt=PROMPT[:, None]), "expected one dimension of whole nu"),
    "prompts with gaps": (
        responses(prompt=pd.Series([None, *range(59)], dtype="Int64")),
        "prompt (is a Series|has shape)",
    ),
    "embeddings and prompts swapped": (responses(PROMPT, E), "expected a floating-point table"),
    "traits with NaN": (responses(E, PROMPT, with_value(E, NAN)), "traits has NaN or infinite"),
    "too few traits": (responses(E, PROMPT, E[:9]), "embeddings has 60 rows but traits has 9"),
    "one name for all traits": (responses(E, PROMPT, E, "judge"), "expected a list of names"),
    "too few trait names": (
        responses(E, PROMPT, E, ["a"]),
        "got 1 trait names for 6 trait columns",
    ),
    "too few prompt embeddings": (
        responses(E, PROMPT, prompt_embeddings=E[:9]),
        "prompt id 14 has no row among 9 prompt_embeddings",
    ),
    "prompt embeddings with inf": (
        responses(E, PROMPT, prompt_embeddings=with_value(E, INF)),
        "prompt_embeddings has NaN or infinite values",
    ),
    "an unknown prompt": (lambda: HERE.candidates_of(torch.tensor([99])), "prompt 99 is not among"),
    "a prompt that is a float": (
        lambda: HERE.candidates_of(torch.tensor([1.0])),
        "prompts has sha",
    ),
    "candidates of nothing": (
        lambda: Responses(torch.zeros(0, 2), []).candidates_of(torch.tensor([0])),
        "there are no responses",
    ),
}
PREFERENCES = {
    "a user beyond": (preferences(user=(0, 2)), "user id 2 is out of range for n_users = 2"),
    "a negative user": (preferences(user=(0, -1)), "user contains -1; ids and rows start at 0"),
    "a negative row": (preferences(chosen=(0, -1)), "chosen contains -1; ids and rows start at 0"),
    "users as floats": (preferences(user=(0.0, 1.0)), "expected one dimension of whole numbers"),
    "rows as floats": (preferences(rejected=(2.0, 3.0)), "expected one dimension of whole numbers"),
    "rows as booleans": (preferences(chosen=(True, False)), "expected one dimension of whole n"),
    "names as users": (preferences(user=("ann", "bob")), "user is a tuple that is not all numbers"),
    "complex users": (preferences(user=torch.tensor([0j, 1j])), "expected one dimension of whole"),
    "too few rows": (preferences(rejected=(2,)), "user has 2 rows but rejected has 1"),
    "a pair of one response": (preferences(rejected=(0, 3)), "same row as chosen and rejected"),
    "no users": (preferences(n_users=0), "n_users is 0, expected a whole number of at least 1"),
    "half a user": (preferences(n_users=2.5), "n_users is 2.5, expected a whole number"),
    "n_users as text": (preferences(n_users="2"), "n_users is '2', expected a whole number"),
    "n_users as a boolean": (preferences(n_users=True), "n_users is True, expected a whole number"),
    "an unsigned id that does not fit": (
        preferences(user=np.array([0, 2**63], dtype=np.uint64)),
        "ids and rows start at 0",
    ),
    "subsample of -1": (lambda: PAIRS.subsample(-1, random(0)), "n_pairs is -1, expected a whole"),
    "subsample of half": (
        lambda: PAIRS.subsample(1.5, random(0)),
        "n_pairs is 1.5, expected a who",
    ),
    "a seed as generator": (
        lambda: PAIRS.subsample(1, 0),
        "generator is a int, expected torch.s Generator",
    ),
    "users beyond, drawn": (lambda: PAIRS.subsample_users(9, random(0)), "there are 5"),
    "-1 users, drawn": (lambda: PAIRS.subsample_users(-1, random(0)), "n_users is -1, expected"),
    "a user twice": (lambda: PAIRS.of_users(torch.tensor([1, 1])), "expected distinct ids below 5"),
    "a user that is not there": (lambda: PAIRS.of_users(torch.tensor([7])), "distinct ids below 5"),
    "a mask of another length": (lambda: PAIRS.select(torch.ones(3).bool()), "keep has 3 rows but"),
    "a negative position": (lambda: PAIRS.select(torch.tensor([-1])), "keep contains -1"),
    "a position beyond": (
        lambda: PAIRS.select(torch.tensor([60])),
        "keep contains 60, but there are 60",
    ),
    "a mask of floats": (
        lambda: PAIRS.select(torch.ones(60)),
        "keep has shape .* expected one dimen",
    ),
    "pairs of other responses": (lambda: toy_pairs(99).check(HERE), "points to response"),
    "pairs held against a tensor": (lambda: PAIRS.check(E), "responses is a Tensor, expected Resp"),
    "parts that share ids": (lambda: Split([0], [0], [1], ""), "parts of a split share ids"),
    "parts of floats": (lambda: Split([0.5], [1], [2], ""), "train has shape .* whole numbers"),
    "shares that leave nothing": (lambda: split(torch.arange(9), 0.5, 0.5, random(0)), "leave no"),
    "a share of NaN": (lambda: split(torch.arange(9), NAN, 0.5, random(0)), "leave no train part"),
    "a negative share": (lambda: split(torch.arange(9), -0.1, 0.5, random(0)), "leave no train"),
    "a seed that splits": (
        lambda: split(torch.arange(9), 0.1, 0.1, 3),
        "generator is a int, exp",
    ),
}
SEEDS = {
    f"seed {seed!r}": (
        partial(draws.generator, seed),
        f"seed is .*expected a whole number of at {w}",
    )
    for seed, w in [
        (1.5, "l"),
        (1.0, "l"),
        ("1", "l"),
        (None, "l"),
        (-1, "l"),
        (True, "l"),
        (2**64, "m"),
    ]
}


def fit(responses=HERE, preferences=PAIRS, rank=2, recipe=TWO_STEPS, **options):
    return partial(fit_basis, responses, preferences, rank, recipe, **options)


FITS = {
    "swapped arguments": (fit(PAIRS, HERE), "responses is a Preferences, expected Responses; are"),
    "a tensor as responses": (fit(E), "responses is a Tensor, expected Responses"),
    "a tensor as pairs": (fit(preferences=E), "preferences is a Tensor, expected Preferences"),
    "rank 0": (fit(rank=0), "rank is 0, expected at least 1.*LowRankReward.fixed"),
    "rank -1": (fit(rank=-1), "rank is -1, expected a whole number of at least 1"),
    "rank 1.5": (fit(rank=1.5), "rank is 1.5, expected a whole number"),
    "rank as text": (fit(rank="2"), "rank is '2', expected a whole number"),
    "no pairs": (fit(preferences=pairs(n_users=5)), "no pairs to learn from"),
    "pairs of more responses": (fit(preferences=toy_pairs(99)), "points to response"),
    "a few-shot recipe": (fit(recipe=FEW_SHOT), "recipe is a FewShot, which fits new users'"),
    "a recipe's name": (fit(recipe="paper"), "recipe is a str, expected Recipe"),
    "half a seed": (fit(seed=0.5), "seed is 0.5, expected a whole number"),
    "a negative seed": (fit(seed=-3), "seed is -3, expected a whole number of at least 0"),
    "another crowd's validation": (fit(validation=toy_pairs(n_users=3)), "validation has 3 users"),
    "validation beyond": (fit(validation=toy_pairs(99)), "points to response"),
    "responses as validation": (fit(validation=HERE), "preferences is a Responses, expected Pref"),
    "a start of another rank": (
        fit(init=(normal(6, 3), normal(5, 3))),
        r"init has shape \(6, 3\), expected basis",
    ),
    "a start of NaN": (fit(init=(normal(6, 2) * NAN, normal(5, 2))), "init has NaN or infinite"),
    "an anchor without reference": (
        fit(recipe=Recipe(anchor=1.0)),
        "has an anchor; pass reference",
    ),
    "a short reference": (
        fit(recipe=Recipe(anchor=1.0), reference=normal(5)),
        "reference has 5 numbers, expected one for each of the 6 features",
    ),
    "a reference of NaN": (
        fit(recipe=Recipe(anchor=1.0), reference=normal(6) * NAN),
        "reference has NaN or infinite values",
    ),
    "an unknown device": (fit(device="gpu"), "asked for gpu, but torch cannot compute there"),
    "a device that is a number": (fit(device=1.5), "asked for 1.5, but torch cannot compute there"),
    "equal embeddings": (fit(Responses(E * 0 + 1.0, PROMPT)), "differ by 0.0 on average"),
    "embeddings too large to square": (fit(Responses(E * 1e200, PROMPT)), "differ by inf on aver"),
    "embeddings too small to square": (fit(Responses(E * 1e-200, PROMPT)), "differ by 0.0 on aver"),
    "a huge start, without a learning rate": (
        fit(recipe=Recipe(rescale=False), init=(normal(6, 2) * 5e307, normal(5, 2))),
        "the loss became (nan|inf) at step 0; try smaller embeddings, a smaller start",
    ),
    "a huge learning rate": (
        fit(recipe=replace(PAPER, steps=5, learning_rate=1e200)),
        r"the loss became (nan|inf) at step 1; try a learning rate below 1e\+200",
    ),
} | {
    f"embeddings x {factor:g} in the units they come in": (
        fit(Responses(E * factor, PROMPT), recipe=replace(PAPER, steps=2)),
        "differ by .* on average, expected something between 1e-12 and 1e.12; divide",
    )
    for factor in (1e25, 1e-30)
}


def adapt(reward=REWARD, responses=HERE, preferences=PAIRS, recipe=FEW_SHOT, **options):
    return partial(fit_weights, reward, responses, preferences, recipe, **options)


def score(reward=REWARD, responses=HERE, preferences=PAIRS, weights=None):
    return partial(accuracy, reward, responses, preferences, weights)


ROWS = REWARD.weights
OFF_SIMPLEX = {
    "logits": REWARD.logits,
    "negative weights": with_value(ROWS, torch.tensor([1.5, -0.25, -0.25])),
    "weights that sum to two": ROWS * 2,
    "weights that sum to 0.9": ROWS * 0.9,
    "zeros": ROWS * 0,
    "weights in %": ROWS * 100,
}
REWARDS = {
    "a basis that is a vector": (lambda: LowRankReward(normal(6), ROWS), "basis has shape"),
    "a basis of NaN": (lambda: LowRankReward(normal(6, 3) * NAN, ROWS), "basis has NaN or inf"),
    "infinite logits": (
        lambda: LowRankReward(normal(6, 3), ROWS * 0 - INF),
        "logits has NaN or inf",
    ),
    "another number of columns": (
        lambda: LowRankReward(normal(6, 2), ROWS),
        "same number of columns",
    ),
    "no user": (lambda: LowRankReward(normal(6, 3), ROWS[:0]), "number of users is 0"),
    "fixed for nobody": (lambda: LowRankReward.fixed(normal(6), 0), "n_users is 0, expected"),
    "fixed for -1": (lambda: LowRankReward.fixed(normal(6), -1), "n_users is -1, expected"),
    "fixed along NaN": (lambda: LowRankReward.fixed(normal(6) * NAN, 2), "direction has NaN or"),
    "fixed along a number": (
        lambda: LowRankReward.fixed(torch.tensor(1.0), 2),
        "direction has shape",
    ),
    "reward and responses swapped": (
        score(HERE, REWARD),
        "reward is a Responses, expected a LowRankR",
    ),
    "responses and pairs swapped": (
        score(REWARD, PAIRS, HERE),
        "responses is a Preferences, expect",
    ),
    "other features": (score(responses=NARROW), "embeddings have 5 features, the basis has 6"),
    "pairs of other users": (
        score(preferences=toy_pairs(n_users=4)),
        r"expected \(4, 3\): one row",
    ),
    "pairs of other responses": (score(preferences=toy_pairs(99)), "points to response"),
    "weights of other users": (score(weights=ROWS[:2]), r"expected \(5, 3\): one row per user"),
    "weights of another rank": (score(weights=ROWS[:, :2]), r"expected \(5, 3\): one row per user"),
    "weights of NaN": (score(weights=ROWS * NAN), "weights has NaN or infinite values"),
    "weights as whole numbers": (score(weights=ROWS.long()), "expected a floating-point table"),
    "scores that overflow": (
        score(reward_times(1e307), TIMES_100),
        "embeddings times basis overflow; use sm",
    ),
    "float32 scores that overflow": (
        score(
            LowRankReward((REWARD.basis * 1e20).float(), ROWS),
            Responses((E * 1e20).float(), PROMPT),
        ),
        "embeddings times basis overflow; use smaller units, or float64",
    ),
    "embeddings as responses": (
        lambda: REWARD.margins(E, PAIRS),
        "responses is a Tensor, expected Responses",
    ),
    "responses as pairs": (
        lambda: REWARD.margins(HERE, HERE),
        "preferences is a Responses, expected",
    ),
    "NaN margins": (
        lambda: PAIRS.share_won(torch.full((60,), NAN)),
        "60 of 60 are NaN.* neither w",
    ),
    "one NaN margin": (
        lambda: PAIRS.share_won(with_value(torch.ones(60), NAN)),
        "margins: 1 of 60 are NaN",
    ),
    "too few margins": (
        lambda: PAIRS.share_won(torch.ones(9)),
        "margins has 9 rows but preferences",
    ),
    "one user to shuffle": (lambda: other_users(ROWS[:1], random(0)), "needs at least two users"),
    "a basis of other size to align": (
        lambda: alignment(normal(6, 2), normal(6, 3)),
        "basis has sh",
    ),
    "a basis of NaN to align": (
        lambda: alignment(normal(6, 2) * NAN, normal(6, 2)),
        "basis has NaN",
    ),
    "a score too short": (
        lambda: reference_direction(E, normal(9)),
        "embeddings has 60 rows but sc",
    ),
    "a ridge of 0": (
        lambda: reference_direction(E, normal(60), 0.0),
        "ridge is 0.0, expected a numb",
    ),
    "a reference that overflows": (
        lambda: reference_direction(E * 1e200, normal(60)),
        "embeddings are too large; divide them",
    ),
    "adapt: swapped": (
        adapt(REWARD, PAIRS, HERE),
        "responses is a Preferences, expected Responses",
    ),
    "adapt: no reward": (adapt(HERE), "reward is a Responses, expected LowRankReward"),
    "adapt: other features": (
        adapt(responses=NARROW),
        "embeddings have 5 features, the basis has 6",
    ),
    "adapt: beyond": (adapt(preferences=toy_pairs(99)), "points to response"),
    "adapt: a Recipe": (adapt(recipe=Recipe()), "recipe is a Recipe, which fits a basis"),
    "adapt: the paper's Recipe": (adapt(recipe=PAPER), "recipe is a Recipe, .*PAPER_FEW_SHOT"),
    "adapt: no recipe": (adapt(recipe=None), "recipe is a NoneType, expected FewShot"),
    "adapt: a start of another shape": (adapt(init=normal(5, 2)), "init has shape"),
    "adapt: a start of NaN": (adapt(init=normal(5, 3) * NAN), "init has NaN or infinite values"),
    "adapt: half a seed": (adapt(recipe=PAPER_FEW_SHOT, seed=0.5), "seed is 0.5, expected a whole"),
    "adapt: half a seed, unused": (adapt(seed=0.5), "seed is 0.5, expected a whole number"),
    "adapt: an unknown device": (adapt(device="gpu"), "asked for gpu, but torch cannot compute"),
    "adapt: scores that overflow": (
        adapt(reward_times(1e307), TIMES_100),
        "embeddings times basis overflow",
    ),
}
for what, weights in OFF_SIMPLEX.items():
    REWARDS |= {
        f"accuracy of {what}": (
            score(weights=weights),
            "do not lie on the simplex.* pass the softmax",
        ),
        f"a reward of {what}": (
            partial(LowRankReward.from_weights, REWARD.basis, weights),
            "weights of . users do not lie on the simplex, first row .*; expected numbers",
        ),
        f"a model's margins of {what}": (
            lambda w=weights: model("LoRe").margins(HERE, PAIRS, w[:, :2]),
            "personal of . users do not lie on the simplex",
        ),
        f"a PAL's margins of {what}": (
            lambda w=weights: model("PAL-A").margins(HERE, PAIRS, w[:, :2].float()),
            "personal of . users do not lie on the simplex",
        ),
    }


def bad_options(make, *rows):
    """{what: (call, message)} of options that `make` refuses, each named in the message."""
    return {
        f"{make.__name__} {option}={value!r}": (
            partial(make, **{option: value}, **more),
            rf"{option} is .*{message}",
        )
        for option, value, message, more in ((*row, {})[:4] for row in rows)
    }


AT_LEAST = "expected a whole number of at least "
ABOVE, ZERO_OR_MORE = "expected a number above 0", "expected 0 or more"
ADAM = {"optimizer": "adam"}
SETTINGS = (
    bad_options(
        Recipe,
        ("optimizer", "sgd", "expected one of lbfgs, adam, alternating"),
        ("optimizer", "newton", "expected one of lbfgs, adam, alternating"),
        ("optimizer", None, "expected one of"),
        ("steps", -1, AT_LEAST + "0"),
        ("steps", 1.5, AT_LEAST + "0"),
        ("learning_rate", 0.1, "optimizer 'lbfgs' has none and would ignore it"),
        ("learning_rate", 0.0, ABOVE, ADAM),
        ("learning_rate", NAN, ABOVE, ADAM),
        ("learning_rate", "fast", ABOVE, ADAM),
        ("temperature", 0.0, ABOVE),
        ("temperature", NAN, ABOVE),
        ("temperature", INF, ABOVE),
        ("average", "prompt", "expected one of pair, user"),
        ("start", "zeros", "expected one of normal, uniform"),
        ("start_scale", -1.0, ZERO_OR_MORE),
        ("ridge_basis", -1.0, ZERO_OR_MORE),
        ("ridge_basis", NAN, ZERO_OR_MORE),
        ("ridge_basis", "weak", ZERO_OR_MORE),
        ("ridge_basis", (1e-5, -1.0), ZERO_OR_MORE),
        ("ridge_basis", (1e-5, INF), ZERO_OR_MORE),
        ("ridge_basis", (), "expected a number, or several from small to large"),
        ("ridge_basis", (1e-3, 1e-5), "expected a number, or several from small to large"),
        ("ridge_basis", (1e-3, 1e-3), "expected a number, or several from small to large"),
        ("ridge_logits", -1.0, ZERO_OR_MORE),
        ("anchor", -1.0, ZERO_OR_MORE),
        ("anchor", INF, ZERO_OR_MORE),
        ("anchor_warmup", (0.8, 0.2), "expected 0 <= from <= to <= 1"),
        ("anchor_warmup", (0.5, NAN), "expected 0 <= from <= to <= 1"),
        ("prune", -0.1, ZERO_OR_MORE),
        ("tolerance", -1.0, ZERO_OR_MORE),
        ("tolerance", NAN, ZERO_OR_MORE),
        ("patience", 0, AT_LEAST + "1"),
        ("patience", 1.5, AT_LEAST + "1"),
    )
    | bad_options(
        FewShot,
        ("optimizer", "lbfgs", "expected one of newton, adam"),
        ("prior", 0.3, "optimizer 'adam' has none and would ignore it", ADAM),
        ("prior", 0.0, ABOVE),
        ("prior", -1.0, ABOVE),
        ("prior", NAN, ABOVE),
        ("learning_rate", 0.1, "optimizer 'newton' has none and would ignore it"),
        ("learning_rate", 0.0, ABOVE, ADAM),
        ("temperature", -1.0, ABOVE),
        ("steps", 0, AT_LEAST + "1"),
        ("steps", -1, AT_LEAST + "0", ADAM),
    )
    | bad_options(
        Schedule,
        ("steps", -1, AT_LEAST + "0"),
        ("steps", 2.5, AT_LEAST + "0"),
        ("evaluations", -1, AT_LEAST + "0", {"steps": 1}),
        ("warmup", 1.5, "expected a share of the steps", {"steps": 1}),
        ("warmup", -0.1, "expected 0 or more", {"steps": 1}),
        ("warmup", NAN, "expected 0 or more", {"steps": 1}),
    )
    | bad_options(
        NewUser,
        ("learning_rate", 0.0, ABOVE),
        ("learning_rate", -1.0, ABOVE),
        ("epochs", -1, AT_LEAST + "0"),
        ("batch", 0, AT_LEAST + "1"),
        ("batch", 1.5, AT_LEAST + "1"),
        ("prior", -0.1, ZERO_OR_MORE),
        ("prior", NAN, ZERO_OR_MORE),
    )
    | bad_options(
        VPL,
        *((size, 0, AT_LEAST + "1") for size in ("hidden", "latent", "users", "targets", "cycle")),
        *((size, -4, AT_LEAST + "1") for size in ("hidden", "latent", "users", "targets")),
        ("hidden", 1.5, AT_LEAST + "1"),
        ("kl", -1.0, ZERO_OR_MORE),
        ("kl", NAN, ZERO_OR_MORE),
        ("decay", -1.0, ZERO_OR_MORE),
        ("learning_rate", 0.0, ABOVE),
        ("learning_rate", -1.0, ABOVE),
        ("context", (0, 3), "expected a whole number of at least 1"),
        ("context", (4, 3), "expected 1 <= smallest <= largest"),
        ("schedule", 100, "expected Schedule"),
    )
    | bad_options(
        PAL,
        *((size, 0, AT_LEAST + "1") for size in ("rank", "width", "batch")),
        *((size, -1, AT_LEAST + "1") for size in ("rank", "width", "batch")),
        ("rank", 2.0, AT_LEAST + "1"),
        ("layers", -1, AT_LEAST + "0"),
        *((rate, 0.0, ABOVE) for rate in ("projector_rate", "personal_rate", "scale_rate")),
        ("decay", -1.0, ZERO_OR_MORE),
        ("form", "A", "expected PALAModel or PALBModel"),
        ("new_user", None, "expected NewUser"),
    )
    | bad_options(
        LoRe,
        ("rank", 0, AT_LEAST + "1"),
        ("rank", -2, AT_LEAST + "1"),
        ("recipe", FEW_SHOT, "expected Recipe", {"rank": 2}),
        ("few_shot", Recipe(), "expected FewShot", {"rank": 2}),
    )
    | bad_options(
        free_weights,
        ("rank", 0, AT_LEAST + "1"),
        ("rank", 1.5, AT_LEAST + "1"),
        *((ridge, -1.0, ZERO_OR_MORE) for ridge in ("ridge_basis", "ridge_weights")),
        *((ridge, NAN, ZERO_OR_MORE) for ridge in ("ridge_basis", "ridge_weights")),
        ("prior", 0.0, ABOVE),
        ("prior", -1.0, ABOVE),
        ("prior", INF, ABOVE),
    )
    | bad_options(
        PerUser,
        ("ridge", 0.0, ABOVE),
        ("ridge", -1.0, ABOVE),
        ("ridge", NAN, ABOVE),
        ("towards", "crowd", "expected a method or None"),
    )
    | bad_options(
        crowd,
        ("concentration", 0.0, ABOVE),
        ("n_seen", 0, AT_LEAST + "1"),
        ("n_unseen", -1, AT_LEAST + "1"),
        ("n_pairs", -1, AT_LEAST + "1"),
        ("pool", 0, AT_LEAST + "1"),
        ("temperature", 0.0, ABOVE),
        ("temperature", NAN, ABOVE),
        ("temperature", "hot", ABOVE),
        ("pairs", "all", "expected one of extreme, random"),
        ("pairs", True, "expected one of extreme, random"),
    )
    | bad_options(
        benchmark,
        ("repeats", 0, AT_LEAST + "1"),
        ("shots", 3, "expected one of the counts"),
        ("counts", (2, 9), "but a new user has a pool of 4"),
    )
)
MODELS = {
    f"{name}: {what}": (partial(call, name), message)
    for name in METHODS
    for what, (call, message) in {
        "fit without pairs": (
            lambda n: METHODS[n].fit(HERE, pairs(n_users=3)),
            "no pairs to learn from; give at least one",
        ),
        "fit, swapped": (
            lambda n: METHODS[n].fit(PAIRS, HERE),
            "responses is a Preferences, expected Responses",
        ),
        "fit beyond": (lambda n: METHODS[n].fit(HERE, toy_pairs(99)), "points to response"),
        "fit on no device": (
            lambda n: METHODS[n].fit(HERE, PAIRS, device="cuda:7"),
            "asked for cuda:7, but torch cannot compute there",
        ),
        "margins of another width": (
            lambda n: model(n).margins(NARROW, PAIRS),
            "embeddings have 5 features, the model has 6",
        ),
        "adapt to another width": (
            lambda n: model(n).adapt(NARROW, PAIRS),
            "embeddings have 5 features, the model has 6",
        ),
        "scores of another width": (
            lambda n: model(n).scores(NARROW, model(n).personal, [0], [0]),
            "embeddings have 5 features, the model has 6",
        ),
        "margins, swapped": (
            lambda n: model(n).margins(PAIRS, HERE),
            "responses is a Preferences, expected Responses",
        ),
        "adapt, swapped": (
            lambda n: model(n).adapt(PAIRS, HERE),
            "responses is a Preferences, expected Responses",
        ),
        "accuracy beyond": (
            lambda n: accuracy(model(n), HERE, toy_pairs(99)),
            "points to response",
        ),
        "half a seed": (lambda n: model(n).adapt(HERE, PAIRS, 0.5), "seed is 0.5, expected a wh"),
        "personal of NaN": (
            lambda n: model(n).margins(HERE, PAIRS, model(n).personal * NAN),
            "personal has NaN or infinite values",
        ),
        "personal of too few": (
            lambda n: model(n).margins(HERE, PAIRS, model(n).personal[:2]),
            "personal has shape .* expected .* one row per user",
        ),
        "a row beyond": (
            lambda n: model(n).scores(HERE, model(n).personal, [0], [60]),
            "rows contains 60, but there are 60",
        ),
        "a user beyond": (
            lambda n: model(n).scores(HERE, model(n).personal, [5], [0]),
            "user contains 5, but there are 5",
        ),
        "a negative row": (
            lambda n: model(n).scores(HERE, model(n).personal, [0], [-1]),
            "rows contains -1; ids and rows start at 0",
        ),
    }.items()
} | {
    f"{name}: embeddings x {factor:g}": (
        lambda n=name, f=factor: METHODS[n].fit(replace(HERE, embeddings=E * f), PAIRS),
        "differ by .* on average, expected something between 1e-12 and 1e.12; divide",
    )
    for name in ("mean difference", "reference", "per user")
    for factor in (1e25, 1e-30)
}
MODELS |= {
    f"{name}: equal embeddings": (
        lambda n=name: METHODS[n].fit(replace(HERE, embeddings=E * 0 + 3.0), PAIRS),
        "differ by 0.0 on average|have standard deviation 0.0",
    )
    for name in METHODS
}
TASTES = torch.full((5, 3), 1 / 3, dtype=torch.float64)
ASKED = torch.arange(10).view(5, 2)
CROWDS = {
    "concentration 0": (
        lambda: dirichlet_tastes(5, 3, 0.0, random(0)),
        "concentration is 0.0, exp",
    ),
    "concentration NaN": (lambda: dirichlet_tastes(5, 3, NAN, random(0)), "concentration is nan"),
    "concentration inf": (lambda: dirichlet_tastes(5, 3, INF, random(0)), "concentration is inf"),
    "-1 users": (
        lambda: dirichlet_tastes(-1, 3, 1.0, random(0)),
        "n_users is -1, expected a whole",
    ),
    "no traits": (
        lambda: dirichlet_tastes(5, 0, 1.0, random(0)),
        "n_traits is 0, expected a whole",
    ),
    "tastes of a seed": (
        lambda: dirichlet_tastes(5, 3, 1.0, 0),
        "generator is a int, expected torch",
    ),
    "-1 prompts": (
        lambda: draw_prompts(PROMPT.unique(), 5, -1, random(0)),
        "prompts per user is -1, expecte",
    ),
    "half a prompt": (
        lambda: draw_prompts(PROMPT.unique(), 5, 0.5, random(0)),
        "prompts per user is 0.5",
    ),
    "too many prompts": (
        lambda: draw_prompts(PROMPT.unique(), 5, 99, random(0)),
        "there are only 15 to draw",
    ),
    "no traits to like": (
        lambda: best_and_worst(Responses(E, PROMPT), TASTES, ASKED, random(0)),
        "these responses have no traits",
    ),
    "tastes for other traits": (
        lambda: best_and_worst(HERE, TASTES[:, :2], ASKED, random(0)),
        "tastes have shape .* do not fit 3 traits",
    ),
    "tastes of NaN": (
        lambda: best_and_worst(HERE, TASTES * NAN, ASKED, random(0)),
        "tastes has NaN or infinite values",
    ),
    "prompts for other users": (
        lambda: best_and_worst(HERE, TASTES, ASKED[:2], random(0)),
        "do not fit each other; expected",
    ),
    "prompts that nobody answered": (
        lambda: best_and_worst(HERE, TASTES, ASKED + 90, random(0)),
        "is not among these responses' prompts",
    ),
    "temperature 0": (
        lambda: noisy_choices(HERE, TASTES, ASKED, 0.0, random(0)),
        "temperature is 0",
    ),
    "temperature -1": (
        lambda: choice_probability(HERE, TASTES, PAIRS, -1.0),
        "temperature is -1.0",
    ),
    "temperature NaN": (lambda: choice_probability(HERE, TASTES, PAIRS, NAN), "temperature is nan"),
    "choices beyond": (
        lambda: choice_probability(HERE, TASTES, toy_pairs(99), 1.0),
        "points to resp",
    ),
    "a planted rank above d": (
        lambda: planted_responses(5, 4, 3, 4, random(0)),
        "rank is 4, expected",
    ),
    "-1 planted prompts": (
        lambda: planted_responses(-1, 4, 3, 2, random(0)),
        "n_prompts is -1, exp",
    ),
    "0 planted candidates": (lambda: planted_responses(5, 0, 3, 2, random(0)), "n_candidates is 0"),
    "a perfect observer without tastes": (
        lambda: true_utility(HERE, TASTES[:2], torch.zeros(5, 1, dtype=torch.long)),
        "rows has 5 rows but tastes has 2",
    ),
    "utility of negative rows": (
        lambda: true_utility(HERE, TASTES, torch.full((5, 1), -1)),
        "rows contains -1; ids and rows start at 0",
    ),
    "best of unknown prompts": (
        lambda: best_of_n(model("LoRe"), HERE, torch.tensor([99]), model("LoRe").personal),
        "prompt 99 is not among",
    ),
    "shots above the pool": (
        lambda: few_shots(PAIRS, [99], 2, random(0)),
        "the most pairs that a user has are 12, but 99",
    ),
    "-1 shots": (
        lambda: few_shots(PAIRS, [-1], 2, random(0)),
        "shots is -1, expected a whole number",
    ),
    "no shots": (lambda: few_shots(PAIRS, [], 2, random(0)), "counts is empty, expected"),
    "0 repeats": (
        lambda: few_shots(PAIRS, [1], 0, random(0)),
        "repeats is 0, expected a whole numb",
    ),
    "a pool too small, before training": (
        lambda: benchmark(crowd=crowd(pool=9), counts=(2, 9)).run({}, {0: study(n_shots=2)}),
        "the most pairs that a user has are 2, but 9 shots are asked for",
    ),
} | {
    f"study with {option} = {value}": (partial(study, **{option: value}), f"{option} is .*expected")
    for option, value in [
        ("n_seen", 0),
        ("n_seen", -1),
        ("n_unseen", -5),
        ("n_unseen", 1.5),
        ("n_pairs", -1),
        ("n_pairs", 0),
        ("n_shots", -1),
        ("n_tests", 0),
        ("seed", 0.5),
        ("seed", -1),
        ("concentration", -1.0),
        ("concentration", NAN),
        ("temperature", 0.0),
        ("pairs", "best"),
    ]
}
CROWDS |= {
    f"seeds = {seeds!r}": (partial(benchmark, seeds=seeds), f"seeds? is .*{expected}")
    for seeds, expected in [
        ((), "a list of whole numbers"),
        (0, "a list of whole numbers"),
        ((0, 0.5), "a whole number of at least 0"),
        ((0, [1]), "a whole number of at least 0"),
        ((0, 1, 0), "every one of them once"),
        ((2**63,), "a whole number of at most"),
    ]
}
CROWDS |= {
    "a study of a tensor": (
        lambda: draw_study(E, 1.0, 5, 5, 3, 2, 0),
        "responses is a Tensor, expected Responses",
    ),
    "a study of too few prompts": (partial(study, n_pairs=90), "only 24 to draw from"),
    "users who find everything equal": (
        lambda: draw_study(replace(HERE, traits=HERE.traits * 0), 1.0, 5, 5, 1, 1, 0, n_tests=1),
        "5 of 5 users have fewer than 1 pairs, the first one 0: they find all candidates",
    ),
}
TEN = normal(10)
NUMBERS = {
    "nobody": (lambda: bootstrap(TEN[:0], random(0)), "no user has a pair"),
    "nobody with a number": (lambda: bootstrap(TEN * NAN, random(0)), "no user has a pair"),
    "an infinite number": (
        lambda: bootstrap(with_value(TEN, INF), random(0)),
        "values has infinite values",
    ),
    "a table": (lambda: bootstrap(TEN[None], random(0)), "expected one number per user"),
    "a table of a seed": (
        lambda: bootstrap([TEN, TEN[None]], random(0)),
        r"values\[1\] has shape .1, 10.*expected one number per user",
    ),
    "a seed without users": (lambda: bootstrap([TEN, TEN[:0]], random(0)), "no user has a pair"),
    "no seeds": (lambda: bootstrap([], random(0)), "no user has a pair"),
    "other seeds": (lambda: lead([TEN, TEN], [TEN], random(0)), "one is of 2 seeds but other of 1"),
    "level 95": (lambda: bootstrap(TEN, random(0), 95), "level is 95, expected a share between"),
    "0 repeats": (lambda: bootstrap(TEN, random(0), repeats=0), "repeats is 0, expected a whole"),
    "a seed": (lambda: bootstrap(TEN, 0), "generator is a int, expected torch.s Generator"),
    "other users": (lambda: lead(TEN, TEN[:1], random(0)), "one has 10 rows but other has 1"),
    "other users' share": (
        lambda: share(TEN, TEN[:1], random(0)),
        "part has 10 rows but whole has 1",
    ),
    "a share of nothing": (lambda: share(TEN, TEN * 0, random(0)), "expected more than 0"),
} | {
    f"{count.__name__} of {size}": (
        partial(count, *[size] * n),
        "expected a whole number of at least",
    )
    for count, n in [
        (parameter_count.bradley_terry, 1),
        (parameter_count.per_user, 2),
        (parameter_count.lore, 3),
        (parameter_count.free_weights, 3),
        (parameter_count.vpl, 3),
        (parameter_count.pal_a, 4),
        (parameter_count.pal_b, 5),
    ]
    for size in (-1, 1.5)
}
FAR = replace(HERE, embeddings=E * 1e40)
RATES = {"VPL": {"learning_rate": 1e30}, "PAL-A": {"projector_rate": 1e30}}
SECOND_ROUND = (
    {
        "contradictory pairs, far too large": (
            lambda: PerUser(1e-16).fit(
                replace(HERE, embeddings=E * 1e10), pairs((0, 0, 1), (0, 1, 0), (0, 2, 3))
            ),
            "is too weak for embeddings whose differences",
        ),
        "a score with NaN": (
            lambda: reference_direction(E, with_value(normal(60), NAN)),
            "score: 1 of",
        ),
        "a score of two columns": (
            lambda: reference_direction(E, normal(60, 2)),
            "score has shape",
        ),
        "a score that overflows": (
            lambda: reference_direction(E.float(), normal(60) * 1e100),
            "direction: 6 of 6 are NaN or infinite; the score is too large",
        ),
        "a ridge too small to solve": (
            lambda: reference_direction(torch.cat([E, E], 1), normal(60), 1e-300),
            "too weak for these embeddings",
        ),
        "a reference of zeros": (
            fit(recipe=Recipe(anchor=1.0), reference=torch.zeros(6)),
            "reference is zero everywhere",
        ),
        "margins that are wins": (
            lambda: PAIRS.share_won(torch.ones(60).bool()),
            "have type torch.bool",
        ),
        "few shots at no temperature": (
            adapt(recipe=FewShot(temperature=1e-320)),
            "margins: .* are NaN or infinite; temperature .* is too small",
        ),
        "few shots by giant steps": (
            adapt(recipe=FewShot(optimizer="adam", learning_rate=1e308)),
            "weights: .* are NaN or infinite; the start or the learning rate is too large",
        ),
        "embeddings that underflow": (
            lambda: LowRankReward(REWARD.basis.float(), REWARD.logits).margins(
                replace(HERE, embeddings=E * 1e-60), PAIRS
            ),
            "embeddings times basis underflow; use larger units",
        ),
        "embeddings too small for their type": (
            fit(Responses((E * 1e-37).float(), PROMPT)),
            "too little or too much for torch.float32; divide all embeddings",
        ),
        "pairs beyond, in margins": (
            lambda: REWARD.margins(HERE, toy_pairs(99)),
            "points to response",
        ),
        "a start of three parts": (fit(init=(normal(6, 2),) * 3), "init is not a pair, expected"),
        "no recipe but a falsehood": (fit(recipe={}), "recipe is a dict, expected Recipe"),
        "two tables led by one": (
            lambda: lead(normal(4, 2), normal(4, 2), random(0)),
            "one has shape",
        ),
        "complex values": (
            lambda: bootstrap(TEN.to(torch.complex64), random(0)),
            "values has shape",
        ),
        "a whole that may vanish": (
            lambda: share(torch.ones(3), torch.tensor([0.0, 0.0, 1.0]), random(0)),
            "not above 0 in every resample",
        ),
        "masked embeddings": (
            responses(np.ma.masked_array(E.numpy(), mask=E.numpy() > 0)),
            "embeddings is a MaskedArray that is not all numbers",
        ),
        "prompts given twice": (lambda: draw_prompts(PROMPT, 5, 2, random(0)), "holds an id twice"),
        "a concentration beyond numbers": (
            lambda: dirichlet_tastes(5, 3, 1e308, random(0)),
            "beyond what numbers can hold",
        ),
        "tastes of other users": (
            lambda: choice_probability(HERE, TASTES[:2], PAIRS, 1.0),
            "pairs are of 5 users, but there are 2 tastes",
        ),
        "logits of half a percent": (score(weights=ROWS * 1.005), "do not lie on the simplex"),
        "blocks without weights": (
            lambda: four_blocks(study(), REWARD, None, None),
            "weights of seen users is a NoneType",
        ),
        "no candidates": (lambda: select({}, {0: study()}, 1), "no candidates to choose among"),
        "no seed to choose on": (lambda: select(METHODS, {}, 1), "give at least one seed"),
        "a number too large": (
            lambda: Recipe(temperature=10**400),
            "temperature is 1.*expected a number",
        ),
        "a bad seed where none is used": (
            lambda: MeanDifference().fit(HERE, PAIRS, seed="a"),
            "seed is 'a', expected a whole number",
        ),
        "bad validation where none is used": (
            lambda: PerUser().fit(HERE, PAIRS, validation=toy_pairs(n_users=3)),
            "validation has 3 users, training 5",
        ),
    }
    | {
        f"{name}: {what} of embeddings far off": (
            lambda n=name, c=call: c(model(n)),
            "standard deviations from those of training|are NaN or infinite|overflow",
        )
        for name in ("VPL", "PAL-A", "PAL-B")
        for what, call in {
            "margins": lambda m: m.margins(FAR, PAIRS),
            "adapt": lambda m: m.adapt(FAR, PAIRS),
            "best": lambda m: best_of_n(m, FAR, torch.arange(3), m.personal),
        }.items()
    }
    | {
        f"{name} that runs away": (
            lambda n=name, r=rate: replace(METHODS[n], **r).fit(HERE, PAIRS).margins(HERE, PAIRS),
            "rates are too large|training has run away",
        )
        for name, rate in RATES.items()
    }
    | {
        f"{make.__name__}({option}='no')": (
            partial(make, **{option: "no"}, **more),
            f"{option} is 'no', expected True or False",
        )
        for make, option, more in [
            (Recipe, "rescale", {}),
            (VPL, "rescale", {}),
            (Schedule, "cosine", {"steps": 1}),
            (NewUser, "random", {}),
        ]
    }
    | {
        f"{make.__name__}({option}={value!r})": (
            partial(make, **{option: value}),
            f"{option} is .*expected|expected a whole number",
        )
        for make, option in [(Recipe, "anchor_warmup"), (VPL, "context")]
        for value in (None, 0.5, (0.1,), ("a", "b"), (1, 2, 3), (True, True))
    }
)
REFUSED = {
    f"{door}: {what}": row
    for door, rows in {
        "responses": RESPONSES,
        "preferences": PREFERENCES,
        "draws": SEEDS,
        "fit": FITS,
        "reward": REWARDS,
        "settings": SETTINGS,
        "models": MODELS,
        "crowds": CROWDS,
        "numbers": NUMBERS,
        "second round": SECOND_ROUND,
    }.items()
    for what, row in rows.items()
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_and_said_what_was_expected(call, message):
    with pytest.raises((ValueError, RuntimeError), match=message) as caught:
        call()
    library = Path(lore_core.__file__).parent
    assert library in caught.traceback[-1].path.parents, "the message comes from another library"


@pytest.mark.parametrize("lines", ["../x", "/etc/x", "a/../../x", "."])
def test_a_name_in_a_checksum_file_stays_in_its_folder(lines, tmp_path):
    sums = tmp_path / "sums"
    sums.write_text(f"{'0' * 64}  {lines}\n")
    with pytest.raises(ValueError, match="leads out of its folder"):
        checksums.read_sums(sums)
    with pytest.raises(ValueError, match="leads out of its folder"):
        download.fetch("web/", tmp_path, {lines: "0" * 64}, progress=False)


@pytest.mark.parametrize("line", ["no sum", "0" * 64, "x" * 64 + "  name"])
def test_a_line_that_is_no_checksum_is_said(line, tmp_path):
    (tmp_path / "sums").write_text(line + "\n")
    with pytest.raises(ValueError, match="sums holds the line .* expected `sum  name`"):
        checksums.read_sums(tmp_path / "sums")


# --- unusual, and right ------------------------------------------------------------------------


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def filtered(tensor):
    """A Series whose index is what a filter leaves: neither 0, 1, ... nor in order."""
    return pd.Series(tensor.numpy(), index=np.arange(len(tensor))[::-1] * 3 + 7)


SHAPES = {
    "arrays": lambda t: t.numpy(),
    "read-only arrays": lambda t: read_only(t.numpy()),
    "other byte order": lambda t: t.numpy().astype(t.numpy().dtype.newbyteorder(">")),
    "reversed views": lambda t: t.numpy()[::-1].copy()[::-1],
    "lists": lambda t: t.tolist(),
    "filtered Series": filtered,
}
IDS = SHAPES | {
    "unsigned bytes": lambda t: t.numpy().astype(np.uint8),
    "unsigned words": lambda t: t.numpy().astype(np.uint16),
    "unsigned long words": lambda t: t.numpy().astype(np.uint64),
    "unsigned tensors": lambda t: t.to(torch.uint16),
    "nullable integers": lambda t: pd.Series(t.tolist(), dtype="Int64"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", IDS.values(), ids=IDS)
def test_ids_are_understood_whatever_holds_them(shape):
    taken = Preferences(*map(shape, (PAIRS.user, PAIRS.chosen, PAIRS.rejected)), 5)
    assert torch.equal(taken.user, PAIRS.user) and torch.equal(taken.chosen, PAIRS.chosen)
    assert torch.equal(Responses(E, shape(PROMPT)).prompt, PROMPT)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "shape",
    [
        *(
            lambda t, f=f: f(t)
            for name, f in SHAPES.items()
            if name not in ("filtered Series", "lists")
        ),
        lambda t: pd.DataFrame(t.numpy(), index=np.arange(60)[::-1] * 3 + 7),
        lambda t: np.asfortranarray(t.numpy()),
    ],
    ids=[
        *(n for n in SHAPES if n not in ("filtered Series", "lists")),
        "filtered table",
        "Fortran",
    ],
)
def test_embeddings_are_understood_whatever_holds_them(shape):
    assert torch.equal(Responses(shape(E), PROMPT).embeddings, E)


def test_a_later_change_of_an_array_does_not_slip_past_the_checks():
    table, user = E.numpy().copy(), PAIRS.user.numpy().copy()
    frame, column = pd.DataFrame(E.numpy()), pd.Series(PAIRS.user.numpy())
    taken = [Responses(table, PROMPT), Responses(frame, PROMPT)]
    asked = [Preferences(u, PAIRS.chosen, PAIRS.rejected, 5) for u in (user, column)]
    table[:], user[:] = NAN, 99
    frame.iloc[:], column.iloc[:] = NAN, 99
    assert all(torch.equal(some.embeddings, E) for some in taken)
    assert all(torch.equal(some.user, PAIRS.user) for some in asked)


def test_whole_numbers_of_numpy_are_whole_numbers():
    one, two = (fit_basis(HERE, PAIRS, r, Recipe(steps=1), seed=r) for r in (np.int64(2), 2))
    assert torch.equal(one.reward.basis, two.reward.basis)
    assert len(PAIRS.subsample(np.int32(2), random(0))) == 10


def test_weights_of_zero_are_weights():
    weights = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0, 1]]
    torch.testing.assert_close(LowRankReward.from_weights(REWARD.basis, weights).weights, weights)
    half = LowRankReward.from_weights(REWARD.basis.float(), weights.half())
    torch.testing.assert_close(half.weights, weights.float())


@pytest.mark.parametrize("factor", [1e25, 1e-30, 1e12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["LoRe", "VPL", "PAL-A", "PAL-B"])
def test_embeddings_of_another_size_give_the_same_margins(name, dtype, factor):
    world = replace(
        HERE, embeddings=E.to(dtype), prompt_embeddings=HERE.prompt_embeddings.to(dtype)
    )
    large = replace(
        world,
        embeddings=world.embeddings * factor,
        prompt_embeddings=world.prompt_embeddings * factor,
    )
    one, other = (METHODS[name].fit(some, PAIRS, device="cpu") for some in (world, large))
    margins = one.margins(world, PAIRS)
    assert margins.abs().max() > 1e-4
    torch.testing.assert_close(other.margins(large, PAIRS), margins, rtol=1e-3, atol=1e-4)
    shots = [m.adapt(some, PAIRS) for m, some in ((one, world), (other, large))]
    torch.testing.assert_close(*shots, rtol=1e-3, atol=1e-3)


def beside(column):
    """The world with one more feature, the same in every row and every prompt."""
    more = torch.full((len(E), 1), column, dtype=E.dtype)
    prompts = HERE.prompt_embeddings
    return Responses(
        torch.cat([E, more], 1),
        PROMPT,
        HERE.traits,
        HERE.trait_names,
        torch.cat([prompts, more[: len(prompts)]], 1),
    )


def in_type(world, dtype):
    return replace(
        world,
        embeddings=world.embeddings.to(dtype),
        prompt_embeddings=world.prompt_embeddings.to(dtype),
    )


LARGE = pytest.mark.parametrize(("column", "dtype"), [(1e7, torch.float32), (1e14, torch.float64)])


@LARGE
@pytest.mark.parametrize("name", METHODS)
def test_a_large_constant_column_takes_no_digits_from_the_others(name, column, dtype):
    plain, far = (in_type(beside(value), dtype) for value in (0.0, column))
    one, other = (METHODS[name].fit(some, PAIRS, device="cpu") for some in (plain, far))
    margins = one.margins(plain, PAIRS)
    torch.testing.assert_close(other.margins(far, PAIRS), margins, rtol=1e-4, atol=1e-5)
    shots = [m.adapt(some, PAIRS) for m, some in ((one, plain), (other, far))]
    torch.testing.assert_close(*shots, rtol=1e-4, atol=1e-4)


@LARGE
@pytest.mark.parametrize("name", METHODS)
def test_nor_from_the_best_of_all_candidates(name, column, dtype):
    prompts, best = torch.arange(15), []
    for value in (0.0, column):
        world = in_type(beside(value), dtype)
        model = METHODS[name].fit(world, PAIRS, device="cpu")
        best.append(best_of_n(model, world, prompts, model.personal))
    assert torch.equal(*best)


@LARGE
def test_nor_from_the_margins_and_the_new_users_of_a_reward(column, dtype):
    plain, far = (in_type(beside(value), dtype) for value in (0.0, column))
    reward = LowRankReward(normal(7, 3).to(dtype), normal(5, 3, seed=1).to(dtype))
    torch.testing.assert_close(reward.margins(far, PAIRS), reward.margins(plain, PAIRS))
    torch.testing.assert_close(
        fit_weights(reward, far, PAIRS), fit_weights(reward, plain, PAIRS), rtol=1e-4, atol=1e-5
    )


def test_a_constant_column_of_1e12_leaves_a_good_fit():
    world = planted(n_users=20)
    far = torch.full((len(world.responses), 1), 1e12, dtype=torch.float64)
    there = replace(world.responses, embeddings=torch.cat([world.responses.embeddings, far], 1))
    fits = [fit_basis(some, world.train, 3).reward for some in (world.responses, there)]
    scores = [
        float(accuracy(reward, some, world.tests[BLOCKS[1]]).mean())
        for reward, some in zip(fits, (world.responses, there), strict=True)
    ]
    assert scores[1] > 0.85 and abs(scores[0] - scores[1]) < 0.03


def test_the_reference_reads_traits_of_another_type():
    mixed = replace(HERE, embeddings=E.float())
    direction = Reference("trait 1").fit(mixed, PAIRS).reward.basis
    exact = model("reference").reward.basis
    assert direction.dtype == torch.float32
    torch.testing.assert_close(direction.double(), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_directions_of_any_size_are_compared(factor):
    basis, truth = normal(6, 3), normal(6, 3, seed=1)
    torch.testing.assert_close(alignment(basis * factor, truth), alignment(basis, truth))
    torch.testing.assert_close(alignment(basis.float(), truth), alignment(basis, truth))


@pytest.mark.parametrize("factor", [1e-20, 1e200])
def test_a_reference_of_any_size_pulls_alike(factor):
    recipe, towards = Recipe(anchor=1.0, anchor_warmup=(0.0, 0.0), steps=3), normal(6, seed=2)
    one, other = (
        fit_basis(HERE, PAIRS, 2, recipe, reference=r) for r in (towards, towards * factor)
    )
    torch.testing.assert_close(other.reward.basis, one.reward.basis)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64])
def test_positions_are_positions_whatever_their_type(dtype):
    some = np.array([0, 1, 59]).astype(dtype)
    assert torch.equal(PAIRS.select(some).chosen, PAIRS.chosen[[0, 1, 59]])
    assert len(PAIRS.select([])) == 0


def test_more_pairs_than_there_are_is_all_of_them():
    assert len(PAIRS.subsample(2**63, random(0))) == len(PAIRS.subsample(10**30, random(0))) == 60


def test_numbers_in_lists_keep_their_digits():
    assert Responses([[16777217.0]], [0]).embeddings.item() == 16777217.0


def test_small_integers_do_not_overflow():
    assert parameter_count.lore(*map(np.int8, (100, 100, 100))) == 20_000


def test_traits_of_any_type_make_the_same_study():
    world = toy_responses(n_prompts=40)
    single = Responses(world.embeddings.float(), world.prompt, world.traits.float())
    sizes = {"n_seen": 5, "n_unseen": 5, "n_pairs": 3, "n_shots": 2, "seed": 0, "n_tests": 3}
    one, other = (draw_study(some, 1.0, **sizes) for some in (world, single))
    assert torch.equal(one.train.chosen, other.train.chosen)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_kept_of_users_may_come_in_another_precision(name):
    own = model(name)
    other = own.margins(HERE, PAIRS, own.personal.double())
    torch.testing.assert_close(other, own.margins(HERE, PAIRS))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_learns_where_gradients_are_off(name):
    with torch.no_grad():
        shots = METHODS[name].fit(HERE, PAIRS, device="cpu").adapt(HERE, PAIRS)
    assert torch.equal(shots, model(name).adapt(HERE, PAIRS))
    with torch.no_grad():
        assert fit_weights(REWARD, HERE, PAIRS, PAPER_FEW_SHOT).isfinite().all()


def test_parts_of_one_storage_can_be_saved(tmp_path):
    table = normal(5, 5)
    LowRankReward(table, table).save(tmp_path / "reward")
    assert torch.equal(LowRankReward.load(tmp_path / "reward").logits, table)


@pytest.mark.parametrize("size", [1.0, 1e4, 1e6, 1e8])
def test_a_model_per_user_is_the_minimum_whatever_the_size_of_the_embeddings(size):
    """One user, 60 pairs that no direction ranks all right."""
    gaps = (E[PAIRS.chosen] - E[PAIRS.rejected]).numpy()
    unit = pair_scale(HERE, PAIRS)

    def loss(v):  # in units of the embeddings
        return np.logaddexp(0, -gaps @ v).sum() + 0.05 * unit**2 * (v**2).sum()

    everybody = Preferences(PAIRS.user * 0, PAIRS.chosen, PAIRS.rejected, 1)
    found = PerUser(0.1).fit(replace(HERE, embeddings=E * size), everybody).personal[0]
    best = minimize(loss, np.zeros(6), tol=1e-10).fun
    assert loss(found.numpy() * size) == pytest.approx(best, rel=1e-4)


def test_half_precision_weights_pass_every_door():
    weights = LowRankReward(REWARD.basis, normal(5, 3, seed=4)).weights
    half = LowRankReward.from_weights(REWARD.basis, weights.half()).weights
    torch.testing.assert_close(half.double(), weights, rtol=1e-2, atol=1e-3)
    assert REWARD.margins(HERE, PAIRS, weights.half()).isfinite().all()
    assert model("LoRe").margins(HERE, PAIRS, weights[:, :2].softmax(1).half()).isfinite().all()


def test_a_row_that_nobody_compares_disturbs_nobody():
    far = torch.cat([E, E[:2] * 1e9]).float()
    world = Responses(far, torch.cat([PROMPT, PROMPT[:2]]))
    near = Responses(E.float(), PROMPT)
    reward = LowRankReward(REWARD.basis.float(), REWARD.logits.float())
    torch.testing.assert_close(reward.margins(world, PAIRS), reward.margins(near, PAIRS))
    for name in ("LoRe", "free weights", "per user"):
        margins = model(name).margins(HERE, PAIRS).float()
        torch.testing.assert_close(
            model(name).margins(world, PAIRS).float(), margins, rtol=1e-3, atol=1e-4
        )


def test_settings_in_numpy_s_numbers_can_be_saved(tmp_path):
    method = LoRe(
        np.int64(2), Recipe(steps=np.int64(1)), FewShot(steps=np.int64(5), prior=np.float32(0.5))
    )
    fitted = method.fit(HERE, PAIRS)
    fitted.save(tmp_path / "model")
    assert type(fitted).load(tmp_path / "model").few_shot == FewShot(steps=5, prior=0.5)
    assert Recipe(anchor_warmup=[0.2, 0.8]) == Recipe()


def test_what_is_said_about_tensors_comes_back_as_json_knows_it(tmp_path):
    tensor_files.write(tmp_path / "a", {"x": E}, {1: "a", 10: "b", 2: "c", "sha256": "mine"})
    assert tensor_files.read(tmp_path / "a")[1] == {"1": "a", "10": "b", "2": "c", "sha256": "mine"}


def test_small_traits_are_traits():
    small = replace(toy_responses(n_prompts=40), traits=toy_responses(n_prompts=40).traits * 1e-10)
    study = draw_study(small, 1.0, 5, 5, 3, 2, 0, n_tests=3)
    assert set(study.train.counts.tolist()) == {3}


def test_two_copies_of_one_text_are_a_pair_that_says_nothing():
    twins = Responses(torch.cat([E, E[:1]]), torch.cat([PROMPT, PROMPT[:1]]))
    personal = model("per user").adapt(twins, pairs((0, 60, 0)))
    torch.testing.assert_close(personal[0], model("per user").crowd)


# Steering and policies


STEERING = {
    "beta below 0": (lambda: tilted(normal(2, 3, 2), EVEN, -1.0), "beta is -1.0, expected 0 or"),
    "beta NaN": (lambda: tilted(normal(2, 3, 2), EVEN, NAN), "beta is nan, expected 0 or more"),
    "a generator that is a seed": (
        lambda: drawn(torch.ones(2, 2) / 2, 0),
        "generator is a int, expected torch's Generator",
    ),
    "weights of two users": (
        lambda: check_weights(torch.eye(2)),
        r"weights have shape \(2, 2\), expected \(K,\): those of one user",
    ),
    "no weights": (lambda: check_weights([]), r"weights have shape \(0,\)"),
    "logits for weights": (lambda: check_weights([2.0, -1.0]), "Of logits, pass the softmax"),
    "a portfolio's weights off the simplex": (
        lambda: adapters.described(torch.eye(2) * 2, 0.1, [0.0, 0.0], [1.0, 1.0]),
        "do not lie on the simplex",
    ),
    "a shift for other rewards": (
        lambda: adapters.described(torch.eye(2), 0.1, [0.0], [1.0, 1.0]),
        "shift has 1 numbers, expected one for each of the 2 rewards",
    ),
    "a scale with a gap": (
        lambda: adapters.described(torch.eye(2), 0.1, [0.0, 0.0], [1.0, NAN]),
        "scale has 2 numbers, .* and no NaN",
    ),
    "a policy before the first": (lambda: adapters.adapter_name(-1), "a policy is -1, expected"),
    "a rank of 0": (lambda: Lora(rank=0), "rank is 0, expected a whole number of at least 1"),
    "a learning rate of 0": (
        lambda: Lora(learning_rate=0),
        "learning_rate is 0, expected a number",
    ),
    "half an epoch": (lambda: Lora(epochs=0.5), "epochs is 0.5, expected a whole number"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("call", "message"), STEERING.values(), ids=STEERING)
def test_steering_refuses_it_and_says_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Questions: what is known of a new user, and which pair to ask about.

SEEN = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=torch.float64)
KNOWN = posterior.prior(SEEN, 4, 20, random(0))
POOL = normal(6, 3)
TRUE = torch.ones(4, dtype=torch.bool)
HABIT = habits.Habit()
ASKED_WRONGLY = {
    "an empty pool": (lambda: questions.information(KNOWN, POOL[:0], random(0)), "at least one"),
    "an empty pool of random": (lambda: questions.random(KNOWN, POOL[:0], random(0)), "at least"),
    "a pool of another rank": (lambda: questions.optimal(KNOWN, normal(6, 4), random(0)), "of 3"),
    "a pool with NaN": (lambda: questions.uncertain(KNOWN, POOL * torch.nan, random(0)), "NaN"),
    "goals of another rank": (
        lambda: questions.gradient(normal(2, 2))(KNOWN, POOL, random(0)),
        "each of 3 basis rewards",
    ),
    "gaps for a cloud": (lambda: questions.information(POOL, KNOWN, random(0)), "expected Cloud"),
    "a seed for a generator": (lambda: questions.random(KNOWN, POOL, 0), "expected torch"),
    "seen weights off the simplex": (
        lambda: posterior.prior(SEEN * 2, 4, 20, random(0)),
        "do not lie on the simplex",
    ),
    "seen weights with NaN": (lambda: posterior.prior(SEEN * torch.nan, 4, 9, random(0)), "NaN"),
    "no seen users": (lambda: posterior.prior(SEEN[:0], 4, 20, random(0)), "seen_users is 0"),
    "no particles": (lambda: posterior.prior(SEEN, 4, 0, random(0)), "n is 0"),
    "no new users": (lambda: posterior.prior(SEEN, 0, 20, random(0)), "n_users is 0"),
    "a temperature of 0": (
        lambda: posterior.prior(SEEN, 4, 20, random(0), 0.0),
        "temperature is 0.0",
    ),
    "points off the simplex": (lambda: posterior.point_prior(-SEEN, 2), "on the simplex"),
    "a cloud of the wrong shape": (lambda: Cloud(SEEN, POOL), r"expected \(N, n, K\)"),
    "a cloud with NaN": (lambda: Cloud(SEEN[None], normal(2, 2) * torch.nan), "NaN"),
    "answers of too few": (lambda: KNOWN.update(normal(4, 3), TRUE[:3]), "one answer of every"),
    "answers as numbers": (lambda: KNOWN.update(normal(4, 3), TRUE.long()), "torch.bool"),
    "answered gaps of another rank": (lambda: KNOWN.update(normal(4, 2), TRUE), r"\(4, 3\)"),
    "answered gaps with NaN": (lambda: KNOWN.update(normal(4, 3) * torch.nan, TRUE), "NaN"),
    "Adam's recipe for Laplace": (
        lambda: laplace.laplace(SEEN, 4, 9, random(0), PAPER_FEW_SHOT),
        "expected one of newton",
    ),
    "Laplace off the simplex": (lambda: laplace.laplace(SEEN * 3, 4, 9, random(0)), "simplex"),
    "a careless share of 2": (lambda: habits.Habit(careless=2.0), "expected a share from 0 to 1"),
    "users of no temperature": (lambda: habits.Habit(temperature=0.0), "above 0"),
    "half a question": (lambda: asking.Interview(n_questions=0.5), "n_questions is 0.5"),
    "an interview from no pool": (lambda: asking.Interview(pool=0), "pool is 0"),
    "a habit that is a number": (lambda: asking.Interview(habit=0.1), "habit is a float"),
    "newcomers of no study": (lambda: Newcomers(REWARD, REWARD), "expected Study"),
    "an interview with nobody": (
        lambda: asking.ask(REWARD, questions.random, asking.Interview(), 0),
        "expected Newcomers",
    ),
    "margins with NaN": (lambda: best_temperature(normal(3) * torch.nan), "drop these pairs"),
    "no margins": (lambda: best_temperature(normal(0)), "at least one"),
    "a truth of too few": (
        lambda: calibration.share_below(KNOWN, SEEN, POOL[0]),
        "do not fit a cloud of 4 users",
    ),
    "a table of no seeds": (lambda: question_rows.table([]), "got 0 seeds"),
}


@pytest.mark.parametrize(("call", "message"), ASKED_WRONGLY.values(), ids=ASKED_WRONGLY)
def test_a_wrong_question_is_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)


# PROPER's layers

SIZES = (4, 8, 6, 8.0, random(0))  # r, i, o, α
WIDE = torch.nn.Linear(8, 6)
FEW = LowRanks(3, *SIZES)
ROUTE = UserRouter(2, 3, 8, random(0))
ONE_EACH = torch.zeros(2, dtype=torch.long)


def adapted(who=None, **parts):
    return ProperLinear(WIDE, **parts, who=Who(who))(torch.ones(2, 8))


def injected(names):
    return inject(torch.nn.ModuleDict({"up": WIDE}), names, lambda _, base: ProperLinear(base))


ADAPTED_WRONGLY = {
    "a rank above a side": (lambda: LowRank(7, *SIZES[1:]), "r is 7, but the layer maps 8 numbers"),
    "a stack's rank above a side": (lambda: LowRanks(2, 9, *SIZES[1:]), "choose a smaller r"),
    "no rank": (lambda: LowRank(0, *SIZES[1:]), "r is 0"),
    "no experts": (lambda: LowRanks(0, *SIZES), "n is 0"),
    "an alpha of 0": (lambda: LowRank(4, 8, 6, 0.0, random(0)), "alpha is 0.0"),
    "a seed for an adapter": (lambda: LowRank(4, 8, 6, 8.0, 0), "expected torch"),
    "a router of no experts": (lambda: UserRouter(0, 3, 8, random(0)), "n_experts is 0"),
    "a router of no users": (lambda: UserRouter(2, 0, 8, random(0)), "n_users is 0"),
    "a triple softmax": (
        lambda: UserRouter(2, 3, 8, random(0), "triple"),
        "expected one of double, single",
    ),
    "a router that sees nothing": (
        lambda: UserRouter(2, 3, 8, random(0), use_input=False, use_user=False),
        "take FixedRouter",
    ),
    "users of negative spread": (lambda: UserRouter(2, 3, 8, random(0), spread=-1), "spread is -1"),
    "shares off the simplex": (lambda: FixedRouter(torch.ones(3, 2)), "do not lie on the simplex"),
    "a LoRA-aware router of no experts": (lambda: LoraRouter(0, 8, random(0)), "n_experts is 0"),
    "a LoRA-aware router alone": (
        lambda: adapted(experts=LowRanks(2, *SIZES), router=LoraRouter(2, 6, random(0))),
        "give the layer `personal`",
    ),
    "bounds of no experts": (lambda: bounds(0), "n_experts is 0"),
    "a router that meets nobody": (lambda: ROUTE.meet(0), "n_users is 0"),
    "a layer that is none": (lambda: ProperLinear(ROUTE), "expected torch's Linear"),
    "an adapter of another layer": (
        lambda: adapted(personal=LowRanks(3, 2, 6, 8, 8.0, random(0))),
        "personal maps 6 numbers to 8, but the layer maps 8 to 6",
    ),
    "experts and no router": (lambda: adapted(experts=FEW), "set `router`"),
    "a dropout of all": (lambda: ProperLinear(WIDE, dropout=1.0), "expected a share below 1"),
    "an average of 2": (lambda: ProperLinear(WIDE, average=2), "average is 2"),
    "nobody's texts": (lambda: adapted(personal=FEW), "set `user` first"),
    "one user for two texts": (lambda: adapted(ONE_EACH[:1], personal=FEW), "the batch has 2"),
    "an unknown user": (lambda: adapted(ONE_EACH + 3, personal=FEW), "to `adapt`"),
    "a user before the first": (lambda: adapted(ONE_EACH - 1, personal=FEW), "user -1 is unknown"),
    "an unknown user at a router": (
        lambda: adapted(ONE_EACH + 3, experts=LowRanks(2, *SIZES), router=ROUTE),
        "user 3 is unknown",
    ),
    "a name of no layer": (lambda: injected(["gate_proj"]), "no linear layer; the model has up"),
    "half a name": (lambda: injected(["p"]), "no linear layer; the model has up"),
    "no names": (lambda: injected([]), "no linear layer; the model has up"),
    "a part that is none": (lambda: injected("up").train_only("users"), "expected one of populat"),
    "a penalty of nothing": (lambda: constraint([]), "shares is empty"),
    "a negative penalty": (lambda: constraint([EVEN[None]], strength=-1), "strength is -1"),
    "flags of other tokens": (
        lambda: constraint([torch.full((2, 3, 2), 0.5)], torch.ones(3, 2).bool()),
        r"counted has shape \(3, 2\), expected \(2, 3\)",
    ),
    "a Llama of no blocks": (lambda: count.mlp_sides(0, 8, 9), "layers is 0"),
    "a rank of 0 to count": (lambda: count.lora([(8, 9)], 0), "r is 0"),
    "users without a file": (lambda: load_users(injected("up"), []), "number of paths is 0"),
}


@pytest.mark.parametrize(("call", "message"), ADAPTED_WRONGLY.values(), ids=ADAPTED_WRONGLY)
def test_a_wrong_adapter_is_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)


# Tasks of synthetic users of real text; tests/test_tasks.py and test_lamp.py have the rest.

TASKS = {
    "nobody": (lambda: Panel(n_users=0), "n_users is 0, expected a whole number of at least 1"),
    "half a group": (lambda: Panel(n_groups=0.5), "n_groups is 0.5"),
    "fewer than no cold users": (lambda: Panel(n_cold=-1), "n_cold is -1"),
    "no test": (lambda: Panel(n_test=-1), "n_test is -1"),
    "empty histories": (lambda: Panel(shortest=0), "shortest is 0"),
    "histories that end before they begin": (
        lambda: Panel(shortest=9, longest=8),
        "longest is 8, expected a whole number of at least 9",
    ),
    "a concentration of 0": (lambda: Panel(concentration=0), "concentration is 0, expected"),
    "an own share above 1": (lambda: Panel(own=1.5), "own is 1.5, expected 0 to 1"),
    "a shared share with NaN": (lambda: Panel(shared=NAN), "shared is nan"),
    "a distinctness below 0": (lambda: Panel(distinct=-0.1), "distinct is -0.1"),
    "responses without the traits": (lambda: rating.make(HERE, 0), "have no trait brevity, lists"),
    "pairs for responses": (lambda: tag.make(PAIRS, 0), "expected Responses"),
    "a trait without differences": (
        lambda: style.make(with_traits(torch.zeros(60, 7)), 0),
        "the trait brevity is the same for all responses",
    ),
    "histories beyond the prompts": (
        lambda: rating.make(with_traits(normal(60, 7)), 0),
        "items of history were asked for, but only 9 prompts are for it",
    ),
    "a number of users for a panel": (
        lambda: tag.make(with_traits(normal(60, 7)), 0, 100),
        "panel is a int, expected Panel",
    ),
    "noise below 0": (
        lambda: rating.make(with_traits(normal(60, 7)), 0, noise=-1),
        "noise is -1, expected 0 or more",
    ),
    "a seed below 0": (lambda: style.make(with_traits(normal(60, 7)), -1), "seed is -1"),
}


def with_traits(traits):
    return replace(HERE, traits=traits, trait_names=DECODABLE)


@pytest.mark.parametrize(("call", "message"), TASKS.values(), ids=TASKS)
def test_a_wrong_task_is_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)


ROOM = {
    "state": normal(6, 3),
    "target": torch.tensor([1.0, 2, 3, 4, 5, 1]),
    "user": torch.tensor([0, 0, 0, 1, 1, 1]),
    "group": torch.tensor([0, 1]),
    "train": torch.tensor([True, True, False, True, False, False]),
    "test": torch.tensor([False, False, True, False, True, True]),
    "n_users": 2,
    "n_groups": 2,
    "generator": random(0),
    "repeats": 9,
}
NO_HEADROOM = {
    "states with NaN": ({"state": normal(6, 3) * NAN}, "state has NaN"),
    "a target of too few": ({"target": ROOM["target"][:5]}, "target has 5 rows but state has 6"),
    "a target with NaN": ({"target": ROOM["target"] * NAN}, "target: 6 of 6 are NaN"),
    "classes as floats": ({"ordered": False}, "expected one dimension of whole numbers"),
    "ordered as a word": ({"ordered": "yes"}, "expected True or False"),
    "a user too many": ({"n_users": 1}, "user contains 1, but there are 1"),
    "a group too many": ({"n_groups": 1}, "group contains 1, but there are 1"),
    "a group per item": (
        {"group": ROOM["user"]},
        "group has 6 entries, expected one for each of 2",
    ),
    "rows for a mask": ({"train": torch.tensor([0, 1, 3])}, "expected True or False for each row"),
    "tests that were learned": ({"test": ROOM["train"]}, "and 3 are in both"),
    "nothing to test": ({"test": ROOM["test"] & False}, "test 0, and 0 are in both"),
    "ridges from large to small": ({"ridges": [2.0, 1.0]}, "from small to large"),
    "a ridge of 0": ({"ridges": [0.0, 1.0]}, r"ridges\[0\] is 0.0, expected a number above 0"),
    "bands from long to short": ({"bands": [8, 4]}, "from small to large"),
    "no resample": ({"repeats": 0}, "repeats is 0"),
}


@pytest.mark.parametrize(("change", "message"), NO_HEADROOM.values(), ids=NO_HEADROOM)
def test_a_wrong_headroom_is_refused(change, message):
    assert len(headroom(**ROOM)) == 8
    test_it_is_refused_and_said_what_was_expected(lambda: headroom(**ROOM | change), message)


CHATS = tuple(Turn([1, 2, 3], 2, 3) for _ in range(2))
TEXTS = {"chats": CHATS, "user": [0, 1], "n_users": 2}
NO_TEXTS = {
    "a user too many": ({"n_users": 1}, "user contains 1, but there are 1"),
    "a text without a user": ({"user": [0]}, "user has 1 rows but chats has 2"),
    "no memory": ({"budget": 0}, "budget is 0"),
    "no answer": ({"chats": (CHATS[0], Turn([1, 2], 2, 2))}, r"chats\[1\] has its answer from"),
    "no prompt": ({"chats": (Turn([1, 2], 0, 2), CHATS[0])}, r"chats\[0\] has its answer from"),
}


@pytest.mark.parametrize(("change", "message"), NO_TEXTS.values(), ids=NO_TEXTS)
def test_wrong_texts_are_refused(change, message):
    assert len(Texts(**TEXTS)) == 2
    test_it_is_refused_and_said_what_was_expected(lambda: Texts(**TEXTS | change), message)


SOME = {
    "inputs": normal(2, 3),
    "target": [0, 1],
    "user": [0, 1],
    "n_users": 2,
    "values": (1.0, 2.0),
}
NO_TUNING = {
    "no rank": (lambda: Stage(rank=0), "rank is 0"),
    "no learning": (lambda: Stage(learning_rate=0.0), "learning_rate is 0.0"),
    "another optimiser": (lambda: Stage(optimizer="lbfgs"), "optimizer is 'lbfgs'"),
    "an empty batch": (lambda: Stage(batch=0), "batch is 0"),
    "all left out": (lambda: Stage(dropout=1.0), "dropout is 1.0, expected a share below 1"),
    "a rank for a stage": (lambda: Tuning(group=4), "group is a int"),
    "no expert": (lambda: Tuning(n_experts=0), "n_experts is 0"),
    "unknown routes": (lambda: Tuning(routes="best"), "routes is 'best'"),
    "an unknown softmax": (lambda: Tuning(softmax="triple"), "softmax is 'triple'"),
    "a router that reads nothing": (lambda: Tuning(reads="none"), "reads is 'none'"),
    "an unknown start": (lambda: Tuning(person_start="warm"), "person_start is 'warm'"),
    "a negative penalty of routes": (lambda: Tuning(penalty=-1.0), "penalty is -1.0"),
    "stage 3.2 without 3.1": (lambda: Tuning(person=None, reroute=Stage()), "reroute needs"),
    "a label too many": (lambda: Labelled(**SOME | {"target": [0, 2]}), "target contains 2"),
    "an unknown user": (lambda: Labelled(**SOME | {"n_users": 1}), "user contains 1"),
    "values that fall": (lambda: Labelled(**SOME | {"values": (2.0, 1.0)}), "small to large"),
    "inputs with NaN": (
        lambda: Labelled(**SOME | {"inputs": normal(2, 3) * NAN}),
        "inputs has NaN",
    ),
}


@pytest.mark.parametrize(("call", "message"), NO_TUNING.values(), ids=NO_TUNING)
def test_a_wrong_recipe_of_tuning_is_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)


STYLED = {"instructions": ["a", "b"], "responses": ["c", "d", "e", "f"], "block": 0}
NO_STYLED = {
    "a response missing": ({"responses": ["c", "d", "e"]}, "3 responses to 2 instructions"),
    "no instruction": ({"instructions": []}, "4 responses to 0 instructions"),
    "a wanted answer that is not there": ({"responses": ["c", "d"]}, "response contains 2, but"),
    "nothing of an answer": ({"answer": 0}, "answer is 0"),
    "a task of another kind": ({"task": None}, "task is a NoneType, expected Task"),
}


@pytest.mark.parametrize(("change", "message"), NO_STYLED.values(), ids=NO_STYLED)
def test_a_wrong_study_of_style_is_refused(change, message):
    rows = torch.tensor([0, 2])
    task = Task([0, 0], rows, rows, [0, 2], torch.tensor([False]), [0])
    given = {"task": task, "model": None, "tokenizer": None, "cache": "nowhere", **STYLED}
    test_it_is_refused_and_said_what_was_expected(
        lambda: style_study.study(**given | change), message
    )


def in_prompts(**change):
    """The style task with histories in its prompts, of two items."""
    given = {"vectors": normal(2, 3), "method": "history in the prompt"} | change
    rows = torch.tensor([0, 2])
    task = Task([0, 0], rows, rows, [0, 2], torch.tensor([False]), [0])
    study = style_study.Study(task, None, None, ["a", "b"], ["c", "d"], [True, True], None, 0)
    return style_history.items(study, **given)


NO_RIVAL = {
    "a vector missing": (lambda: in_prompts(vectors=normal(1, 3)), "vectors has 1 rows"),
    "a vector with NaN": (lambda: in_prompts(vectors=normal(2, 3) * NAN), "vectors has NaN"),
    "nobody's history": (lambda: in_prompts(method="no history"), "method is 'no history'"),
    "no adapter to mix": (lambda: with_xlora(None, [], random(0)), "the number of folders is 0"),
}


@pytest.mark.parametrize(("call", "message"), NO_RIVAL.values(), ids=NO_RIVAL)
def test_a_wrong_rival_in_the_study_of_style_is_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)


MOVED, GROUPS = normal(6, 4), [0, 1, 0, 1, 2, 2]
NO_SHIFTS = {
    "shifts with NaN": (lambda: spectrum(MOVED * NAN, True), "shift has NaN .* in 6 rows"),
    "a shift alone": (lambda: spectrum(MOVED[:1], False), "shifts of 1 users, expected at least"),
    "a layer too many": (
        lambda: spectrum(normal(6, 2, 4), True),
        "expected a floating-point table",
    ),
    "a word for centred": (lambda: spectrum(MOVED, "yes"), "centred is 'yes', expected True"),
    "shifts all alike": (
        lambda: spectrum(torch.ones(6, 4), True),
        "all users have the same shift: no direction is left",
    ),
    "no shift at all": (lambda: spectrum(torch.zeros(6, 4), False), "all shifts are zero"),
    "the mean of nothing": (lambda: collective(torch.zeros(6, 4)), "all shifts are zero"),
    "no feature": (lambda: heaviest(normal(6, 0), True), "all shifts are zero"),
    "a share in percent": (lambda: spectrum(MOVED, True).rank(80), "share is 80, expected one of"),
    "a share of nothing": (lambda: spectrum(MOVED, True).per_mille(0.0), "share is 0.0"),
    "more directions than features": (
        lambda: directions(MOVED, 5),
        "5 directions are asked for, but 6 users in 4 features have 4 once their mean is taken",
    ),
    "more directions than users": (
        lambda: directions(MOVED[:3], 3),
        "3 directions are asked for, but 3 users in 4 features have 2 once .* give more users",
    ),
    "no direction": (lambda: directions(MOVED, 0), "n is 0, expected a whole number of at least 1"),
    "no draw": (lambda: null(MOVED, True, n_draws=0), "n_draws is 0"),
    "a seed below 0": (lambda: null(MOVED, True, seed=-1), "seed is -1"),
    "a band of no draws": (lambda: band([]), "spectra is empty"),
    "a band in percent": (lambda: band(null(MOVED, True, 2), 95), "share is 95"),
    "draws of other users": (lambda: agreement(MOVED, MOVED[:5]), r"shapes \(6, 4\) and \(5, 4\)"),
    "a second draw with NaN": (lambda: agreement(MOVED, MOVED * NAN), "other has NaN"),
    "a draw of one": (
        lambda: agreement(MOVED[:1], MOVED[:1]),
        "one has 1 users, expected at least",
    ),
    "persons all alike": (
        lambda: agreement(torch.ones(6, 4), MOVED),
        "one: all users have the same",
    ),
    "a group too few": (lambda: between(MOVED, GROUPS[:5]), "group has 5 rows but shift has 6"),
    "one group": (lambda: between(MOVED, [1] * 6), "all users are in one group"),
    "groups by name": (lambda: between(MOVED, list("aabbcc")), "group is a list that is not all"),
    "no permutation": (lambda: between(MOVED, GROUPS, 0), "n_permutations is 0"),
}


@pytest.mark.parametrize(("call", "message"), NO_SHIFTS.values(), ids=NO_SHIFTS)
def test_wrong_shifts_are_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)


NO_RATED = {
    "a task of another kind": ({"task": None}, "task is a NoneType, expected Task"),
    "answers that are texts": ({"labels": ()}, "the task has no labels"),
    "an instruction missing": ({"instructions": ["a"]}, "instructions has 1 rows but responses"),
    "a vector missing": ({"vectors": normal(1, 3)}, "vectors has 1 rows but responses has 2"),
    "a vector of NaN": ({"vectors": normal(2, 3) * NAN}, "vectors has NaN"),
    "a response that is not there": ({"response": [0, 2]}, "response contains 2, but there are 2"),
}


@pytest.mark.parametrize(("change", "message"), NO_RATED.values(), ids=NO_RATED)
def test_wrong_rated_texts_are_refused(change, message):
    def call():
        rows = {
            "response": change.get("response", [0, 1]),
            "labels": change.get("labels", ("a", "b")),
        }
        task = Task([0, 1], target=[0, 0], part=[0, 2], cold=[False, False], group=[0, 0], **rows)
        given = {"task": task, "instructions": ["a", "b"], "responses": ["c", "d"]}
        given |= {"vectors": normal(2, 3)}
        return Rated(**given | {name: v for name, v in change.items() if name in given})

    test_it_is_refused_and_said_what_was_expected(call, message)


class Part:
    """Some of a network with a head of labels."""

    head, final_norm = torch.nn.Linear(4, 3, bias=False), torch.nn.RMSNorm(4)


LEARNED = Labelled(normal(6, 4).float(), [0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1], 2)
READER = torch.nn.Linear(4, 3)
AT_RANDOM = Moving(start="random", user_start="random")
ROAD = partial(Road, "model", "data", "news_headline", "out")
NO_MOVING = {
    "positions as a number": (lambda: Positions.parse("7"), "expected fN for the first N tokens"),
    "positions of nothing": (lambda: Positions.parse(""), "positions is '', expected fN"),
    "positions from the last": (lambda: Positions.parse("l7+f7"), "positions is 'l7.f7', expected"),
    "positions without a sign": (lambda: Positions.parse("f7l7"), "such as f7.l7, l7 or f3"),
    "positions half said": (lambda: Positions.parse("f7+"), "positions is 'f7.', expected fN"),
    "the first none": (lambda: Positions.parse("f0+l7"), "positions is 'f0.l7', expected fN"),
    "positions of no text": (lambda: Positions.parse(None), "positions is None, expected fN"),
    "no token": (lambda: Positions(), "expected at least one token"),
    "a token less than none": (lambda: Positions(-1, 2), "first is -1"),
    "no rank of a shift": (lambda: Rank(rank=0), "rank is 0"),
    "a decay below 0": (lambda: Rank(weight_decay=-0.1), "weight_decay is -0.1"),
    "a rank for a stage of shifts": (lambda: Moving(shared=4), "shared is a int"),
    "an unknown composition": (lambda: Moving(composition="before"), "composition is 'before'"),
    "an unknown start of R": (lambda: Moving(start="shared"), "start is 'shared'"),
    "an unknown start of users": (lambda: Moving(user_start="warm"), "user_start is 'warm'"),
    "unknown coordinates": (lambda: Moving(coordinates="polar"), "coordinates is 'polar'"),
    "a layer below 0": (lambda: Moving(layers=(3, -1)), r"layers\[1\] is -1"),
    "a layer twice": (lambda: Moving(layers=(3, 3)), r"layers are \(3, 3\), expected each"),
    "positions in a recipe": (lambda: Moving(positions="all"), "positions is 'all'"),
    "a preset of no rank": (lambda: Preset(0, 4, (14,), "l7", 4), "shared_rank is 0"),
    "a preset of no layer": (lambda: Preset(8, 4, (-1,), "l7", 4), r"layers\[0\] is -1"),
    "a preset of one stage": (
        lambda: PRESETS["news_headline"].recipe(Moving(personal=None)),
        "a preset is for both stages",
    ),
    "a model of no block": (lambda: PRESETS["news_headline"].scaled(0, 576), "n_layers is 0"),
    "a rank above d": (lambda: Intervention(normal(5, 4)), "rank is 5, but a state has 4 numbers"),
    "a rank above d in a stack": (
        lambda: Interventions(2, normal(5, 4)),
        "rank is 5, but a state has 4",
    ),
    "a start of NaN": (lambda: Intervention(normal(2, 4) * NAN), "start has NaN"),
    "no user": (lambda: Interventions(0, normal(2, 4)), "n is 0"),
    "a rank above d at random": (lambda: start.random(random(0), 5, 4), "rank is 5"),
    "a rank above d of labels": (lambda: start.labels(Part(), 5, random(0)), "rank is 5"),
    "labels that nobody has": (
        lambda: start.labels(READER, 2, random(0)),
        'Linear has no head of labels; start at "random"',
    ),
    "fewer users than ranks": (
        lambda: start.from_shared(normal(2, 4), 3),
        "rank is 3, but there are 2 users",
    ),
    "users who all moved alike": (
        lambda: start.from_shared(torch.ones(6, 4), 2),
        "shifts span only 1 directions",
    ),
    "shifts of NaN": (lambda: start.from_shared(normal(6, 4) * NAN, 2), "shifts has NaN"),
    "shifts of no rank": (lambda: start.from_shared(normal(6, 4), 0), "r is 0"),
    "a count of rank above d": (lambda: counting.perfit(2, 9, 8), "rank is 9"),
    "a count of no layer": (lambda: counting.perfit(0, 4, 8), "layers is 0"),
    "a count of no projection": (lambda: counting.oppu(0), "projections is 0"),
    "less than nothing": (lambda: counting.reduction(4, 0), "theirs is 0"),
    "an empty history": (
        lambda: move(READER, LEARNED.select(torch.zeros(6).bool()), AT_RANDOM),
        "items is empty; give at least one item",
    ),
    "a recipe of PROPER": (lambda: move(READER, LEARNED, Tuning()), "expected Recipe"),
    "a rank above the state": (
        lambda: move(READER, LEARNED, replace(AT_RANDOM, shared=Rank(rank=5))),
        "rank is 5, but a state has 4 numbers",
    ),
    "blocks of no decoder": (
        lambda: move(READER, LEARNED, replace(AT_RANDOM, layers=(1,))),
        "Linear has no blocks; give a decoder",
    ),
    "states of NaN": (lambda: replace(LEARNED, inputs=normal(6, 4) * NAN), "inputs has NaN"),
    "a preset without a layer": (lambda: Preset(8, 4, (), "l7", 4), "layers is empty"),
    "layers with commas": (lambda: layers_of("14,15"), "layers are '14,15', expected numbers"),
    "layers half said": (lambda: layers_of("14;"), "layers are '14;', expected numbers"),
    "a layer below the first": (lambda: layers_of("-1"), "layers are '-1', expected numbers"),
    "a road of LaMP's task": (lambda: Road("m", "d", "LaMP_4", "o"), "task is 'LaMP_4', expected"),
    "a road of no preset": (lambda: ROAD(preset="ours"), "preset is 'ours', expected one of"),
    "a road of half precision": (lambda: ROAD(kind="float16"), "kind is 'float16'"),
    "a road of no token": (lambda: ROAD(tokens=0), "tokens is 0"),
    "a road with no memory": (lambda: ROAD(budget=0), "budget is 0"),
    "a road from labels": (lambda: ROAD(base=Moving()), 'start is "labels", .* take "random"'),
    "a road from users' shifts": (
        lambda: ROAD(base=replace(Moving(), start="random", user_start="shared")),
        'user_start is "shared", which this road cannot follow',
    ),
    "a road by PROPER's recipe": (lambda: ROAD(base=Tuning()), "expected Recipe"),
    "a road of no pass": (lambda: ROAD(changes={"epochs": 0}), "epochs is 0"),
    "a road of no rank": (lambda: ROAD(changes={"user_rank": 0}), "user_rank is 0"),
    "a road of other positions": (lambda: ROAD(changes={"positions": "7"}), "positions is '7'"),
    "a batch of no item": (lambda: paced(PUBLISHED, batch=0), "batch is 0"),
    "no rate": (lambda: paced(PUBLISHED, learning_rate=0.0), "learning_rate is 0.0"),
}


@pytest.mark.parametrize(("call", "message"), NO_MOVING.values(), ids=NO_MOVING)
def test_wrong_ways_to_move_states_are_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)


NO_MEAN = {
    "a user too few": (normal(1, 4), r"shifts has shape \(1, 4\), expected \(2, 4\)"),
    "another width": (normal(2, 3), r"shifts has shape \(2, 3\), expected \(2, 4\)"),
    "none of a seen user": (
        torch.tensor([[NAN] * 4, [1.0] * 4]),
        "no row without NaN of a seen user",
    ),
}


@pytest.mark.parametrize(("shifts", "message"), NO_MEAN.values(), ids=NO_MEAN)
def test_wrong_observed_shifts_are_refused(shifts, message):
    task = Task([0, 1], [0, 1], [0, 1], [2, 2], torch.tensor([False, True]), [0, 0], ("a", "b"))
    given = Given(task, normal(2, 4).float(), READER)
    test_it_is_refused_and_said_what_was_expected(lambda: mean_shift(given, shifts), message)


NO_SERVING = {
    "one user": (lambda: serving_rows.ways(None, Path(), 1), "n is 1, expected .* at least 2"),
    "no way": (lambda: serving_rows.table({}), "the number of ways is 0"),
    "no run": (lambda: serving_rows.table({}, runs=0), "runs is 0"),
    "no prompt": (lambda: serving_rows.table({}, prompt=0), "prompt is 0"),
    "no token": (lambda: serving_rows.table({}, tokens=0), "tokens is 0"),
}


@pytest.mark.parametrize(("call", "message"), NO_SERVING.values(), ids=NO_SERVING)
def test_serving_nobody_is_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)


def adapting(**options):
    """Many users' weights, from a folder that nobody gets to read."""
    from lore_core.adapt.users import adapt_users  # which needs pyarrow

    return adapt_users(**{"reward": REWARD, "responses": HERE, "pairs": "p", "out": "o"} | options)


NO_ADAPTING = {
    "no reward": (lambda: adapting(reward=E), "reward is a Tensor, expected .*LowRankReward"),
    "bare embeddings": (lambda: adapting(responses=E), "responses is a Tensor, expected"),
    "a recipe for a basis": (lambda: adapting(recipe=TWO_STEPS), "recipe is a Recipe, expected"),
    "the paper's recipe": (
        lambda: adapting(recipe=PAPER_FEW_SHOT),
        "optimizer is 'adam', which starts at random.*use 'newton'",
    ),
    "no worker": (lambda: adapting(workers=0), "workers is 0, expected a whole number of at least"),
    "half a worker": (lambda: adapting(workers=1.5), "workers is 1.5, expected a whole number"),
    "two sorts of workers": (
        lambda: adapting(workers=2, cluster="tcp://here:1"),
        "workers is 2, but the cluster tcp://here:1 has its own; give one",
    ),
    "progress in words": (lambda: adapting(progress="yes"), "progress is 'yes', expected True or"),
}


@pytest.mark.parametrize(("call", "message"), NO_ADAPTING.values(), ids=NO_ADAPTING)
def test_wrong_ways_to_adapt_many_are_refused(call, message):
    pytest.importorskip("pyarrow")


FOLDER = Path(__file__).parent
TWO_USERS = Preferences([0, 1], [0, 1], [1, 0], 2)
NO_SHARING = {
    "more processes than users": (
        lambda: shards(TWO_USERS.counts, 3),
        "3 processes for 2 users; start at most 2",
    ),
    "no time": (lambda: started("cpu", 0).__enter__(), "timeout is 0, expected a number above 0"),
    "no such device": (lambda: own_device("abacus"), "asked for abacus, but torch cannot"),
    "no table of embeddings": (
        lambda: inputs.responses(FOLDER / "trial.yaml"),
        "is no safetensors file with embeddings",
    ),
    "no array": (lambda: inputs.array(FOLDER / "trial.yaml"), "is no table of embeddings"),
    "no Parquet": (lambda: inputs.preferences(FOLDER), r"has no \*.parquet"),
    "a checkpoint after no steps": (lambda: Checkpoints(FOLDER, Processes(), 0), "steps is 0"),
    "a checkpoint before": (lambda: Checkpoints(FOLDER, Processes(), 1, -1), "seconds is -1"),
    "a folder of something else": (lambda: claim(FOLDER, {}), "holds something else already"),
    "users out of order": (
        lambda: check_order(FOLDER, torch.tensor([1, 0]), 0),
        "not sorted by user: 0 comes after 1; sort it",
    ),
    "stored pairs of other responses": (
        lambda: PreparedPairs(torch.tensor([99]), SortedPairs.of(PAIRS, 100)).check(HERE),
        "points to response 99, but there are",
    ),
    "stored pairs of no responses": (
        lambda: PreparedPairs(torch.tensor([0]), SortedPairs.of(PAIRS, 100)).check(HERE.embeddings),
        "responses is a Tensor, expected",
    ),
}


@pytest.mark.parametrize(("call", "message"), NO_SHARING.values(), ids=NO_SHARING)
def test_wrong_ways_to_share_a_fit_are_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)


ONE_SEED = Benchmark("train", crowd=None, counts=(1,), repeats=1, shots=1, seeds=(0,))
NO_RUN = {
    "a method nobody knows": (lambda: Run("train", "lora", 2, ONE_SEED), "method is 'lora', exp"),
    "no rank": (lambda: Run("train", "lore", None, ONE_SEED), "rank of lore is None, expected a"),
    "a rank too much": (lambda: Run("train", "reference", 2, ONE_SEED), "it has none"),
    "no benchmark": (lambda: Run("train", "lore", 2, {}), "benchmark is a dict, expected Bench"),
    "two seeds": (
        lambda: Run("train", "lore", 2, replace(ONE_SEED, seeds=(0, 1))),
        "a run has the seeds .0, 1., expected a single one",
    ),
}


@pytest.mark.parametrize(("call", "message"), NO_RUN.values(), ids=NO_RUN)
def test_a_wrong_run_of_a_sweep_is_refused(call, message):
    test_it_is_refused_and_said_what_was_expected(call, message)
