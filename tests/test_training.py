"""The training loop: it ends at the best that validation saw, and refuses what is not a number."""

import math

import pytest
import torch
from torch import nn

from lore_core.training import EarlyStopping, train


class Walker(nn.Module):
    """A number that goes up by one in every step; "known" is for a validation loss to fill."""

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.zeros(()))
        self.register_buffer("known", torch.zeros(()))

    @torch.no_grad()
    def take_step(self, step):
        before = self.at.item()
        self.at += 1
        return 100 - before


def walk(script, **options):
    """Walk as far as the script of validation losses goes; where it ended, losses, stopping."""
    model = Walker()
    stopping = EarlyStopping(model, lambda: script[int(model.at) - 1], **options)
    losses = train(model.take_step, len(script), "another way", stopping)
    return model.at.item(), losses, stopping


# --- steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_without_validation_it_takes_all_steps_and_returns_the_loss_before_each(steps):
    model = Walker()
    losses = train(model.take_step, steps, "another way")
    assert model.at == steps and losses == [100.0 - step for step in range(steps)]


def test_it_ends_when_the_losses_so_far_have_settled():
    model = Walker()
    losses = train(model.take_step, 9, "another way", settled=lambda losses: losses[-1] < 98.5)
    assert losses == [100, 99, 98] and model.at == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_refused_with_its_step_and_a_remedy(bad):
    losses = [2.0, 1.0, bad, 0.0]
    with pytest.raises(ValueError, match=f"the loss became {bad} at step 2; try a smaller rate"):
        train(lambda step: losses[step], 4, "a smaller rate")


# --- early stopping ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "best"),
    [
        ([5.0, 3.0, 4.0, 2.0, 6.0], 4),
        ([1.0, 3.0, 4.0], 1),
        ([3.0, 2.0, 1.0], 3),
        ([-0.5, -0.8, -0.7], 2),  # minus an accuracy is a loss too
    ],
)
def test_it_ends_at_the_parameters_with_the_lowest_validation_loss(script, best):
    at, losses, stopping = walk(script)
    assert at == best and stopping.best == min(script) and stopping.losses == script
    assert len(losses) == len(script)  # without patience it looks at everything


def test_of_equally_low_losses_the_first_counts():
    assert walk([3.0, 2.0, 2.0, 2.5, 2.0])[0] == 2


@pytest.mark.parametrize(
    ("patience", "steps", "best"), [(1, 3, 2), (2, 6, 4), (3, 7, 4), (4, 8, 8), (None, 8, 8)]
)
def test_patience_is_the_number_of_steps_without_a_lower_loss(patience, steps, best):
    at, losses, stopping = walk([5.0, 4.0, 6.0, 3.0, 7.0, 8.0, 9.0, 1.0], patience=patience)
    assert (len(losses), len(stopping.losses), at) == (steps, steps, best)


@pytest.mark.parametrize(("tolerance", "best"), [(0.0, 4), (0.05, 4), (0.1, 3), (0.2, 1)])
def test_a_loss_lower_by_less_than_the_tolerance_is_not_better(tolerance, best):
    """Each is 6 % lower than the one before; the last is 17 % lower than the first."""
    assert walk([0.94**step for step in range(4)], tolerance=tolerance)[0] == best


def test_a_gain_too_small_to_count_does_not_renew_patience():
    at, losses, _ = walk([1.0, 0.95, 0.91, 0.5], patience=2, tolerance=0.1)
    assert at == 1 and len(losses) == 3


def test_validation_is_looked_at_after_the_steps_said_and_no_others():
    at, _, stopping = walk([1.0, 5.0, 2.0, 4.0, 3.0, 6.0], evaluations=lambda step: step % 2 == 1)
    assert stopping.losses == [5.0, 4.0, 6.0] and at == 4


def test_without_a_look_it_ends_where_it_ends():
    at, _, stopping = walk([1.0, 5.0, 6.0], evaluations=lambda step: False)
    assert stopping.losses == [] and at == 3


def test_what_is_no_parameter_comes_back_with_the_best_ones():
    model = Walker()

    def validate():
        model.known.copy_(10 * model.at.detach())
        return abs(model.at.item() - 2)

    train(model.take_step, 5, "another way", EarlyStopping(model, validate))
    assert (model.at.item(), model.known.item()) == (2, 20)


def test_a_validation_loss_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="became nan at step 1; try other validation pairs"):
        walk([3.0, math.nan, 2.0])
