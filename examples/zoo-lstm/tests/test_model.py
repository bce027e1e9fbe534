"""The network against the paper's equations, and against the reference code's layout."""

import pytest
import torch
from torch import Tensor

import zoo
from zoo.errors import CheckpointError
from zoo_lstm.model import LSTM, LSTMConfig, read_config
from zoo_lstm.weights import weights

CONFIG = LSTMConfig(vocabulary=11, width=6, layers=2, tied=False)


def by_hand(published: dict[str, Tensor], tokens: list[int]) -> Tensor:
    """Logits after the last token: the equations, one token and one layer at a time."""
    h = torch.zeros(CONFIG.layers, CONFIG.width)
    c = torch.zeros(CONFIG.layers, CONFIG.width)
    for token in tokens:
        x = published["encoder.weight"][token]
        for n in range(CONFIG.layers):
            W, U = published[f"rnn.weight_ih_l{n}"], published[f"rnn.weight_hh_l{n}"]
            b = published[f"rnn.bias_ih_l{n}"] + published[f"rnn.bias_hh_l{n}"]
            i, f, g, o = (W @ x + U @ h[n] + b).chunk(4)
            c[n] = f.sigmoid() * c[n] + i.sigmoid() * g.tanh()
            h[n] = o.sigmoid() * c[n].tanh()
            x = h[n]
    return published["decoder.weight"] @ x + published["decoder.bias"]


@torch.inference_mode()
def test_it_computes_the_papers_equations() -> None:
    torch.manual_seed(0)
    network = LSTM(CONFIG).eval()
    published = weights(CONFIG).dump(network.state_dict())
    tokens = [3, 1, 4, 1, 5, 9, 2, 6]

    logits = network.predict(network(torch.tensor([tokens])))[0, -1]

    torch.testing.assert_close(logits, by_hand(published, tokens))


def test_there_is_no_longest_text() -> None:
    model = zoo.load("tiny-lstm", device="cpu", dtype="float32")

    continuation = model.generate("KING " * 500, max_new_tokens=3).continuations[0]

    assert (continuation.tokens, continuation.finish) == (3, "length")


def test_beams_find_a_text_at_least_as_probable_as_the_greedy_one() -> None:
    model = zoo.load("tiny-lstm", device="cpu", dtype="float32")

    (greedy,) = model.generate("ROMEO:", max_new_tokens=12, logprobs=0).continuations
    (best,) = model.generate("ROMEO:", max_new_tokens=12, num_beams=8).continuations

    assert best.score is not None
    assert best.score * best.tokens >= sum(each.logprob for each in greedy.logprobs) - 1e-4


def test_widths_that_differ_are_refused() -> None:
    published = {"model_type": "lstm", "ntoken": 11, "emsize": 6, "nhid": 8, "nlayers": 2}

    with pytest.raises(CheckpointError, match="'nhid' is 8; architecture 'lstm' expects 6"):
        read_config(published)
