"""PROPER's layers on disk: what is read says what was written, and peft reads a user as LoRA."""

import json
import os
from importlib.util import find_spec

import pytest
import torch
from torch import nn
from worlds import random

from lore_core.language_model.tiny import TinyLlama
from lore_core.proper import adapters, lora_folders, user_adapters
from lore_core.proper.inject import inject
from lore_core.proper.linear import ProperLinear
from lore_core.proper.low_rank import LowRank, LowRanks
from lore_core.proper.routers import FixedRouter, LoraRouter, UserRouter
from lore_core.tools import tensor_files

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
HUB = pytest.mark.skipif(
    not (find_spec("transformers") and find_spec("peft")), reason="needs the extra `hub`"
)
M, N, R, ALPHA = 3, 4, 2, 5.0
MLP = ["gate_proj", "up_proj", "down_proj"]
TEXTS = ["one two three", "three two", "two", "one one two"]
USER = torch.tensor([2, 0, 2, 3])


def values(*shape, seed=0):
    return torch.randn(*shape, generator=random(seed))


def net(seed=0):
    found = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    for place in (0, 2):
        linear = found[place]
        linear.weight.data.copy_(values(*linear.weight.shape, seed=seed + place))
        linear.bias.data.zero_()
    return found


def router(kind, i, o):
    return {
        "double": lambda: UserRouter(M, N, i, random(3)),
        "single, input": lambda: UserRouter(M, N, i, random(3), "single", use_user=False),
        "user": lambda: UserRouter(M, N, i, random(3), use_input=False),
        "lora": lambda: LoraRouter(M, o, random(3)),
        "fixed": lambda: FixedRouter(values(N, M).softmax(1)),
    }[kind]()


def adapted(model, names=(0, 2), kind="double", **parts):
    """A model with layers in which every part has learned something."""

    def make(name, linear):
        i, o = linear.in_features, linear.out_features
        found = {
            "population": LowRank(R, i, o, ALPHA, random(1)),
            "experts": LowRanks(M, R, i, o, ALPHA, random(2)),
            "personal": LowRanks(N, R, i, o, ALPHA, random(4)),
            "router": router(kind, i, o),
        } | parts
        for part in ("population", "experts", "personal"):
            if found[part] is not None:
                found[part].B.data.copy_(values(*found[part].B.shape, seed=len(part)))
        return ProperLinear(linear, average=False, dropout=0.1, **found)

    injected = inject(model, [str(name) for name in names], make)
    injected.who.user = USER
    model.eval()
    return injected


X = values(4, 6)


# What is shared, and users


@pytest.mark.parametrize("kind", ["double", "single, input", "user", "lora", "fixed"])
def test_what_is_read_says_what_was_written(kind, tmp_path):
    model = net()
    injected = adapted(model, kind=kind)
    expected = model(X)
    adapters.save(injected, tmp_path / "shared.safetensors", {"rank": R})
    paths = user_adapters.save_users(injected, tmp_path / "users")
    fresh = net()
    again, recipe = adapters.load(fresh, tmp_path / "shared.safetensors")
    user_adapters.load_users(again, paths)
    again.who.user = USER
    assert torch.equal(fresh.eval()(X), expected) and recipe == {"rank": R}
    assert all(layer.dropout == 0.1 for layer in again.layers.values())
    assert not any(linear.weight.requires_grad for linear in (fresh[0].base, fresh[2].base))


def test_users_can_be_read_one_by_one_and_in_another_order(tmp_path):
    model = net()
    injected = adapted(model, kind="fixed")
    injected.who.user = torch.tensor([3, 3, 1, 1])
    expected = model(X)
    paths = user_adapters.save_users(injected, tmp_path)
    user_adapters.load_users(injected, [paths[1], paths[3]])
    injected.who.user = torch.tensor([1, 1, 0, 0])
    assert torch.equal(model(X), expected)
    assert [len(layer.personal) for layer in injected.layers.values()] == [2, 2]


def test_a_merged_population_is_part_of_what_users_stand_on(tmp_path):
    model = net()
    injected = adapted(model)
    injected.merge_population()
    adapters.save(injected, tmp_path / "shared.safetensors")
    expected = model(X)
    users = user_adapters.save_users(injected, tmp_path)
    with pytest.raises(ValueError, match="with stage 1 merged"):
        adapters.load(net(), tmp_path / "shared.safetensors")
    injected.eject(merged=True)
    again, _ = adapters.load(model, tmp_path / "shared.safetensors")
    user_adapters.load_users(again, users)
    again.who.user = USER
    assert torch.equal(model.eval()(X), expected)


