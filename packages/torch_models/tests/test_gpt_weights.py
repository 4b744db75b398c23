import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch_models.errors import ConfigError, WeightsError
from torch_models.models.gpt import GPT, GPTConfig
from torch_models.models.gpt_weights import load_hf, save_hf
from transformers import GPT2Config, GPT2LMHeadModel

SIZES = {"vocab_size": 61, "n_positions": 16, "n_embd": 24, "n_layer": 3, "n_head": 4}
TOKENS = torch.randint(0, 61, (3, 16), generator=torch.Generator().manual_seed(0))


def _stirred(model: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():  # biases are zero at first: a lost one would not be noticed
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(scope="module")
def theirs() -> GPT2LMHeadModel:
    return _stirred(GPT2LMHeadModel(GPT2Config(**SIZES, bos_token_id=None, eos_token_id=None)))


@pytest.fixture(scope="module")
def original(theirs, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("theirs")
    theirs.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(original, tmp_path) -> Path:
    return shutil.copytree(original, tmp_path / "model")


def _close(got: torch.Tensor, expected: torch.Tensor) -> None:
    assert expected.abs().max() > 0.5
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_their_files_give_their_logits(theirs, original) -> None:
    _close(load_hf(original)(TOKENS).logits, theirs(TOKENS).logits)


def test_transformers_loads_ours(tmp_path) -> None:
    ours = _stirred(
        GPT(GPTConfig(vocab_size=61, context_length=16, num_layers=3, num_heads=4, hidden_size=24))
    )
    save_hf(ours, tmp_path)
    loaded, info = GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    _close(loaded.eval()(TOKENS).logits, ours(TOKENS).logits)


def test_loading_and_saving_changes_nothing(original, tmp_path) -> None:
    save_hf(load_hf(original), tmp_path)
    before, after = (load_file(f / "model.safetensors") for f in (original, tmp_path))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert load_hf(tmp_path).config == load_hf(original).config


@pytest.mark.parametrize("inner", [None, 40])
def test_the_size_inside_survives_saving(tmp_path, inner) -> None:
    model = GPT(GPTConfig(61, 16, 1, 4, 24, intermediate_size=inner))
    save_hf(model, tmp_path)
    assert load_hf(tmp_path).config == model.config
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path)
    assert theirs.transformer.h[0].mlp.c_fc.nf == (96 if inner is None else inner)


def test_shards(theirs, tmp_path) -> None:
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert not (tmp_path / "model.safetensors").exists()
    _close(load_hf(tmp_path)(TOKENS).logits, theirs(TOKENS).logits)
    shard = next(iter(tmp_path.glob("model-00002*")))
    index = tmp_path / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    _edit(index, weight_map=places | {"transformer.h.9.lost": shard.name})
    with pytest.raises(WeightsError, match=r"disagree about transformer.h.9.lost") as caught:
        load_hf(tmp_path)
    assert caught.value.names == ("transformer.h.9.lost",)
    _edit(index, weight_map=places | {"x": "../outside.safetensors"})
    with pytest.raises(WeightsError, match="points out of its folder"):
        load_hf(tmp_path)
    _edit(index, weight_map=["a", "list"])
    with pytest.raises(WeightsError, match="no 'weight_map'"):
        load_hf(tmp_path)
    _edit(index, weight_map=places)
    shard.unlink()
    with pytest.raises(WeightsError, match=r"cannot read .*00002"):
        load_hf(tmp_path)


def test_names_of_the_bare_model_and_old_masks(theirs, folder) -> None:
    tensors = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    bare["h.0.attn.bias"] = torch.ones(1, 1, 16, 16).tril()
    bare["lm_head.weight"] = bare["wte.weight"].clone()
    save_file(bare, folder / "model.safetensors")
    _close(load_hf(folder)(TOKENS).logits, theirs(TOKENS).logits)


def test_missing_and_unexpected_names(folder) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.h.1.attn.c_attn.scale"] = tensors.pop("transformer.h.1.ln_2.bias")
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(
        WeightsError,
        match=r"missing transformer.h.1.ln_2.bias; unexpected transformer.h.1.attn.c_attn.scale",
    ) as caught:
        load_hf(folder)
    assert len(caught.value.names) == 2


@pytest.mark.parametrize("shape", [(24, 24), (72, 24), (24,)])
def test_wrong_shapes(folder, shape) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.h.1.attn.c_attn.weight"] = torch.zeros(shape)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"c_attn.weight is .*, expected \(24, 72\)"):
        load_hf(folder)


def test_untied_output(folder) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"] + 1
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="this GPT ties the two"):
        load_hf(folder)


