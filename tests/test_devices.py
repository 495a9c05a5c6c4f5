"""A GPU when there is one, else the CPU, or as asked; the answer is the same."""

import pytest
import torch
from worlds import planted

from lore_core import accuracy, fit_basis, fit_weights
from lore_core.tools import devices

GPU = torch.cuda.is_available()


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def test_without_a_gpu_it_is_the_cpu(no_gpu):
    assert devices.pick() == torch.device("cpu")


def test_with_a_gpu_it_is_the_gpu(a_gpu):
    assert devices.pick() == torch.device("cuda")


@pytest.mark.parametrize("asked", ["cpu", torch.device("cpu")])
def test_the_cpu_can_be_asked_for_all_the_same(a_gpu, asked):
    assert devices.pick(asked) == torch.device("cpu")


@pytest.mark.parametrize("asked", ["cuda", "cuda:1", torch.device("cuda")])
def test_a_gpu_asked_for_where_there_is_none_is_said(no_gpu, asked):
    with pytest.raises(
        RuntimeError, match=f"asked for {asked}, but torch cannot compute there.*device='cpu'"
    ):
        devices.pick(asked)


def test_both_fits_say_so_too(no_gpu):
    study = planted(n_users=5)
    with pytest.raises(RuntimeError, match="asked for cuda, but torch cannot compute there"):
        fit_basis(study.responses, study.train, 2, device="cuda")
    reward = fit_basis(study.responses, study.train, 2).reward
    with pytest.raises(RuntimeError, match="asked for cuda, but torch cannot compute there"):
        fit_weights(reward, study.responses, study.shots, device="cuda")


def test_an_unknown_device_is_refused():
    with pytest.raises(RuntimeError, match="cpu, cuda"):
        devices.pick("gpu")


@pytest.mark.skipif(not GPU, reason="no GPU here")
def test_a_gpu_gives_the_same_accuracies_as_the_cpu():
    study, scores = planted(), []
    for device in ("cpu", "cuda"):
        reward = fit_basis(study.responses, study.train, 3, device=device).reward
        weights = fit_weights(reward, study.responses, study.shots, device=device)
        assert reward.basis.device == weights.device == study.responses.embeddings.device
        unseen = study.tests["unseen users, unseen prompts"]
        scores.append(accuracy(reward, study.responses, unseen, weights).mean())
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
