"""What published protocols do to texts before a model sees them, as filters for templates."""

from __future__ import annotations

import re
from collections.abc import Callable


def wikihow(text: str) -> str:
    """Take the marks out of HellaSwag's WikiHow articles: ``{{ ctx | wikihow }}``.

    lm-evaluation-harness, lm_eval/tasks/hellaswag/utils.py, ``preprocess``.
    """
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def wikitext(text: str) -> str:
    """Put WikiText's tokens together as prose has them: ``{{ page | wikitext }}``.

    lm-evaluation-harness, lm_eval/tasks/wikitext/preprocess_wikitext.py, ``wikitext_detokenizer``,
    and GPT-2's before it; what looks odd in it changes perplexities, so it stays.
    """
    for old, new in (("s '", "s'"), (" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", ".")):
        text = text.replace(old, new)
        if old == "s '":
            text = re.sub(r"/' [0-9]/", r"/'[0-9]/", text)
    for mark in ":;.!?,":
        text = text.replace(f" {mark} ", f"{mark} ")
    for opening, closing in ((r"\(", r"\)"), (r"\[", r"\]"), ("{", "}"), ('"', '"'), ("'", "'")):
        inner = f"[^{closing}]*?"
        bare = (opening.strip("\\"), closing.strip("\\"))
        text = re.sub(rf"{opening}\s*({inner})\s*{closing}", rf"{bare[0]}\1{bare[1]}", text)
    for old, new in (
        ("= = = =", "===="),
        ("= = =", "==="),
        ("= =", "=="),
        (" \N{DEGREE SIGN} ", "\N{DEGREE SIGN}"),
        (" \n", "\n"),
        ("\n ", "\n"),
        (" N ", " 1 "),
        (" 's", "'s"),
    ):
        text = text.replace(old, new)
    return text


FILTERS: dict[str, Callable[[str], str]] = {"wikihow": wikihow, "wikitext": wikitext}