def test_pickled_weights_are_not_read(folder) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"no model.safetensors and no .*index"):
        load_hf(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(WeightsError, match=r"pytorch_model.bin.*convert them to safetensors"):
        load_hf(folder)


class _Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize("keep", [0, 7, 100, -10])
def test_cut_weights(folder, keep) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="cannot read"):
        load_hf(folder)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"activation_function": "relu"}, WeightsError, "activation_function = 'gelu_new' or"),
        ({"model_type": "llama"}, WeightsError, "model_type = 'gpt2'.*'llama'"),
        ({"scale_attn_by_inverse_layer_idx": True}, WeightsError, "inverse_layer_idx = False"),
        ({"tie_word_embeddings": False}, WeightsError, "tie_word_embeddings = True"),
        ({"attn_pdrop": 0.3}, WeightsError, "one dropout probability"),
        ({"n_head": 5}, ConfigError, "num_heads must divide hidden_size"),
        ({"n_layer": "3"}, ConfigError, "num_layers must be an integer"),
        ({"n_inner": 0}, ConfigError, "intermediate_size must be an integer >= 1, got 0"),
        ({"n_inner": False}, ConfigError, "intermediate_size must be an integer >= 1, got False"),
        ({"vocab_size": None}, ConfigError, "vocab_size must be an integer >= 1, got None"),
        ({"layer_norm_epsilon": "x"}, ConfigError, "norm_eps must be a finite number > 0, got 'x'"),
        ({"resid_pdrop": "0.1"}, ConfigError, "resid_pdrop must be a finite number .*, got '0.1'"),
        ({"embd_pdrop": []}, ConfigError, r"embd_pdrop must be a finite number .*, got \[\]"),
        ({"n_layer": 4}, WeightsError, "missing transformer.h.3"),
        ({"n_layer": 2}, WeightsError, "unexpected transformer.h.2"),
    ],
)
def test_configurations_that_do_not_fit(folder, changes, error, message) -> None:
    _edit(folder / "config.json", **changes)
    with pytest.raises(error, match=message):
        load_hf(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, "\udcff"])
def test_broken_config(folder, content) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsError, match=r"config.json"):
        load_hf(folder)
    (folder / "config.json").unlink()
    with pytest.raises(WeightsError, match="cannot read"):
        load_hf(folder)


def test_a_failed_save_leaves_the_old_files(original, folder, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch_models.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_hf(GPT(GPTConfig(61, 16, 1, 4, 24)), folder)
    monkeypatch.undo()
    assert load_hf(folder).config.num_layers == 3
    assert {p.name for p in folder.iterdir()} == {p.name for p in original.iterdir()}


def test_what_cannot_be_saved(tmp_path) -> None:
    with pytest.raises(WeightsError, match="takes a GPT and a folder, got int"):
        save_hf(3, tmp_path)
    (tmp_path / "file").write_text("kept")
    with pytest.raises(WeightsError, match="file is a file; name another"):
        save_hf(GPT(GPTConfig(61, 16, 1, 4, 24)), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_other_dtypes(original, tmp_path) -> None:
    model = load_hf(original, dtype=torch.bfloat16)
    save_hf(model, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    assert load_file(tmp_path / "model.safetensors")["transformer.wte.weight"].dtype is (
        torch.bfloat16
    )
