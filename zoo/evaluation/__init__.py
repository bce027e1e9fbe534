"""Zero-shot evaluation: a benchmark is data, a protocol is how a model is measured on it.

From top to bottom: ``catalog`` finds a benchmark by its name, ``benchmark`` reads its file;
``data`` brings its rows, ``samples`` makes samples of them; a protocol (``protocols``) says what a
model is asked about each and folds the answers into numbers, and an instrument (``instruments``)
asks it; ``run`` takes all of that through, window by window, and its ``result`` says what was
measured, and on what.
"""

from zoo.evaluation.benchmark import Benchmark
from zoo.evaluation.catalog import benchmarks, find_benchmark
from zoo.evaluation.result import Metric, Result
from zoo.evaluation.run import evaluate

__all__ = ["Benchmark", "Metric", "Result", "benchmarks", "evaluate", "find_benchmark"]