def test_an_adapter_of_another_model_is_refused(tmp_path):
    injected = adapted(net())
    adapters.save(injected, tmp_path / "shared.safetensors")
    [path, *_] = user_adapters.save_users(injected, tmp_path)
    other = net(seed=1)
    with pytest.raises(ValueError, match="is an adapter of another model"):
        adapters.load(other, tmp_path / "shared.safetensors")
    assert type(other[0]) is nn.Linear and other[0].weight.requires_grad
    with pytest.raises(ValueError, match="is an adapter of another model"):
        adapters.load(nn.Sequential(nn.Linear(6, 5)), tmp_path / "shared.safetensors")
    with pytest.raises(ValueError, match="matches no linear layer"):
        adapters.load(nn.ModuleDict({"up": nn.Linear(6, 5)}), tmp_path / "shared.safetensors")
    with pytest.raises(ValueError, match="is an adapter of another model"):
        user_adapters.load_users(adapted(other), [path])
    injected.layers["0"].experts.A.data.add_(1)
    with pytest.raises(ValueError, match="is an adapter of another model"):
        user_adapters.load_users(injected, [path])


def test_a_file_of_another_kind_or_format_is_refused(tmp_path):
    injected = adapted(net())
    [path, *_] = user_adapters.save_users(injected, tmp_path)
    with pytest.raises(ValueError, match="is not a saved PROPER adapter"):
        adapters.load(net(), path)
    tensors, about = tensor_files.read(path)
    tensor_files.write(path, tensors, about | {"format": 2})
    with pytest.raises(ValueError, match="has format 2, expected 1"):
        user_adapters.load_users(injected, [path])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="cannot be read"):
        user_adapters.load_users(injected, [path])
    with pytest.raises(FileNotFoundError, match="does not exist"):
        user_adapters.load_users(injected, [tmp_path / "none.safetensors"])


def test_one_adapter_gives_the_same_bytes_twice(tmp_path):
    written = []
    for name in ("a", "b"):
        adapters.save(adapted(net()), tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


# Against peft


def llama():
    return TinyLlama.drawn(TEXTS, width=16, generator=random(0))


@HUB
@pytest.mark.parametrize("user", [0, 3])
def test_peft_reads_a_user_as_the_personal_part_alone(user, tmp_path):
    import peft

    tiny = llama()
    alone = adapted(tiny.net, MLP, population=None, experts=None, router=None)
    alone.who.user = torch.tensor([user])
    expected = tiny.rewards(TEXTS)
    user_adapters.export_peft(alone, user, tmp_path / "user")
    alone.eject()
    assert (tiny.rewards(TEXTS) - expected).abs().max() > 1e-3
    loaded = TinyLlama(peft.PeftModel.from_pretrained(tiny.net, tmp_path / "user"), tiny.vocabulary)
    torch.testing.assert_close(loaded.rewards(TEXTS), expected, rtol=1e-5, atol=1e-5)
    assert (
        json.loads((tmp_path / "user" / "adapter_config.json").read_text())["lora_alpha"] == ALPHA
    )


@HUB
def test_one_expert_with_its_whole_share_is_peft_s_lora():
    import peft

    parts = {"population": None, "personal": None, "router": FixedRouter(torch.ones(N, 1))}
    tiny, other = llama(), llama()
    config = peft.LoraConfig(r=R, lora_alpha=ALPHA, target_modules=MLP, lora_dropout=0.0)
    theirs = peft.get_peft_model(other.net, config)
    experts = iter(
        [m for name, m in theirs.named_modules() if name.endswith(tuple(MLP)) and m.lora_A]
    )

    def make(name, linear):
        one = LowRanks(1, R, linear.in_features, linear.out_features, ALPHA, random(1))
        one.B.data.copy_(values(*one.B.shape))
        module = next(experts)
        module.lora_A["default"].weight.data.copy_(one.A[0])
        module.lora_B["default"].weight.data.copy_(one.B[0])
        return ProperLinear(linear, experts=one, **{k: v for k, v in parts.items()})

    before = tiny.rewards(TEXTS)
    inject(tiny.net, MLP, make).who.user = torch.tensor([0])
    found, expected = tiny.rewards(TEXTS), TinyLlama(theirs, tiny.vocabulary).rewards(TEXTS)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert (found - before).abs().max() > 1e-3


def test_a_user_without_an_update_cannot_be_exported(tmp_path):
    with pytest.raises(ValueError, match="train stage 3.1 first"):
        user_adapters.export_peft(adapted(net(), personal=None), 0, tmp_path / "user")
    with pytest.raises(ValueError, match="user contains 4"):
        user_adapters.export_peft(adapted(net()), N, tmp_path / "user")
    assert not (tmp_path / "user").exists()


def test_layers_without_experts_cannot_be_exported(tmp_path):
    with pytest.raises(ValueError, match="no experts; train stage 2 first"):
        lora_folders.write_experts(adapted(net(), experts=None, router=None), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_experts_are_never_written_over(tmp_path):
    lora_folders.write_experts(adapted(net()), tmp_path / "experts")
    assert sorted(path.name for path in (tmp_path / "experts").iterdir()) == ["0", "1", "2"]
    with pytest.raises(FileExistsError, match="experts exists already"):
        lora_folders.write_experts(adapted(net()), tmp_path / "experts")
