"""A small language model steered for two users of opposite taste; workflow/steering.smk calls it.

    steering.py people   people.safetensors
    steering.py samples  compared people.safetensors compared.json
    steering.py policy   0 people.safetensors learned.json policy_0
    steering.py mixed    brevity people.safetensors policy_0 policy_1 brevity.json
    steering.py table    people.safetensors compared.json brevity.json lists.json steering.csv

Both users rate responses of data/alpaca_eval: one likes short ones, the other lists. A basis of two
rewards is fitted on a crowd that mixes the two, and each user's weights on nine pairs. Nobody's
text is needed: policies learn from the plain model's own responses to other prompts.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lore_core import LowRankReward, fit_basis, fit_weights
from lore_core.datasets import alpaca_eval
from lore_core.datasets.build import traits
from lore_core.evaluation import steering
from lore_core.evaluation.synthetic import draw_study
from lore_core.language_model import causal
from lore_core.language_model.generate import mixed_samples
from lore_core.language_model.mixed import add_adapters
from lore_core.language_model.sampling import Sample, samples
from lore_core.language_model.steer import tilted
from lore_core.language_model.weights import FOLDER
from lore_core.palm.lora import Lora
from lore_core.palm.text_reward import TextReward
from lore_core.palm.train import train_policy
from lore_core.simulation.survey import Survey
from lore_core.tools import checksums, draws, tensor_files

USERS = ("brevity", "lists")  # whose taste is this trait alone
PAIRS = 9  # from which a user's weights are known
N = 8  # responses to a prompt to choose from
N_MIXED = 2  # responses to a prompt from the mixed logits
BETA = 0.2  # price of KL, in standard deviations of a reward over the data set
TOKENS = 96
TEMPERATURE = 0.7  # at 1 a model as small as this one rambles
REQUEST = " Answer briefly."  # else most responses are longer than TOKENS, and are cut
PROMPTS = Path(__file__).with_name("steering_prompts.txt")
SEEDS = {"compared": 1, "learned from": 2, "policy": 3, "brevity": 4, "lists": 5, "table": 6}
DRAWING = {"n_tokens": TOKENS, "temperature": TEMPERATURE}


def people(out: str) -> None:
    """Fit the basis and both users' weights; each basis reward is put into its own unit."""
    world = alpaca_eval.load()
    columns = [world.trait_names.index(user) for user in USERS]
    world = replace(world, traits=world.known_traits[:, columns], trait_names=USERS)
    sizes = {"n_seen": 300, "n_unseen": 50, "n_pairs": 47, "n_shots": PAIRS}
    study = draw_study(world, concentration=0.1, seed=0, **sizes)
    reward = fit_basis(world, study.train, rank=len(USERS), device="cpu").reward
    survey = Survey(world, torch.eye(len(USERS)).double(), None, "extreme", draws.generator(0))
    (pairs,) = survey.ask(torch.arange(len(USERS)), study.prompts.train, PAIRS)
    basis, weights = in_units(reward, fit_weights(reward, world, pairs, device="cpu"), world)
    unit = (world.embeddings @ basis @ weights.T).std(0)
    for user, mine in zip(USERS, weights.tolist(), strict=True):
        print(f"{user}: weights {mine[0]:.3f}, {mine[1]:.3f} from {PAIRS} pairs")
    tensor_files.write(out, {"basis": basis, "weights": weights, "unit": unit}, {})


def in_units(reward: LowRankReward, weights: Tensor, world) -> tuple[Tensor, Tensor]:
    """The basis with columns of standard deviation 1 on the data; weights that rank as before."""
    basis = reward.basis.double()
    scale = (world.embeddings.double() @ basis).std(0)
    moved = weights.double() * scale
    return basis / scale, moved / moved.sum(1, keepdim=True)


def prompts(part: str) -> list[str]:
    """The instructions of one part, each with the same request."""
    blocks = PROMPTS.read_text(encoding="utf-8").split("\n\n")[1:]
    lines = {block.splitlines()[0].removeprefix("# "): block.splitlines()[1:] for block in blocks}
    return [line + REQUEST for line in lines[part]]


def plain(part: str, known: str, out: str) -> None:
    """The plain model's responses, and what is measured of them."""
    model, tokenizer = causal.load(FOLDER, device="cpu")
    source = draws.generator(SEEDS[part])
    found = samples(model, tokenizer, prompts(part), N, source, **DRAWING)
    write(out, measured(model, tokenizer, part, found, known))


