"""Interpolated modified Kneser-Ney n-gram model over UTF-8 bytes.

For text in ASCII bytes are characters, and counting per byte makes the figure comparable with a
model over any other tokens. The model is the one of Chen and Goodman, "An empirical study of
smoothing techniques for language modeling" (1999), section 3: three discounts for each order,
estimated from the counts of counts, continuation counts below the highest order, and a uniform
distribution over the 256 bytes at the bottom.

For a history h of n - 1 bytes, with c the counts (highest order) or the number of different
bytes seen before the n-gram (lower orders):

    p_n(w | h) = (c(hw) - D(c(hw))) / sum_v c(hv)  +  gamma(h) p_{n-1}(w | h without first byte)

and gamma(h) is the mass the discounts took. A history never seen passes p_{n-1} on unchanged.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from torch_models.errors import ConfigError, DataError

_START = 256  # stands before every document; conditioned on, never predicted
_BITS = 9  # 257 symbols
_Keys = npt.NDArray[np.uint64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Order:
    """The tables of one order: n-grams and histories as sorted integer keys."""

    grams: _Keys
    discounted: _Floats  # c(hw) - D(c(hw)), beside `grams`
    histories: _Keys
    totals: _Floats  # sum_v c(hv), beside `histories`
    gammas: _Floats  # mass left for the lower order, beside `histories`


class KneserNey:
    """A byte n-gram model.

    Args:
        documents: Texts to count; each starts from an empty history.
        order: Longest n-gram, 1 to 7.

    Raises:
        ConfigError: If the order is outside 1 to 7.
        DataError: If the documents hold no byte.
    """

    def __init__(self, documents: Iterable[str | bytes], order: int = 5) -> None:
        if not 1 <= order <= 7:
            raise ConfigError(f"order must be 1 to 7 (7 symbols fit in a key), got {order}")
        self.order = order
        padded = [_padded(document, order) for document in documents]
        if not any(len(document) > order - 1 for document in padded):
            raise DataError("a Kneser-Ney model needs at least one byte of text, got none")
        keys = np.concatenate([_windows(document, order) for document in padded])
        grams, counts = np.unique(keys, return_counts=True)
        tables = [_table(grams, counts)]
        for n in range(order - 1, 0, -1):
            # Each different (n+1)-gram is one different byte before its last n symbols.
            grams, counts = np.unique(_last(grams, n), return_counts=True)
            tables.append(_table(grams, counts))
        self._orders = tables[::-1]

    def probabilities(self, document: str | bytes) -> _Floats:
        """Probability of each byte of a document given the bytes before it, shape (bytes,)."""
        return self._look_up(_windows(_padded(document, self.order), self.order))

    def distribution(self, history: bytes) -> _Floats:
        """Probabilities of all 256 next bytes after a document's beginning, shape (256,)."""
        last = _windows(_padded(history + b"\0", self.order), self.order)[-1]
        return self._look_up(last + np.arange(256, dtype=np.uint64))

    def bits_per_byte(self, documents: Iterable[str | bytes]) -> float:
        """Mean of -log2 p(byte | bytes before it in its document) over all bytes.

        Raises:
            DataError: If the documents hold no byte.
        """
        logs = [np.log2(self.probabilities(document)) for document in documents]
        count = sum(map(len, logs))
        if not count:
            raise DataError("bits per byte need at least one byte of text, got none")
        return -float(sum(part.sum() for part in logs)) / count

    def _look_up(self, keys: _Keys) -> _Floats:
        probability: _Floats = np.full(len(keys), 1 / 256)
        for n, table in enumerate(self._orders, start=1):
            gram = _last(keys, n)
            gamma = _values(table.histories, table.gammas, gram >> np.uint64(_BITS), missing=1.0)
            total = _values(table.histories, table.totals, gram >> np.uint64(_BITS), missing=1.0)
            own = _values(table.grams, table.discounted, gram, missing=0.0) / total
            probability = own + gamma * probability
        return probability


def _padded(document: str | bytes, order: int) -> _Keys:
    data = document.encode() if isinstance(document, str) else document
    body = np.frombuffer(data, dtype=np.uint8).astype(np.uint64)
    return np.concatenate([np.full(order - 1, _START, dtype=np.uint64), body])


def _windows(symbols: _Keys, order: int) -> _Keys:
    """One key for each n-gram that ends in a byte of the document, the last symbol lowest."""
    count = max(len(symbols) - order + 1, 0)
    keys = np.zeros(count, dtype=np.uint64)
    for offset in range(order):
        keys = (keys << np.uint64(_BITS)) | symbols[offset : offset + count]
    return keys


def _last(keys: _Keys, n: int) -> _Keys:
    return keys & np.uint64((1 << (_BITS * n)) - 1)


def _table(grams: _Keys, counts: npt.NDArray[np.int64]) -> _Order:
    discounts = _discounts(counts)
    histories, first = np.unique(grams >> np.uint64(_BITS), return_index=True)
    taken = discounts[np.minimum(counts, 3)]
    totals = np.add.reduceat(counts.astype(np.float64), first)
    gammas = np.add.reduceat(taken, first) / totals
    return _Order(grams, counts - taken, histories, totals, gammas)


def _discounts(counts: npt.NDArray[np.int64]) -> _Floats:
    """D(0), D(1), D(2), D(3 and more) from the counts of counts n1 to n4 (equation 17 there)."""
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == k)) for k in (1, 2, 3, 4))
    if not (n1 and n2 and n3):  # too little text to estimate them: any value in (0, k) is proper
        return np.array([0.0, 0.5, 1.0, 1.5])
    y = n1 / (n1 + 2 * n2)
    estimated = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    # On little text an estimate can leave (0, k); beyond it a probability would be negative.
    return np.array([0.0, *(float(np.clip(d, 0.01, k)) for k, d in enumerate(estimated, 1))])


def _values(table: _Keys, values: _Floats, keys: _Keys, missing: float) -> _Floats:
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return np.where(table[place] == keys, values[place], missing)
