"""Sentences a second of translation, against transformers' ``generate`` and CTranslate2.

OPUS-MT's size with random weights (6 + 6 layers of width 512, 58,101 tokens), sentences of 15 to 50
random tokens, 32 new tokens each, in float32: greedily and with four beams, one sentence at a time
and 16 and 64 at once. The tokens are compared. ``python -m benchmarks.translate``
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import ctranslate2
import sentencepiece
import torch
import transformers

import zoo
from benchmarks.checkpoints import words
from benchmarks.harness import interleaved, machine, table
from zoo.generation import Settings, generate
from zoo.nn import pack_linears

VOCABULARY = 58_101
PADDING = VOCABULARY - 1  # also what each translation begins with
END = 0

Rows = list[list[int]]


def marian(folder: Path) -> Path:
    """Save a network of OPUS-MT's size, and what its tokenizer needs; return the folder."""
    torch.manual_seed(0)
    stack: dict[str, Any] = {"layers": 6, "attention_heads": 8, "ffn_dim": 2048}
    config = transformers.MarianConfig(
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
    transformers.MarianMTModel(config).save_pretrained(folder)
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
    with warnings.catch_warnings(action="ignore"):  # of transformers: a package we do not need
        converter = ctranslate2.converters.TransformersConverter(str(folder))
        return Path(converter.convert(str(folder / "ctranslate2")))


class Contest:
    """All programs on the same network, sentences and number of new tokens."""

    def __init__(self, folder: Path, batch: int, beams: int, new: int) -> None:
        self.ours: Any = zoo.load(str(folder), device="cpu", dtype="float32").network
        pack_linears(self.ours)  # as `Model.translate` does
        self.peer = transformers.MarianMTModel.from_pretrained(folder).eval()
        self.translator = ctranslate2.Translator(
            str(folder / "ctranslate2"), intra_threads=torch.get_num_threads()
        )
        generator = torch.Generator().manual_seed(0)
        lengths = torch.randint(15, 50, (max(batch, 4),), generator=generator).tolist()
        self.sentences = [
            [*torch.randint(2, PADDING, (length,), generator=generator).tolist(), END]
            for length in lengths
        ]
        self.batch, self.beams, self.new = batch, beams, new

    def zoo(self) -> Rows:
        """New tokens of each sentence."""
        settings = Settings(
            max_new_tokens=self.new, num_beams=self.beams, bad_words=((PADDING,), (END,))
        )
        slots = self.batch * self.beams
        found = (generate(self.ours, batch, settings, slots=slots) for batch in self._batches())
        return [row[0].tokens for batch in found for row in batch]

    def transformers(self) -> Rows:
        """New tokens of each sentence."""
        rows = []
        for batch in self._batches():
            T = max(map(len, batch))
            whole = self.peer.generate(
                torch.tensor([[*each, *[PADDING] * (T - len(each))] for each in batch]),
                attention_mask=torch.tensor([[1] * len(x) + [0] * (T - len(x)) for x in batch]),
                max_new_tokens=self.new,
                max_length=None,
                num_beams=self.beams,
                do_sample=False,
                eos_token_id=None,
                bad_words_ids=[[PADDING], [END]],
            )
            rows += whole[:, 1:].tolist()
        return rows

    def ctranslate2(self) -> Rows:
        """New tokens of each sentence."""
        results = self.translator.translate_batch(
            [["</s>" if t == END else str(t) for t in each] for each in self.sentences],
            max_batch_size=self.batch,
            beam_size=self.beams,
            max_decoding_length=self.new,
            min_decoding_length=self.new,
        )
        return [[int(token) for token in each.hypotheses[0]] for each in results]

    def _batches(self) -> list[Rows]:
        rows = self.sentences
        return [rows[n : n + self.batch] for n in range(0, len(rows), self.batch)]


def main(new: int, rounds: int) -> None:
    """Print the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = marian(Path(name))
        converted(folder)
        for beams in (1, 4):
            for batch in (1, 16, 64):
                contest = Contest(folder, batch, beams, new)
                peers = {
                    "transformers": contest.transformers,
                    "CTranslate2": contest.ctranslate2,
                }
                timings = interleaved({**peers, "zoo": contest.zoo}, rounds)
                found = {name: run() for name, run in peers.items()}
                own, ours = contest.zoo(), timings["zoo"]
                count = len(own)
                rows.append(
                    (
                        str(beams),
                        str(batch),
                        *(f"{count / timings[peer].median:.2f}" for peer in peers),
                        f"{count / ours.median:.2f}",
                        *(f"{ours.times_faster(timings[peer]):.2f}" for peer in peers),
                        *(
                            f"{sum(a == b for a, b in zip(own, found[peer], strict=True))}"
                            f" of {count}"
                            for peer in peers
                        ),
                    )
                )
    print(machine(), "ctranslate2", ctranslate2.__version__)
    header: tuple[str, ...] = ("beams", "batch", "transformers /s", "CTranslate2 /s", "zoo /s")
    header += ("x transformers", "x CTranslate2", "rows as transformers", "as CTranslate2")
    print(table(header, rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Translation against the peers.")
    parser.add_argument("--new", type=int, default=32, help="tokens generated for each sentence")
    parser.add_argument("--rounds", type=int, default=5)
    main(**vars(parser.parse_args()))