def policy(k: str, known: str, learned: str, out: str) -> None:
    """An adapter for the corner of reward k, learned from the plain model's own responses."""
    model, tokenizer = causal.load(FOLDER, device="cpu")
    rows = json.loads(Path(learned).read_text(encoding="utf-8"))
    rewards = torch.tensor(rows["basis_scores"]).double()
    shares = tilted(rewards, torch.eye(len(USERS))[int(k)], BETA)
    counted = 2 ** -(shares * shares.clamp_min(1e-300).log2()).sum(1)  # perplexity
    print(f"policy {k}: of {N} candidates {counted.mean():.1f} count, on average")
    losses = train_policy(
        model,
        tokenizer,
        prompts("learned from"),
        rows["texts"],
        shares,
        out,
        seed=SEEDS["policy"],
        lora=Lora(epochs=2, together=2, smallest=0.02),
        ended=rows["ended"],
    )
    print(f"policy {k}: loss", *(f"{loss:.2f}" for loss in losses))


def mixed(user: str, known: str, *folders_and_out: str) -> None:
    """The responses of the mixed logits for a user."""
    *folders, out = folders_and_out
    model, tokenizer = causal.load(FOLDER, device="cpu")
    names = [Path(folder).name for folder in folders]
    add_adapters(model, dict(zip(names, folders, strict=True)))
    weights = tensor_files.read(known)[0]["weights"][USERS.index(user)]
    source = draws.generator(SEEDS[user])
    asked = prompts("compared")
    told = {"generator": source, **DRAWING}
    found = mixed_samples(model, tokenizer, asked, weights, names, N_MIXED, **told)
    base, _ = causal.load(FOLDER, device="cpu")
    write(out, measured(base, tokenizer, "compared", found, known))


def measured(model, tokenizer, part: str, found: list[list[Sample]], known: str) -> dict:
    """Texts (p, n) with their rewards, their traits, and their surprise for the plain model."""
    asked = [prompt for prompt, each in zip(prompts(part), found, strict=True) for _ in each]
    flat = [sample for each in found for sample in each]
    texts = [sample.text for sample in flat]
    ended = [sample.ended for sample in flat]
    reward = TextReward.of_alpaca_eval(tensor_files.read(known)[0]["basis"])
    columns = {
        "texts": texts,
        "ended": ended,
        "basis_scores": reward(list(zip(asked, texts, strict=True))).tolist(),
        "bits per byte": causal.bits_per_byte(model, tokenizer, asked, texts, ended).tolist(),
        "words": [float(len(text.split())) for text in texts],
    }
    columns |= {user: standing(user, texts).tolist() for user in USERS}
    size = len(found[0])
    return {
        name: [column[i : i + size] for i in range(0, len(flat), size)]
        for name, column in columns.items()
    }


def standing(trait: str, texts: list[str]) -> Tensor:
    """A trait of some texts in the units of the data set: its mean is 0, its deviation 1."""
    tensors, about = alpaca_eval.read()
    low, high, mean, sd = tensors["trait_scale"][:, about["traits"].index(trait)]
    raw = torch.tensor([getattr(traits, trait)(text) for text in texts], dtype=torch.float64)
    return (raw.clamp(low, high) - mean) / sd


def table(known: str, compared: str, *users_and_out: str) -> None:
    """What each way of steering moved, by user, with intervals over prompts."""
    *users, out = users_and_out
    tensors, _ = tensor_files.read(known)
    rows = []
    for place, user in enumerate(USERS):
        ways = steering.ways(read(compared), read(users[place]), tensors["weights"][place], BETA)
        unit = tensors["unit"][place]
        rows += steering.rows(user, ways, unit, draws.generator(SEEDS["table"]))
    steering.write(rows, out)


def read(path: str) -> dict[str, Tensor]:
    """The numbers of a file that `write` wrote; its texts are left out."""
    rows = json.loads(Path(path).read_text(encoding="utf-8"))
    return {name: torch.tensor(row).double() for name, row in rows.items() if name != "texts"}


def write(path: str, rows: dict) -> None:
    checksums.write(path, json.dumps(rows, indent=1, ensure_ascii=False).encode())


PIECES = {"people": people, "samples": plain, "policy": policy, "mixed": mixed, "table": table}

if __name__ == "__main__":
    PIECES[sys.argv[1]](*sys.argv[2:])
