from collections import Counter, defaultdict

import numpy as np
import pytest
from torch_models.baselines import KneserNey
from torch_models.errors import ConfigError, DataError

START = 256


class _ByDefinition:
    """Chen and Goodman's equations, one n-gram at a time, with dictionaries."""

    def __init__(self, documents: list[bytes], order: int) -> None:
        self.order = order
        padded = [(START,) * (order - 1) + tuple(document) for document in documents]
        counts: dict[int, Counter] = {order: Counter()}
        for document in padded:
            for end in range(order, len(document) + 1):
                counts[order][document[end - order : end]] += 1
        for n in range(order - 1, 0, -1):
            preceding = defaultdict(set)
            for gram in counts[n + 1]:
                preceding[gram[1:]].add(gram[0])
            counts[n] = Counter({gram: len(before) for gram, before in preceding.items()})
        self.counts = counts
        self.discounts = {n: self._discounts(c) for n, c in counts.items()}

    @staticmethod
    def _discounts(counts: Counter) -> list[float]:
        n = Counter(counts.values())
        y = n[1] / (n[1] + 2 * n[2])
        return [0.0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))]

    def probability(self, byte: int, history: tuple[int, ...], n: int | None = None) -> float:
        n = self.order if n is None else n
        if n == 0:
            return 1 / 256
        history = history[len(history) - n + 1 :]
        lower = self.probability(byte, history[1:], n - 1)
        following = {g[-1]: c for g, c in self.counts[n].items() if g[:-1] == history}
        if not following:
            return lower
        discounts, total = self.discounts[n], sum(following.values())
        count = following.get(byte, 0)
        gamma = sum(discounts[min(c, 3)] for c in following.values()) / total
        return (count - discounts[min(count, 3)]) / total + gamma * lower


@pytest.fixture(scope="module")
def documents(real_texts) -> list[str]:
    return [real_texts[0][:1500], real_texts[1][:1500] + "é☃"]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_are_the_definition(documents, real_texts, order) -> None:
    encoded = [document.encode() for document in documents]
    model, defined = KneserNey(documents, order), _ByDefinition(encoded, order)
    assert all(0 < d[k] < k for d in defined.discounts.values() for k in (1, 2, 3))
    for text in (real_texts[2][300:420].encode(), encoded[0][:60], b"\x00\xffzzqq  \xc3\xa9"):
        padded = (START,) * (order - 1) + tuple(text)
        expected = [
            defined.probability(padded[i], padded[:i]) for i in range(order - 1, len(padded))
        ]
        np.testing.assert_allclose(model.probabilities(text), expected, rtol=1e-12)


@pytest.mark.parametrize("order", range(1, 8))
def test_every_distribution_sums_to_one(documents, order) -> None:
    model = KneserNey(documents, order)
    for history in (b"", b"d", b"def ", b"import sys", b"\xff\x00\xfe", b"self.zzz", "☃".encode()):
        distribution = model.distribution(history)
        assert distribution.shape == (256,)
        assert (distribution > 0).all()
        assert distribution.sum() == pytest.approx(1, abs=1e-12)


def test_distribution_and_probabilities_agree(documents) -> None:
    model, text = KneserNey(documents), b"raise ValueError"
    expected = [model.distribution(text[:i])[text[i]] for i in range(len(text))]
    np.testing.assert_array_equal(model.probabilities(text), expected)


def test_bits_per_byte(documents) -> None:
    model, texts = KneserNey(documents), ["raise é", b"import"]
    logs = np.concatenate([np.log2(model.probabilities(text)) for text in texts])
    assert len(logs) == 8 + 6
    assert model.bits_per_byte(texts) == pytest.approx(-logs.mean())
    uniform = KneserNey([bytes(range(256))], order=1)
    assert uniform.bits_per_byte([b"abc"]) == pytest.approx(8)


@pytest.mark.parametrize("text", ["a", "aaaa", "abab", "\x00"])
def test_tiny_texts_give_proper_distributions(text) -> None:
    distribution = KneserNey([text]).distribution(b"a")
    assert (distribution > 0).all()
    assert distribution.sum() == pytest.approx(1, abs=1e-12)


def test_wrong_input() -> None:
    for order in (0, 8):
        with pytest.raises(ConfigError, match=f"order must be 1 to 7 .*, got {order}"):
            KneserNey(["text"], order)
    for documents in ([], [""], ["", b""]):
        with pytest.raises(DataError, match="at least one byte"):
            KneserNey(documents)
    with pytest.raises(DataError, match="at least one byte"):
        KneserNey(["text"]).bits_per_byte([""])
