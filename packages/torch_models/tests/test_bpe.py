import json
import random
import sys
import unicodedata
from itertools import pairwise

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch_models.errors import ConfigError, DataError, TokenizerError
from torch_models.tokenizers import BPETokenizer, train_bpe
from torch_models.tokenizers.bpe_files import BYTE_ORDER

END = "<|endoftext|>"
AWKWARD = [
    "",
    " ",
    "   leading and trailing   ",
    "tabs\t\tand\r\nnewlines\n\n\n  \n",
    "don't they'll we've I'm DON'T 'tis",
    "numbers 1234567890 ½ ² ٣ 四",
    "naïve café Ærøskøbing Straße ΑΒΓ кириллица עברית عربى हिन्दी 日本語 한국어",
    "e\u0301 combining, \u200d joiner, \ufeff mark, \u202e override",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇺🇳 👍🏽 ☃",
    "".join(map(chr, range(0x00, 0xA1))),
    "\U0010ffff\U000e0001\ufffd\uffff\ue000",
    "x" * 3000,
    "ab" * 2000 + " " * 500,
    f"an {END} inside",
    "#version: 0.2",
]


def _hugging_face(texts: list[str], size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def trained(real_texts) -> BPETokenizer:
    return train_bpe(real_texts, 1500, [END])


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    trained.save(folder)
    return folder


def _random_text(generator: random.Random) -> str:
    points = (generator.randrange(sys.maxunicode + 1) for _ in range(generator.randrange(60)))
    characters = [chr(point) for point in points if not 0xD800 <= point < 0xE000]
    characters += generator.choices(" \n\t'aeTh.,1", k=30)
    generator.shuffle(characters)
    return "".join(characters)


def _assigned(text: str) -> bool:
    """Whether all characters have a category that Unicode versions agree on."""
    return all(unicodedata.category(character) != "Cn" for character in text)


@pytest.mark.parametrize("size", [257, 300, 1500])
def test_training_finds_the_merges_of_tokenizers(real_texts, tmp_path, size) -> None:
    _hugging_face(real_texts, size).save(str(tmp_path / "tokenizer.json"))
    theirs, ours = BPETokenizer.load(tmp_path), train_bpe(real_texts, size, [END])
    assert len(ours.merges) == size - 257
    assert ours.merges == theirs.merges
    assert ours.vocabulary == theirs.vocabulary
    assert ours.special_tokens == theirs.special_tokens == {END: 0}


def test_repeated_letters_train_as_in_tokenizers(tmp_path) -> None:
    texts = ["aaaa aaa aaaaaaa aabaab abab ababab", "aaaaa bbbb ba ab bb aa b"]
    _hugging_face(texts, 290).save(str(tmp_path / "tokenizer.json"))
    theirs, ours = BPETokenizer.load(tmp_path), train_bpe(texts, 290, [END])
    assert [theirs.decode(i) for i in map(theirs.encode, texts)] == texts
    assert ours.merges[:5] == theirs.merges[:5]


def test_ids_are_those_of_tokenizers(real_texts, trained, saved) -> None:
    theirs = Tokenizer.from_file(str(saved / "tokenizer.json"))
    generator = random.Random(0)
    random_texts = [text for text in (_random_text(generator) for _ in range(300))]
    texts = [*real_texts, *AWKWARD, *filter(_assigned, random_texts)]
    assert len(texts) > 25
    for text in texts:
        assert trained.encode(text, special=True) == theirs.encode(text).ids


def test_decoding_gives_the_text_back(real_texts, trained) -> None:
    generator = random.Random(1)
    lone = ["\ud83d\ude00", "a\udc80b", "\ud800"]
    for text in [*real_texts, *AWKWARD, *lone, *(_random_text(generator) for _ in range(300))]:
        assert trained.decode(trained.encode(text)) == text
        assert trained.decode(trained.encode(text, special=True)) == text


def test_encoding_is_the_slow_definition(trained) -> None:
    ranks = {pair: rank for rank, pair in reversed(list(enumerate(trained.merges)))}
    for word in [" international", "aaaaaaaaaaaa", "Straße", " self.assertEqual"]:
        tokens = [bytes([byte]) for byte in word.encode()]
        while True:
            pairs = list(pairwise(tokens))
            best = min(pairs, key=lambda pair: ranks.get(pair, sys.maxsize), default=None)
            if best not in ranks:
                break
            at = pairs.index(best)
            tokens[at : at + 2] = [tokens[at] + tokens[at + 1]]
        assert trained._merge(word.encode()) == [trained.vocabulary[t] for t in tokens]


def test_special_tokens_in_text_are_text_unless_asked_for(trained) -> None:
    assert 0 not in trained.encode(END)
    assert trained.encode(f"a{END}{END}b", special=True).count(0) == 2
    assert trained.decode([0]) == END
    longer = BPETokenizer(trained.vocabulary, trained.merges, {"<a>": 9000, "<a>b": 9001})
    assert longer.encode("<a>b<a>", special=True) == [9001, 9000]
    assert len(longer) == 9002


def test_bytes_cut_inside_a_character(trained) -> None:
    ids = trained.encode("☃\U0010ffff")
    assert trained.decode(ids[:-1]).startswith("☃")
    assert "\ufffd" in trained.decode(ids[:-1])
    assert trained.decode_bytes(ids[:-1]) == "☃\U0010ffff".encode()[:-1]


def test_both_file_layouts_load(trained, saved, tmp_path) -> None:
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    for path in (saved, saved / "tokenizer.json", tmp_path):
        loaded = BPETokenizer.load(path)
        assert loaded.merges == trained.merges
        assert loaded.vocabulary == trained.vocabulary
        assert loaded.special_tokens == trained.special_tokens


def test_merges_written_as_strings_load(trained, saved, tmp_path) -> None:
    description = json.loads((saved / "tokenizer.json").read_text())
    description["model"]["merges"] = [" ".join(pair) for pair in description["model"]["merges"]]
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    assert BPETokenizer.load(tmp_path).merges == trained.merges


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("model", "type"), "WordPiece", "its model is 'WordPiece', expected 'BPE'"),
        (("model",), None, "has no 'model'"),
        (("model", "vocab"), [], "vocab must be a dict"),
        (("model", "vocab", "A"), "7", "ids in the vocab must be integers"),
        (("model", "vocab", "A"), 3, "ids must be different"),
        (("model", "vocab", "A"), -3, "not negative"),
        (("model", "merges"), None, "merges must be a list"),
        (("model", "merges", 3), "one", "merge 3 is not a pair"),
        (("model", "merges", 3), ["a", "b", "c"], "merge 3 is not a pair"),
        (("model", "merges", 3), ["☃", "b"], "merge 3 is not in byte characters"),
        (("model", "merges", 3), [1, 2], "merge 3 is not in byte characters"),
        (("model", "merges", 3), ["Q", "Q"], "b'QQ', not in the vocabulary"),
        (("model", "dropout"), 0.1, "it uses dropout"),
        (("model", "byte_fallback"), True, "it uses byte_fallback"),
        (("pre_tokenizer",), {"type": "Whitespace"}, "not a single 'ByteLevel'"),
        (("pre_tokenizer", "add_prefix_space"), True, "add_prefix_space must be false"),
        (("normalizer",), {"type": "NFC"}, "has a normalizer"),
        (("added_tokens",), [{"id": 0}], "an added token lacks"),
        (("added_tokens",), 3, "added_tokens must be a list"),
    ],
)
def test_unsupported_and_broken_descriptions(saved, tmp_path, path, value, message) -> None:
    description = json.loads((saved / "tokenizer.json").read_text())
    place = description
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(TokenizerError, match=message):
        BPETokenizer.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_corrupt_files(saved, tmp_path, content) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tokenizer.json"):
        BPETokenizer.load(tmp_path)


