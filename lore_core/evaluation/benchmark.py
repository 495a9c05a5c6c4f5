"""One method's part in a comparison: chosen on validation data, then tested, once, on everything.

Shapes: N seen users, N' unseen users, S shot counts, R repeats.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from torch import Tensor

from lore_core.decisions.best_of_n import best_of_n, true_utility
from lore_core.evaluation.controls import other_users
from lore_core.evaluation.learning_curve import check_enough, few_shot_accuracy
from lore_core.evaluation.selection import choose
from lore_core.evaluation.study import Study
from lore_core.evaluation.synthetic import draw_study
from lore_core.methods import Method, Model
from lore_core.responses import Responses
from lore_core.tools import checks, draws, tensor_files

SEEN, UNSEEN = "seen users, unseen prompts", "unseen users, unseen prompts"
TENSORS = ("seen", "curve", "control", "utility")
NOTHING_TRAINED = {"chosen": "", "validation": [], "parameters": 0}


@dataclass(frozen=True)
class Rules:
    """What is the same for every method.

    Args:
        concentration: of the crowd.
        n_seen, n_unseen: users.
        n_pairs: training pairs per seen user.
        pool: pairs of each new user that shots are drawn from.
        counts: shot counts of the curve, none above `pool`.
        repeats: random orders of each new user's pool.
        shots: the count at which settings are chosen, tables read and responses steered.
        seed: of all draws.
    """

    concentration: float
    n_seen: int
    n_unseen: int
    n_pairs: int
    pool: int
    counts: tuple[int, ...]
    repeats: int
    shots: int
    seed: int

    def __post_init__(self):
        checks.number("concentration", self.concentration, above=True)
        checks.whole_numbers(1, n_seen=self.n_seen, n_unseen=self.n_unseen)
        checks.whole_numbers(1, n_pairs=self.n_pairs, pool=self.pool, repeats=self.repeats)
        if self.shots not in self.counts or max(self.counts) > self.pool:
            raise ValueError(
                f"shots is {self.shots}, pool {self.pool}, counts {self.counts}; expected shots "
                "among the counts, and no count above the pool"
            )

    def study(self, responses: Responses) -> Study:
        """The crowd and its pairs."""
        sizes = self.n_seen, self.n_unseen, self.n_pairs, self.pool
        return draw_study(responses, self.concentration, *sizes, self.seed)


@dataclass(frozen=True, eq=False)
class Result:
    """How one method did; accuracies are on unseen prompts.

    Args:
        seen: (N,) accuracy of seen users.
        curve: (S, R, N') accuracy of unseen users.
        control: (N',) accuracy after `Rules.shots` shots of another user instead of one's own.
        utility: (N',) true utility of the best of n after `Rules.shots` shots, mean over prompts.
        about: chosen settings, validation scores of all candidates, parameters, seconds.
    """

    seen: Tensor
    curve: Tensor
    control: Tensor
    utility: Tensor
    about: dict

    def save(self, path) -> None:
        """Write a safetensors file, whole or not at all."""
        tensors = {name: getattr(self, name).double() for name in TENSORS}
        tensor_files.write(path, tensors, self.about)

    @classmethod
    def load(cls, path) -> Result:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds something else.
        """
        tensors, about = tensor_files.read(path)
        if tensors.keys() != set(TENSORS):
            raise ValueError(
                f"{path} is not a saved Result: it holds {sorted(tensors)}, expected "
                f"{sorted(TENSORS)}; delete it, and `make figures` makes it again"
            )
        return cls(**tensors, about=about)


def compete(candidates: list[Method], study: Study, rules: Rules, device=None) -> Result:
    """Choose among a method's candidates on validation data, then test the chosen one.

    Args:
        candidates: settings of one method.
        study: of the rules.
        rules: the same for every method.
        device: where to train.
    """
    check_enough(study.shots, rules.counts)  # before anything is trained
    began = time.perf_counter()
    choice = choose(candidates, study, rules.shots, rules.seed, device)
    trained = time.perf_counter()
    model, tests = choice.model, study.tests
    curve, personal = few_shot_accuracy(
        model, study.responses, study.shots, tests[UNSEEN], rules.counts, rules.repeats, rules.seed
    )
    about = {
        "chosen": choice.settings,
        "validation": choice.scores,
        "parameters": model.parameter_count,
        "seconds to train all candidates": round(trained - began, 1),
        "seconds to adapt and test": round(time.perf_counter() - trained, 1),
    }
    own = personal[rules.counts.index(rules.shots), 0]
    return Result(
        model.accuracy(study.responses, tests[SEEN]), curve, *look_closer(model, study, own), about
    )


def look_closer(model: Model, study: Study, own: Tensor) -> tuple[Tensor, Tensor]:
    """Accuracy with another user's shots, and the true utility of the best of n, both (N',)."""
    others = other_users(own, draws.generator(0))
    control = model.accuracy(study.responses, study.tests[UNSEEN], others)
    rows = best_of_n(model, study.responses, study.prompts.test, own)
    return control, true_utility(study.responses, study.tastes[study.users.test], rows)
