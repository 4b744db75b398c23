"""Byte-level BPE in the Hugging Face files: tokenizer.json, or vocab.json with merges.txt.

In them a token's bytes are written as printable characters, one for each byte: a byte that is
printable in Latin-1 stands for itself, the others are numbered from U+0100 on (GPT-2's
`bytes_to_unicode`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch_models.errors import TokenizerError
from torch_models.files import write_atomically

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_CHARACTER = {byte: chr(byte) for byte in _PRINTABLE}
_CHARACTER |= {byte: chr(0x100 + index) for index, byte in enumerate(_OTHERS)}
_BYTE = {character: byte for byte, character in _CHARACTER.items()}

BYTE_ORDER = sorted(range(256), key=_CHARACTER.__getitem__)
"""The 256 bytes in the order of their characters, which is that of their ids."""

Parts = tuple[dict[bytes, int], list[tuple[bytes, bytes]], dict[str, int]]
"""Vocabulary, merges and special tokens."""


def save(
    folder: Path,
    vocabulary: Mapping[bytes, int],
    merges: Sequence[tuple[bytes, bytes]],
    special_tokens: Mapping[str, int],
) -> None:
    """Write tokenizer.json, vocab.json and merges.txt into a folder, each file atomically."""
    vocab = {token: i for token, i in special_tokens.items()}
    vocab |= {_written(token): i for token, i in vocabulary.items()}
    vocab = dict(sorted(vocab.items(), key=lambda item: item[1]))
    pairs = [[_written(left), _written(right)] for left, right in merges]
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in pairs)]
    write_atomically(folder / "merges.txt", ("\n".join(lines) + "\n").encode())
    write_atomically(folder / "vocab.json", json.dumps(vocab, ensure_ascii=False).encode())
    description = _description(vocab, pairs, special_tokens)
    text = json.dumps(description, ensure_ascii=False, indent=1)
    write_atomically(folder / "tokenizer.json", text.encode())


def load(path: Path) -> Parts:
    """Read a tokenizer.json, or a folder with one, or a folder with vocab.json and merges.txt.

    Raises:
        TokenizerError: If files are missing, broken, or of a kind other than byte-level BPE.
    """
    single = path / "tokenizer.json" if path.is_dir() else path
    if single.is_file():
        return _from_description(single, _read_json(single))
    vocab, merges = path / "vocab.json", path / "merges.txt"
    if vocab.is_file() and merges.is_file():
        lines = _read_text(merges).splitlines()
        pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
        return _parts(vocab, _read_json(vocab), pairs, {})
    raise TokenizerError(f"no tokenizer.json, nor vocab.json with merges.txt, at {path}")


def _description(
    vocab: Mapping[str, int], pairs: list[list[str]], special_tokens: Mapping[str, int]
) -> dict[str, Any]:
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": token, **flags, "special": True}
            for token, i in special_tokens.items()
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": pairs,
        },
    }


def _from_description(path: Path, description: Any) -> Parts:
    def fail(what: str) -> TokenizerError:
        return TokenizerError(f"{path} is not a byte-level BPE tokenizer: {what}")

    if not isinstance(description, dict) or not isinstance(description.get("model"), dict):
        raise fail("it has no 'model'")
    model, pre = description["model"], description.get("pre_tokenizer")
    if model.get("type", "BPE") != "BPE":
        raise fail(f"its model is {model.get('type')!r}, expected 'BPE'")
    if not isinstance(pre, dict) or pre.get("type") != "ByteLevel":
        raise fail("its pre_tokenizer is not a single 'ByteLevel'")
    if pre.get("add_prefix_space") or pre.get("use_regex") is False:
        raise fail("add_prefix_space must be false and use_regex true")
    if description.get("normalizer") is not None:
        raise fail("it has a normalizer, which would change the text")
    options = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")
    used = [name for name in (*options, "byte_fallback") if model.get(name)]
    if used:
        raise fail(f"it uses {', '.join(used)}")
    pairs = [
        merge.split(" ") if isinstance(merge, str) else merge
        for merge in _typed(model.get("merges"), list, path, "merges")
    ]
    added = _typed(description.get("added_tokens", []), list, path, "added_tokens")
    try:
        special = {str(token["content"]): int(token["id"]) for token in added}
    except (KeyError, TypeError, ValueError):
        raise fail("an added token lacks its content or id") from None
    return _parts(path, model.get("vocab"), pairs, special)


def _parts(path: Path, vocab: Any, pairs: list[Any], special_tokens: dict[str, int]) -> Parts:
    vocab = _typed(vocab, dict, path, "vocab")
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in vocab.values()):
        raise TokenizerError(f"{path}: ids in the vocab must be integers")
    plain, special = {}, dict(special_tokens)
    for token, i in vocab.items():
        if token in special_tokens:
            continue
        if all(character in _BYTE for character in token):
            plain[_read(token)] = i
        else:  # not written in byte characters: it can only stand for itself
            special[token] = i
    # GPT-2's own files do not mark it: no merge makes it, so it is special.
    made = {left + right for left, right in _pairs(path, pairs)}
    for token in [t for t in plain if len(t) > 1 and t not in made]:
        special[token.decode("utf-8", "replace")] = plain.pop(token)
    return plain, _pairs(path, pairs), special


def _pairs(path: Path, pairs: list[Any]) -> list[tuple[bytes, bytes]]:
    result = []
    for line, pair in enumerate(pairs):
        if not (isinstance(pair, list) and len(pair) == 2 and all(pair)):
            raise TokenizerError(f"{path}: merge {line} is not a pair of tokens: {pair!r}")
        try:
            result.append((_read(pair[0]), _read(pair[1])))
        except (KeyError, TypeError):
            raise TokenizerError(f"{path}: merge {line} is not in byte characters") from None
    return result


def _written(token: bytes) -> str:
    return "".join([_CHARACTER[byte] for byte in token])


def _read(token: str) -> bytes:
    return bytes([_BYTE[character] for character in token])


def _typed(value: Any, kind: type, path: Path, name: str) -> Any:
    if not isinstance(value, kind):
        raise TokenizerError(f"{path}: {name} must be a {kind.__name__}, got {value!r:.60}")
    return value


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizerError(f"cannot read {path}: {error}") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise TokenizerError(f"{path} is not valid JSON: {error}") from error