def test_missing_files_and_bytes(trained, saved, tmp_path) -> None:
    with pytest.raises(TokenizerError, match=r"no tokenizer.json, nor vocab.json with merges.txt"):
        BPETokenizer.load(tmp_path)
    vocabulary = {token: i for token, i in trained.vocabulary.items() if token != b"\x00"}
    with pytest.raises(TokenizerError, match=r"lacks the bytes \[0\]"):
        BPETokenizer(vocabulary, [])


def test_wrong_values(trained) -> None:
    with pytest.raises(TokenizerError, match="takes a string, got bytes"):
        trained.encode(b"bytes")
    with pytest.raises(TokenizerError, match="id 1500 is not among"):
        trained.decode([5, 1500])
    for ids in ("a", "12", [1.5], [[1, 2]], 5, None):
        with pytest.raises(TokenizerError, match="decode takes integer ids, got "):
            trained.decode(ids)
    with pytest.raises(ConfigError, match="at least 257, got 256"):
        train_bpe(["text"], 256, [END])
    with pytest.raises(ConfigError, match="must be different"):
        train_bpe(["text"], 400, [END, END])
    with pytest.raises(DataError, match="got one string"):
        train_bpe("text", 300)
    with pytest.raises(DataError, match="got int"):
        train_bpe([3], 300)
    for nothing in ([], [""], iter(())):
        with pytest.raises(DataError, match="learns from text, got none"):
            train_bpe(nothing, 300)


def test_too_little_text_gives_fewer_merges() -> None:
    tokenizer = train_bpe(["abab"], 1000)
    assert tokenizer.merges == [(b"a", b"b"), (b"ab", b"ab")]
    assert len(tokenizer) == 258
    assert train_bpe(["a"], 300).encode("é") == [BYTE_ORDER.index(byte) for byte in "é".encode()]
