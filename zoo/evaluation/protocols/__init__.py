"""What can be asked, and the ways to measure it: two tables; no protocol is imported for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """What is asked.

    Args:
        fields: What each sample has.
        metrics: What its protocols measure; the customary one first.
        optional: Fields that a sample may have.
    """

    fields: frozenset[str]
    metrics: tuple[str, ...]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Spec:
    """A protocol, before it is imported.

    Args:
        target: The `zoo.evaluation.protocol.Measurement`, as ``module:class``.
        tasks: Those of `TASKS` that it measures.
        needs: The model can do one of these of its own tasks; unless given, what is asked itself.
        metrics: Of its tasks', those that it measures; all of them unless given.
        settings: What a benchmark may set, beside the ``metric`` that is its headline here.
        splits: Of the data, that it takes.
        about: How it measures, in one line.
    """

    target: str
    tasks: frozenset[str]
    needs: tuple[str, ...]
    about: str
    settings: frozenset[str] = frozenset()
    splits: tuple[str, ...] = ("test",)
    metrics: frozenset[str] = frozenset()

    def needed(self, task: str) -> tuple[str, ...]:
        """Of which of its own tasks a model must do one, where this is asked."""
        return self.needs or (task,)

    def measured(self, task: str) -> tuple[str, ...]:
        """The metrics of this task that it measures."""
        known = TASKS[task].metrics
        return tuple(each for each in known if each in self.metrics) if self.metrics else known


TASKS = {
    "image-classification": Task(
        frozenset({"picture", "label"}), ("acc1", "acc5", "mean_per_class_recall")
    ),
    "image-text-retrieval": Task(
        frozenset({"picture", "captions"}),
        (
            *(f"image_retrieval_recall@{k}" for k in (1, 5, 10)),
            *(f"text_retrieval_recall@{k}" for k in (1, 5, 10)),
        ),
    ),
    "language-modeling": Task(
        frozenset({"text"}),
        (
            "word_perplexity",
            "byte_perplexity",
            "bits_per_byte",
            "token_perplexity",
            "pseudo_perplexity",
            "pseudo_log_likelihood_per_token",
        ),
        frozenset({"original"}),
    ),
    "multiple-choice": Task(
        frozenset({"choices", "answer"}),
        ("acc", "acc_norm", "acc_bytes"),
        frozenset({"context", "continuation", "group"}),
    ),
    "sentence-similarity": Task(frozenset({"first", "second", "score"}), ("spearman", "pearson")),
    "text-classification": Task(
        frozenset({"text", "label"}),
        ("acc", "macro_f1", "mean_per_class_recall", "acc_norm", "acc_bytes"),
    ),
    "translation": Task(frozenset({"source", "target"}), ("bleu", "chrf")),
    "word-prediction": Task(frozenset({"context", "word"}), ("acc", "perplexity")),
}

_HERE = "zoo.evaluation.protocols"
_OF_CLASSES = frozenset({"acc1", "acc5", "acc", "macro_f1", "mean_per_class_recall"})
_OF_CHOICES = frozenset({"acc", "acc_norm", "acc_bytes"})

PROTOCOLS = {
    "zero-shot": Spec(
        f"{_HERE}.zero_shot:ZeroShot",
        frozenset({"image-classification"}),
        ("zero-shot-image-classification",),
        "which class's sentences are nearest to the picture",
        frozenset({"templates"}),
    ),
    "knn": Spec(
        f"{_HERE}.knn:Neighbours",
        frozenset({"image-classification"}),
        ("image-feature-extraction",),
        "the class that the nearest pictures of the training split vote for",
        frozenset({"k", "temperature"}),
        ("train", "test"),
    ),
    "linear-probe": Spec(
        f"{_HERE}.linear_probe:LinearProbe",
        frozenset({"image-classification"}),
        ("image-feature-extraction",),
        "logistic regression on the frozen vectors of the training split",
        frozenset({"C"}),
        ("train", "test"),
    ),
    "retrieval": Spec(
        f"{_HERE}.retrieval:Retrieval",
        frozenset({"image-text-retrieval"}),
        ("zero-shot-image-classification",),
        "whether a picture's captions are nearest to it, and it to them",
    ),
    "log-likelihood": Spec(
        f"{_HERE}.log_likelihood:LogLikelihood",
        frozenset({"multiple-choice", "text-classification"}),
        ("text-generation", "text2text-generation"),
        "the choice that is most probable after the context",
        frozenset({"context", "words", "delimiter"}),
        metrics=_OF_CHOICES,
    ),
    "pseudo-log-likelihood": Spec(
        f"{_HERE}.pseudo_choice:PseudoChoice",
        frozenset({"multiple-choice"}),
        ("fill-mask",),
        "which choice is the most probable, each of its tokens masked in turn",
        frozenset({"delimiter", "within_word"}),
    ),
    "last-word": Spec(
        f"{_HERE}.last_word:LastWord",
        frozenset({"word-prediction"}),
        ("text-generation", "text2text-generation"),
        "whether each token of the word is the most probable, and the word's perplexity",
    ),
    "rolling": Spec(
        f"{_HERE}.rolling:Rolling",
        frozenset({"language-modeling"}),
        ("text-generation",),
        "the perplexity of whole texts: for each word, byte and token",
        metrics=frozenset(
            {"word_perplexity", "byte_perplexity", "bits_per_byte", "token_perplexity"}
        ),
    ),
    "pseudo-perplexity": Spec(
        f"{_HERE}.pseudo_perplexity:PseudoPerplexity",
        frozenset({"language-modeling"}),
        ("fill-mask",),
        "how probable each token of texts is when it is masked",
        frozenset({"within_word"}),
        metrics=frozenset({"pseudo_perplexity", "pseudo_log_likelihood_per_token"}),
    ),
    "cosine": Spec(
        f"{_HERE}.cosine:Cosine",
        frozenset({"sentence-similarity"}),
        ("feature-extraction",),
        "the cosine of the sentences' vectors",
    ),
    "nli": Spec(
        f"{_HERE}.nli:Inference",
        frozenset({"text-classification"}),
        ("zero-shot-classification",),
        "the class whose sentence the text entails most",
        frozenset({"template"}),
        metrics=_OF_CLASSES,
    ),
    "embedding": Spec(
        f"{_HERE}.embedding:Nearest",
        frozenset({"text-classification"}),
        ("feature-extraction",),
        "the class whose sentences' vector is nearest to the text's",
        frozenset({"templates"}),
        metrics=_OF_CLASSES,
    ),
    "cloze": Spec(
        f"{_HERE}.cloze:Cloze",
        frozenset({"text-classification"}),
        ("fill-mask",),
        "the class whose word is most probable in a gap after the text",
        frozenset({"template", "words"}),
        metrics=_OF_CLASSES,
    ),
    "own-classes": Spec(
        f"{_HERE}.own_classes:own_classes",
        frozenset({"image-classification", "text-classification"}),
        (),
        "the most probable of the checkpoint's own classes",
        frozenset({"labels", "order"}),
        metrics=_OF_CLASSES,
    ),
    "generation": Spec(
        f"{_HERE}.generation:Translation",
        frozenset({"translation"}),
        ("translation", "text-generation"),
        "how near the model's translations come to people's",
        frozenset({"to", "num_beams", "length_penalty", "max_new_tokens", "template", "tokenize"}),
    ),
}
