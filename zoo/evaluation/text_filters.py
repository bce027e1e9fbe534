"""What benchmarks of texts do to their rows, as filters that their templates may use.

Corpora carry marks of how they were made; a model is to see texts as people write them. The steps
are those of lm-evaluation-harness, so that numbers can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable


def wikihow(text: str) -> str:
    """HellaSwag's texts without the marks of the WikiHow pages they were taken from.

    lm_eval/tasks/hellaswag/utils.py
    """
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


_WIKITEXT = (
    (r"s '", r"s'"),
    (r" @-@ ", "-"),
    (r" @,@ ", ","),
    (r" @\.@ ", "."),
    (r" : ", ": "),
    (r" ; ", "; "),
    (r" \. ", ". "),
    (r" ! ", "! "),
    (r" \? ", "? "),
    (r" , ", ", "),
    (r"\(\s*([^\)]*?)\s*\)", r"(\1)"),
    (r"\[\s*([^\]]*?)\s*\]", r"[\1]"),
    (r"{\s*([^}]*?)\s*}", r"{\1}"),
    (r"\"\s*([^\"]*?)\s*\"", r'"\1"'),
    (r"'\s*([^']*?)\s*'", r"'\1'"),
    (r"= = = =", "===="),
    (r"= = =", "==="),
    (r"= =", "=="),
    (r" ° ", "°"),
    (r" \n", "\n"),
    (r"\n ", "\n"),
    (r" N ", " 1 "),
    (r" 's", "'s"),
)


def wikitext(page: str) -> str:
    """A page of WikiText as it was written, as far as rules can say.

    lm_eval/tasks/wikitext/preprocess_wikitext.py, but for one rule that never applies.
    """
    for pattern, replacement in _WIKITEXT:
        page = re.sub(pattern, replacement, page)
    return page


FILTERS: dict[str, Callable[[str], str]] = {"wikihow": wikihow, "wikitext": wikitext}
"""By the name that a template uses: ``{{ page | wikitext }}``."""
