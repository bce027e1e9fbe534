import timm
import torch
from torch import nn

from zoo.nn import NoInitialisation


def test_nothing_is_drawn_and_no_memory_is_touched_for_weights() -> None:
    state = torch.random.get_rng_state()

    with NoInitialisation():
        linear = nn.Linear(4, 5)
        nn.init.trunc_normal_(linear.weight, std=0.02)
        timm.create_model("test_vit")

    assert torch.equal(torch.random.get_rng_state(), state)


def test_what_was_left_out_can_be_filled() -> None:
    with NoInitialisation():
        linear = nn.Linear(4, 5)
        linear.weight.data.normal_().mul_(2).add_(1)
        table = torch.ones(3).mul_(2).add_(1)  # computed, not drawn

    assert table.tolist() == [3, 3, 3]
    linear.load_state_dict({"weight": torch.ones(5, 4), "bias": torch.zeros(5)})
    assert linear(torch.ones(4)).tolist() == [4] * 5


def test_afterwards_layers_initialise_themselves_again() -> None:
    with NoInitialisation():
        pass

    assert nn.Linear(40, 50).weight.std() > 0
    assert torch.zeros(9).normal_().std() > 0
