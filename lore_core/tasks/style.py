"""Style: an instruction, and the answer to it that a person likes best. Like LaMP-4, 5 and 7.

Each instruction has been answered by the same few generators. Which of them a user wants depends on
the instruction, so a style is a taste and not the name of a generator.
"""

from lore_core.responses import Responses
from lore_core.tasks import tastes
from lore_core.tasks.panel import Panel
from lore_core.tasks.task import Task
from lore_core.tasks.traits import decodable
from lore_core.tools import checks, draws

# A whole answer costs a thousand times what a label costs to learn: few users, short histories.
PANEL = Panel(n_users=30, n_cold=0, shortest=4, longest=20, n_validation=4, n_test=10)


def make(responses: Responses, seed: int, panel: Panel = PANEL, noise: float = 0.3) -> Task:
    """Synthetic users choose among the real answers to an instruction.

    Args:
        responses: with the decodable traits, equally many to each prompt.
        seed: of all draws.
        panel: who takes part.
        noise: of what an answer is worth, in sd of the user's utility.

    Returns:
        A Task without labels: the target is the row of the wanted answer, and so is the response.

    Raises:
        ValueError: an argument is of another kind or out of range, or there are too few prompts.
    """
    traits = decodable(responses)
    checks.instance_of("panel", panel, Panel)
    checks.number("noise", noise)
    generator, responses = draws.generator(seed), responses.to("cpu")
    user, rows, part = panel.items(responses, generator)
    group = panel.groups(generator)
    taste = tastes.draw(panel, traits, group, generator)
    worth = tastes.noisy(taste @ traits.T, noise, generator)
    answers = responses.candidates_of(responses.prompt[rows])
    best = worth[user[:, None], answers].argmax(1, keepdim=True)
    wanted = answers.gather(1, best)[:, 0]
    return Task(user, wanted, wanted, part, panel.cold, group)
