"""The network against its reference: the test that matters most, and that only you can write."""

import torch

import zoo


def test_it_generates() -> None:
    """Replace this: compare logits with the reference code's, on a tiny random checkpoint."""
    model = zoo.load("tiny-acme", device="cpu", dtype="float32")

    with torch.inference_mode():
        logits = model.network.predict(model.network(torch.tensor([[84, 104, 101]])))

    assert logits.shape == (1, 3, 256)
    assert model.generate("The ", max_new_tokens=5).continuations[0].tokens == 5
