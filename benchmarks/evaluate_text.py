"""Questions a second of HellaSwag's kind, against lm-evaluation-harness's HFLM.

Both score the same questions with the same checkpoint in float32: a random one of GPT-2's shape,
with GPT-2's own tokenizer. Tokenizing is in both times, loading in neither. The floor is what the
two ways of reading cost in arithmetic alone: a token through the network 2 * 85 M operations, its
logits 2 * 39 M.
``python -m benchmarks.evaluate_text hellaswag_val1000.jsonl folder-with-gpt2-vocab``
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from itertools import islice
from pathlib import Path

from benchmarks.harness import interleaved, machine, table


def checkpoint(vocabulary: Path, folder: Path) -> Path:
    """A random GPT-2, saved by transformers, with the tokenizer of these two files."""
    import torch
    import transformers
    from tokenizers import ByteLevelBPETokenizer

    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(transformers.GPT2Config()).save_pretrained(folder)
    tokenizer = ByteLevelBPETokenizer(
        str(vocabulary / "gpt2-encoder.json"), str(vocabulary / "gpt2-vocab.bpe")
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        '{"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", '
        '"tokenizer_class": "PreTrainedTokenizerFast"}'
    )
    return folder


def main(data: str, vocabulary: str, count: int = 32, rounds: int = 3) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    import transformers
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    import zoo
    from zoo.evaluation.instruments.likelihood import ContinuationLikelihoods
    from zoo.evaluation.protocol import Failure
    from zoo.nn import TokenTree

    with Path(data).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, count)]
    contents = [[(row["query"], f" {each}") for each in row["choices"]] for row in rows]
    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=0)
        for pairs in contents
        for pair in pairs
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint(Path(vocabulary), Path(folder))
        model = zoo.load(str(path), device="cpu", dtype="float32")
        ours = ContinuationLikelihoods(model)
        network = transformers.AutoModelForCausalLM.from_pretrained(path)
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        peer = HFLM(pretrained=network, tokenizer=tokenizer, batch_size=16, device="cpu")
    timings = interleaved(
        {
            "lm_eval, batches of 16": lambda: peer.loglikelihood(requests, disable_tqdm=True),
            "zoo": lambda: ours.ask(contents),
        },
        rounds,
    )

    flat = [
        total
        for answer in ours.ask(contents)
        if not isinstance(answer, Failure)
        for total, *_ in answer
    ]
    theirs = [total for total, _ in peer.loglikelihood(requests, disable_tqdm=True)]
    difference = max(abs(a - b) for a, b in zip(flat, theirs, strict=True))

    encode = model.preprocessor.encode
    texts = [[encode(context + each)[:-1] for context, each in pairs] for pairs in contents]
    whole = sum(len(text) for each in texts for text in each)
    read = sum(len(TokenTree(each)) for each in texts)
    scored = sum(
        len(encode(context + each)) - len(encode(context))
        for pairs in contents
        for context, each in pairs
    )
    floor = whole * (85 + 39) / (read * 85 + scored * 39)

    print(machine())
    print(
        table(
            ("way", "questions /s", "zoo is faster by"),
            [
                (name, f"{count / each.median:.2f}", f"{timings['zoo'].times_faster(each):.2f}")
                for name, each in timings.items()
            ],
        )
    )
    print(f"greatest difference of a log-likelihood: {difference:.0e}")
    print(
        f"tokens through the network: {read} instead of {whole}, logits of at most {scored}; "
        f"the ratio of their operations is {floor:.2f}"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
