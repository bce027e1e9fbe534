"""The tensor names of pytorch/examples' word language model."""

from zoo.weights import WeightMap, same
from zoo_lstm.model import LSTMConfig


def weights(config: LSTMConfig) -> WeightMap:
    """RNNModel with ``rnn_type`` LSTM; ih is W, hh is U."""
    return WeightMap(
        "lstm",
        rules=(
            same("encoder.weight", "token_embedding.weight"),
            same("rnn.{p}_ih_l{n}", "recurrence.{p}_ih_l{n}"),
            same("rnn.{p}_hh_l{n}", "recurrence.{p}_hh_l{n}"),
            same("decoder.{p}", "head.{p}"),
        ),
        tied={"head.weight": "token_embedding.weight"} if config.tied else {},
    )
