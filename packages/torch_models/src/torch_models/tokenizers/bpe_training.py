"""Learning the merges of a byte-level BPE from text.

The pair of neighbouring tokens that is most frequent over all pre-tokens is merged, again and
again (Sennrich et al. 2016, algorithm 1). Among equally frequent pairs the one with the smaller
ids wins, left id first; single bytes have their ids in the order of the characters that stand for
them in the files. That is the rule of Hugging Face's `tokenizers`, and the merges are the same.

Only what a merge touches is counted again: each different pre-token is kept once with its
frequency, an index says which of them hold a pair, and a heap gives the best pair, its outdated
entries corrected when they come to the top.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tqdm import tqdm

from torch_models.errors import ConfigError, DataError
from torch_models.tokenizers.bpe import PRE_TOKEN, BPETokenizer
from torch_models.tokenizers.bpe_files import BYTE_ORDER

_Pair = tuple[int, int]


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    progress: bool = False,
) -> BPETokenizer:
    """Train a tokenizer.

    Args:
        texts: Documents; no pre-token reaches over the end of one.
        vocab_size: Ids in all: special tokens (the first ids), 256 bytes, one a merge. Fewer if
            the text has no pair left to merge.
        special_tokens: Tokens that stand for themselves and are not learned from.
        progress: Whether to draw a progress bar.

    Raises:
        ConfigError: If vocab_size has no room for the bytes and special tokens, or a special
            token is empty or given twice.
        DataError: If `texts` is one string, holds something else than strings, or no text.
    """
    least = 256 + len(special_tokens)
    if vocab_size < least:
        raise ConfigError(f"vocab_size must be at least {least}, got {vocab_size}")
    if len(set(special_tokens)) != len(special_tokens) or "" in special_tokens:
        raise ConfigError(f"special tokens must be different and not empty, got {special_tokens}")
    special = {token: index for index, token in enumerate(special_tokens)}
    tokens = [token.encode() for token in special_tokens]
    tokens += [bytes([byte]) for byte in BYTE_ORDER]
    vocabulary = {token: len(special) + i for i, token in enumerate(tokens[len(special) :])}
    words = _Words(_count(texts), vocabulary)
    merges: list[tuple[bytes, bytes]] = []
    with tqdm(total=vocab_size - least, desc="merges", disable=not progress) as bar:
        while len(tokens) < vocab_size and (pair := words.best()) is not None:
            left, right = tokens[pair[0]], tokens[pair[1]]
            merges.append((left, right))
            # Two different pairs can give the same bytes; they share the id.
            merged = vocabulary.setdefault(left + right, len(tokens))
            if merged == len(tokens):
                tokens.append(left + right)
                bar.update()
            words.merge(pair, merged)
    return BPETokenizer(vocabulary, merges, special)


def _count(texts: Iterable[str]) -> Counter[bytes]:
    if isinstance(texts, str):
        raise DataError("train_bpe takes an iterable of documents, got one string; give [text]")
    counts: Counter[str] = Counter()
    for text in texts:
        if not isinstance(text, str):
            raise DataError(f"documents must be strings, got {type(text).__name__}")
        counts.update(PRE_TOKEN.findall(text))
    if not counts:
        raise DataError("train_bpe learns from text, got none; an iterator may be used up")
    return Counter({word.encode("utf-8", "surrogatepass"): n for word, n in counts.items()})


class _Words:
    """The different pre-tokens, cut into tokens, with incremental pair counts."""

    def __init__(self, counts: Counter[bytes], vocabulary: dict[bytes, int]) -> None:
        self._frequencies = list(counts.values())
        self._words = [[vocabulary[bytes([byte])] for byte in word] for word in counts]
        self._counts: defaultdict[_Pair, int] = defaultdict(int)
        self._holders: defaultdict[_Pair, set[int]] = defaultdict(set)
        for index, word in enumerate(self._words):
            for pair in pairwise(word):
                self._counts[pair] += self._frequencies[index]
                self._holders[pair].add(index)
        self._heap = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._heap)

    def best(self) -> _Pair | None:
        """The most frequent pair, or None if no pair is left."""
        while self._heap:
            negative, pair = self._heap[0]
            count = self._counts[pair]
            if count == -negative:
                return pair if count > 0 else None
            heapq.heapreplace(self._heap, (-count, pair))
        return None

    def merge(self, pair: _Pair, merged: int) -> None:
        """Replace a pair by one token wherever it stands."""
        changed: set[_Pair] = set()
        for index in self._holders.pop(pair):
            word, frequency = self._words[index], self._frequencies[index]
            for old in pairwise(word):
                self._counts[old] -= frequency
            word = self._words[index] = _replaced(word, pair, merged)
            for new in pairwise(word):
                self._counts[new] += frequency
                if merged in new:
                    self._holders[new].add(index)
                    changed.add(new)
        for new in changed:  # only counts of pairs with the new token can have grown
            heapq.heappush(self._heap, (-self._counts[new], new))


def _replaced(word: list[int], pair: _Pair, merged: int) -> list[int]:
    result: list[int] = []
    place = 0
    while place < len(word):
        if tuple(word[place : place + 2]) == pair:
            result.append(merged)
            place += 2
        else:
            result.append(word[place])
            place += 1
    return result
