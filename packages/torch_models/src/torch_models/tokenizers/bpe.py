"""Byte-level byte-pair encoding as in GPT-2 (Sennrich et al. 2016; Radford et al. 2019).

Text is cut into pre-tokens (a word with the space before it, a number, a run of signs, white
space), each becomes its UTF-8 bytes, and within a pre-token the pair of neighbours that was merged
first in training is merged first, until no known pair is left. Every text has an encoding and
decodes to itself.
"""

import heapq
import operator
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

import regex

from torch_models.errors import TokenizerError
from torch_models.tokenizers import bpe_files

# GPT-2's pre-tokens: contractions; letters, digits or signs with at most one space before them;
# white space, whose last character is left for the next pre-token.
PRE_TOKEN = regex.compile(
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
_CACHED_PRE_TOKENS = 1 << 16


class BPETokenizer:
    """Text to ids and back.

    Args:
        vocabulary: Id of each token, a token being its bytes; all 256 single bytes are there.
        merges: Pairs of tokens in the order training merged them.
        special_tokens: Ids of tokens that stand for themselves, such as `<|endoftext|>`.

    Raises:
        TokenizerError: If an id is used twice or is negative, a byte is missing, or a merge
            uses a token that is not in the vocabulary.
    """

    def __init__(
        self,
        vocabulary: Mapping[bytes, int],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Mapping[str, int] | None = None,
    ) -> None:
        self.vocabulary = dict(vocabulary)
        self.merges = list(merges)
        self.special_tokens = dict(special_tokens or {})
        self._check()
        ids = self.vocabulary
        # (left id, right id) -> (rank, id of the merged token)
        self._ranks = {
            (ids[left], ids[right]): (rank, ids[left + right])
            for rank, (left, right) in reversed(list(enumerate(self.merges)))
        }
        self._bytes = {i: token for token, i in ids.items()}
        self._bytes |= {i: token.encode() for token, i in self.special_tokens.items()}
        self._byte_ids = [ids[bytes([byte])] for byte in range(256)]
        self._cache: dict[str, list[int]] = {}
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        self._special = regex.compile("(" + "|".join(map(regex.escape, longest_first)) + ")")

    def __len__(self) -> int:
        """Number of ids a model needs: one more than the largest."""
        return max(self._bytes) + 1

    def encode(self, text: str, special: bool = False) -> list[int]:
        """Ids of a text.

        Args:
            text: Any string; a lone surrogate is encoded as its three bytes.
            special: Whether special tokens written in the text become their ids. Leave it off
                for text from elsewhere, so that nobody can write a control token into it.

        Raises:
            TokenizerError: If text is not a string.
        """
        if not isinstance(text, str):
            raise TokenizerError(f"encode takes a string, got {type(text).__name__}")
        if not special or not self.special_tokens:
            return self._encode_plain(text)
        ids: list[int] = []
        for part in self._special.split(text):
            known = self.special_tokens.get(part)
            ids.extend(self._encode_plain(part) if known is None else [known])
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; bytes that are not UTF-8 become the replacement character.

        Raises:
            TokenizerError: If an id is no integer or not in the vocabulary.
        """
        data = self.decode_bytes(ids)
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Bytes of ids, exact also where a character is cut in two.

        Raises:
            TokenizerError: If an id is no integer or not in the vocabulary.
        """
        try:
            return b"".join([self._bytes[operator.index(i)] for i in ids])
        except TypeError as error:
            raise TokenizerError(f"decode takes integer ids, got {ids!r:.60}: {error}") from None
        except KeyError as error:
            raise TokenizerError(f"id {error} is not among the {len(self._bytes)} known") from None

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json, vocab.json and merges.txt, each atomically, into a folder."""
        bpe_files.save(Path(folder), self.vocabulary, self.merges, self.special_tokens)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read tokenizer.json, or vocab.json with merges.txt.

        Args:
            path: A folder, which may hold either, or a tokenizer.json itself.

        Raises:
            TokenizerError: If files are missing, broken, or of a kind other than byte-level BPE.
        """
        return cls(*bpe_files.load(Path(path)))

    def _encode_plain(self, text: str) -> list[int]:
        ids: list[int] = []
        cache = self._cache
        for pre_token in PRE_TOKEN.findall(text):
            merged = cache.get(pre_token)
            if merged is None:
                merged = self._merge(pre_token.encode("utf-8", "surrogatepass"))
                if len(cache) < _CACHED_PRE_TOKENS:
                    cache[pre_token] = merged
            ids.extend(merged)
        return ids

    def _merge(self, data: bytes) -> list[int]:
        """Merge the bytes of one pre-token, lowest rank first, in O(n log n)."""
        ids = [self._byte_ids[byte] for byte in data]
        ranks, end = self._ranks, len(ids)
        after = list(range(1, end + 1))  # linked list over the ids that are left
        before = list(range(-1, end - 1))
        heap = [
            (ranks[pair][0], place, pair)
            for place, pair in enumerate(pairwise(ids))
            if pair in ranks
        ]
        heapq.heapify(heap)
        while heap:
            _, left, pair = heapq.heappop(heap)
            right = after[left]
            if right >= end or (ids[left], ids[right]) != pair:
                continue  # one of the two was merged meanwhile
            ids[left], ids[right] = ranks[pair][1], -1
            after[left] = after[right]
            if after[left] < end:
                before[after[left]] = left
            for place in (before[left], left):
                if place >= 0 and after[place] < end:
                    pair = (ids[place], ids[after[place]])
                    if pair in ranks:
                        heapq.heappush(heap, (ranks[pair][0], place, pair))
        return [i for i in ids if i >= 0]

    def _check(self) -> None:
        ids = [*self.vocabulary.values(), *self.special_tokens.values()]
        plain = {token.encode(): i for token, i in self.special_tokens.items()}
        shared = [token for token, i in plain.items() if self.vocabulary.get(token) == i]
        if len(set(ids)) != len(ids) - len(shared) or min(ids, default=0) < 0:
            raise TokenizerError("token ids must be different and not negative")
        missing = [byte for byte in range(256) if bytes([byte]) not in self.vocabulary]
        if missing:
            raise TokenizerError(f"the vocabulary lacks the bytes {missing[:8]} of 0..255")
        for left, right in self.merges:
            for token in (left, right, left + right):
                if token not in self.vocabulary:
                    raise TokenizerError(
                        f"merge {left!r} + {right!r} needs {token!r}, not in the vocabulary"
                    )
