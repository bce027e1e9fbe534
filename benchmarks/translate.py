"""Sentences a second of translation, against transformers' ``generate`` and CTranslate2.

OPUS-MT's size with random weights (6 + 6 layers of width 512, 58,101 tokens), sentences of 15 to 50
random tokens, 32 new tokens each, in float32: greedily and with four beams, one sentence at a time
and 16 and 64 at once. Each program has a process of its own; the tokens are compared.
``python -m benchmarks.translate``
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sentencepiece
import torch

from benchmarks.checkpoints import words
from benchmarks.harness import interleaved, machine, program, table

VOCABULARY = 58_101
PADDING = VOCABULARY - 1  # also what each translation begins with
END = 0

Rows = list[list[int]]
Translate = Callable[[Rows], Rows]


def marian(folder: Path) -> Path:
    """Save a network of OPUS-MT's size, and what its tokenizer needs; return the folder."""
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(0)
    stack: dict[str, Any] = {"layers": 6, "attention_heads": 8, "ffn_dim": 2048}
    config = MarianConfig(
        vocab_size=VOCABULARY,
        d_model=512,
        max_position_embeddings=512,
        activation_function="swish",
        scale_embedding=True,
        pad_token_id=PADDING,
        decoder_start_token_id=PADDING,
        eos_token_id=END,
        forced_eos_token_id=None,
        **{f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in stack.items()},
    )
    MarianMTModel(config).save_pretrained(folder)
    # No text is split here, but the peers want to read the files.
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words(1000)), model_writer=model, vocab_size=50, minloglevel=2
    )
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(model.getvalue())
    tokens = ["</s>", "<unk>", *map(str, range(2, PADDING)), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({t: n for n, t in enumerate(tokens)}))
    (folder / "tokenizer_config.json").write_text('{"source_lang": "a", "target_lang": "b"}')
    return folder


def converted(folder: Path) -> Path:
    """Write CTranslate2's form of the checkpoint beside it; return its folder."""
    from ctranslate2.converters import TransformersConverter

    with warnings.catch_warnings(action="ignore"):  # of transformers: a package we do not need
        converter = TransformersConverter(str(folder))
        return Path(converter.convert(str(folder / "ctranslate2")))


def sentences(count: int) -> Rows:
    """As many of 15 to 50 random tokens, always the same."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(15, 50, (count,), generator=generator).tolist()
    return [
        [*torch.randint(2, PADDING, (length,), generator=generator).tolist(), END]
        for length in lengths
    ]


def zoo(folder: Path, batch: int, beams: int, new: int) -> Translate:
    """Load zoo's network; how it translates some sentences at once."""
    import zoo
    from zoo.generation import Settings, generate
    from zoo.nn import pack_linears

    network: Any = zoo.load(str(folder), device="cpu", dtype="float32").network
    pack_linears(network)  # as `Model.translate` does
    settings = Settings(max_new_tokens=new, num_beams=beams, bad_words=((PADDING,), (END,)))

    def translate(rows: Rows) -> Rows:
        found = generate(network, rows, settings, slots=batch * beams)
        return [best.tokens for best, *_ in found]

    return translate


def transformers(folder: Path, batch: int, beams: int, new: int) -> Translate:
    """The same of transformers."""
    from transformers import MarianMTModel

    model = MarianMTModel.from_pretrained(folder).eval()

    def translate(rows: Rows) -> Rows:
        T = max(map(len, rows))
        whole = model.generate(
            torch.tensor([[*each, *[PADDING] * (T - len(each))] for each in rows]),
            attention_mask=torch.tensor([[1] * len(x) + [0] * (T - len(x)) for x in rows]),
            max_new_tokens=new,
            max_length=None,
            num_beams=beams,
            do_sample=False,
            eos_token_id=None,
            bad_words_ids=[[PADDING], [END]],
        )
        found: Rows = whole[:, 1:].tolist()
        return found

    return translate


def ctranslate2(folder: Path, batch: int, beams: int, new: int) -> Translate:
    """The same of CTranslate2."""
    from ctranslate2 import Translator

    translator = Translator(str(folder / "ctranslate2"), intra_threads=torch.get_num_threads())

    def translate(rows: Rows) -> Rows:
        results = translator.translate_batch(
            [["</s>" if t == END else str(t) for t in each] for each in rows],
            max_batch_size=batch,
            beam_size=beams,
            max_decoding_length=new,
            min_decoding_length=new,
        )
        return [[int(token) for token in each.hypotheses[0]] for each in results]

    return translate


_PROGRAM = """
from pathlib import Path
from benchmarks import translate
folder, (batch, beams, new) = Path(sys.argv[1]), map(int, sys.argv[3:])
rows = translate.sentences(max(batch, 4))
some = getattr(translate, sys.argv[2])(folder, batch, beams, new)
def run(): return [best for n in range(0, len(rows), batch) for best in some(rows[n : n + batch])]
"""


def main(new: int, rounds: int) -> None:
    """Print the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = marian(Path(name))
        converted(folder)
        for beams in (1, 4):
            for batch in (1, 16, 64):
                sizes = (str(batch), str(beams), str(new))
                with ExitStack() as stack:
                    contenders = {
                        each: stack.enter_context(program(_PROGRAM, str(folder), each, *sizes))
                        for each in ("transformers", "ctranslate2", "zoo")
                    }
                    timings = interleaved(contenders, rounds)
                    found = {name: run() for name, run in contenders.items()}
                *peers, ours = timings
                count = len(found[ours])
                rows.append(
                    (
                        str(beams),
                        str(batch),
                        *(f"{count / timings[each].median:.2f}" for each in timings),
                        *(f"{timings[ours].times_faster(timings[peer]):.2f}" for peer in peers),
                        *(
                            f"{sum(map(list.__eq__, found[ours], found[peer]))} of {count}"
                            for peer in peers
                        ),
                    )
                )
    print(machine(), "ctranslate2", version("ctranslate2"))
    header: tuple[str, ...] = ("beams", "batch", "transformers /s", "CTranslate2 /s", "zoo /s")
    header += ("x transformers", "x CTranslate2", "rows as transformers", "as CTranslate2")
    print(table(header, rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Translation against the peers.")
    parser.add_argument("--new", type=int, default=32, help="tokens generated for each sentence")
    parser.add_argument("--rounds", type=int, default=5)
    main(**vars(parser.parse_args()))
