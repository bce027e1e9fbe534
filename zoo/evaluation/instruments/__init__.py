"""Ways to ask a model: see `zoo.evaluation.protocol.Instrument`."""
