"""A small style task on a tiny random Llama, for the tests of everything that is tuned to it."""

from dataclasses import replace

from tiny_models import WORDS, llama
from worlds import normal, toy_responses

from lore_core.evaluation import style_rows
from lore_core.evaluation.style_study import study
from lore_core.language_model import causal
from lore_core.proper import plan
from lore_core.proper.recipe import Stage
from lore_core.tasks import Panel, style
from lore_core.tasks.traits import DECODABLE

PANEL = Panel(6, 0, 2, shortest=3, longest=5, n_validation=0, n_test=5)
EACH = 4  # responses to an instruction
INSTRUCTIONS = [" ".join([WORDS[row % 10]] * (1 + row % 4)) + " one" for row in range(40)]
RESPONSES = [" ".join(WORDS[c : c + 3]) for _ in INSTRUCTIONS for c in range(EACH)]
VECTORS = normal(len(INSTRUCTIONS), 5, seed=8)
QUICK = Stage(rank=2, learning_rate=0.01, passes=3, batch=8)
RECIPE = replace(
    plan.OURS,
    population=QUICK,
    group=replace(QUICK, passes=2),
    person=Stage(rank=2, learning_rate=0.05, passes=3, optimizer="sgd", batch=None, warm_up=0),
    n_experts=2,
    rounds=2,
)


def tiny(folder):
    """The folder with a tiny Llama in it."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "initializer_range": 0.2}
    llama(folder / "tiny", layers=3, **sizes)
    return folder


def drawn():
    """Who wants which response."""
    responses = toy_responses(n_prompts=40, n_candidates=EACH, n_features=9, n_traits=7)
    return style.make(replace(responses, trait_names=DECODABLE), 0, PANEL)


def read(place, task):
    """The task as a fresh model reads it; of an answer two words are kept."""
    model, tokenizer = causal.load(place / "tiny", device="cpu")
    texts = (INSTRUCTIONS, RESPONSES)
    return study(task, model, tokenizer, *texts, place / "states", block=1, answer=2)


def vectors(task):
    """A vector of every item's instruction."""
    return VECTORS[task.response // EACH]


def quick():
    """The families of the table, quickly trained."""
    found = {}
    for name, (recipe, names) in style_rows.FAMILIES.items():
        own = {stage: getattr(RECIPE, stage) for stage in recipe.stages if getattr(RECIPE, stage)}
        found[name] = (replace(recipe, n_experts=2, rounds=2, **own), names)
    return found
