"""How a GPT is laid out in the Hugging Face files of GPT-2.

There the maps of a block are stored (in, out), the transpose of torch's Linear; the output shares
the token embedding, so its own matrix is not stored.
"""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from torch_models import weights
from torch_models.checks import check_number
from torch_models.errors import WeightsError
from torch_models.models.gpt import GPT, GPTConfig
from torch_models.weights import Weight

_OURS, _THEIRS = "blocks.{layer}.", "transformer.h.{layer}."

TABLE = (
    Weight("token_embedding.weight", "transformer.wte.weight"),
    Weight("position_embedding.weight", "transformer.wpe.weight"),
    Weight(_OURS + "attention_norm.weight", _THEIRS + "ln_1.weight"),
    Weight(_OURS + "attention_norm.bias", _THEIRS + "ln_1.bias"),
    Weight(_OURS + "attention.qkv.weight", _THEIRS + "attn.c_attn.weight", transposed=True),
    Weight(_OURS + "attention.qkv.bias", _THEIRS + "attn.c_attn.bias"),
    Weight(_OURS + "attention.project.weight", _THEIRS + "attn.c_proj.weight", transposed=True),
    Weight(_OURS + "attention.project.bias", _THEIRS + "attn.c_proj.bias"),
    Weight(_OURS + "feed_forward_norm.weight", _THEIRS + "ln_2.weight"),
    Weight(_OURS + "feed_forward_norm.bias", _THEIRS + "ln_2.bias"),
    Weight(_OURS + "feed_forward.expand.weight", _THEIRS + "mlp.c_fc.weight", transposed=True),
    Weight(_OURS + "feed_forward.expand.bias", _THEIRS + "mlp.c_fc.bias"),
    Weight(_OURS + "feed_forward.project.weight", _THEIRS + "mlp.c_proj.weight", transposed=True),
    Weight(_OURS + "feed_forward.project.bias", _THEIRS + "mlp.c_proj.bias"),
    Weight("norm.weight", "transformer.ln_f.weight"),
    Weight("norm.bias", "transformer.ln_f.bias"),
)

# Our field -> their key. Their defaults, for a config.json that leaves keys out, are GPT-2's.
_SIZES = {
    "vocab_size": ("vocab_size", 50257),
    "context_length": ("n_positions", 1024),
    "num_layers": ("n_layer", 12),
    "num_heads": ("n_head", 12),
    "hidden_size": ("n_embd", 768),
    "norm_eps": ("layer_norm_epsilon", 1e-5),
}
_DROPOUTS = ("resid_pdrop", "embd_pdrop", "attn_pdrop")
# Their key -> the values this model computes, the default first.
_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "model_type": ("gpt2",),
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}
_MASKS = re.compile(r"transformer\.h\.\d+\.attn\.(bias|masked_bias)")  # constants in old files


def load_hf(folder: str | Path, dtype: torch.dtype = torch.float32) -> GPT:
    """A GPT from a folder with config.json and safetensors, in one file or in shards.

    Raises:
        WeightsError: If files are missing or broken, the weights do not fit the configuration, or
            it asks for something this model does not compute.
        ConfigError: If the sizes in config.json are not those of any model.
    """
    folder = Path(folder)
    config = config_from_hf(weights.read_config(folder))
    tensors = _in_table_names(weights.read_tensors(folder))
    with torch.device("meta"):
        model = GPT(config)
    model = model.to_empty(device="cpu").to(dtype)
    weights.from_theirs(model, tensors, TABLE, config.num_layers)
    return model.eval()


def save_hf(model: GPT, folder: str | Path) -> None:
    """Write a GPT as model.safetensors and config.json, which transformers loads as GPT-2.

    Raises:
        WeightsError: If model is no GPT, or there is a file in the folder's place.
        OSError: If the folder cannot be written; the files already there are untouched.
    """
    if not isinstance(model, GPT):
        raise WeightsError(f"save_hf takes a GPT and a folder, got {type(model).__name__}")
    tensors = weights.to_theirs(model, TABLE, model.config.num_layers)
    config = config_to_hf(model.config) | {"dtype": str(next(model.parameters()).dtype)[6:]}
    weights.write_folder(Path(folder), tensors, config)


def config_from_hf(theirs: dict[str, Any]) -> GPTConfig:
    """Our configuration of a Hugging Face one.

    Raises:
        WeightsError: If it asks for something this model does not compute.
        ConfigError: If a value is of the wrong type, or the sizes are not those of any model.
    """
    for key, values in _SUPPORTED.items():
        if theirs.get(key, values[0]) not in values:
            raise WeightsError(
                f"this GPT computes {key} = {' or '.join(map(repr, values))}, "
                f"the configuration says {theirs[key]!r}"
            )
    dropouts = {key: theirs.get(key, 0.1) for key in _DROPOUTS}
    for key, value in dropouts.items():
        check_number(key, value, float, ge=0, lt=1)
    if len(set(dropouts.values())) > 1:
        raise WeightsError(f"this GPT has one dropout probability, the configuration {dropouts}")
    sizes = {ours: theirs.get(key, default) for ours, (key, default) in _SIZES.items()}
    inner = theirs.get("n_inner")
    return GPTConfig(**sizes, intermediate_size=inner, dropout=dropouts["resid_pdrop"])


def config_to_hf(config: GPTConfig) -> dict[str, Any]:
    """The Hugging Face configuration of ours."""
    theirs: dict[str, Any] = {key: values[0] for key, values in _SUPPORTED.items()}
    theirs |= {key: getattr(config, ours) for ours, (key, _) in _SIZES.items()}
    theirs |= dict.fromkeys(_DROPOUTS, config.dropout)
    # transformers would otherwise assume GPT-2's own ids, which may lie outside the vocabulary.
    theirs |= {"bos_token_id": None, "eos_token_id": None, "n_inner": config.intermediate_size}
    return theirs | {"architectures": ["GPT2LMHeadModel"]}


def _in_table_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under the names of the table: files of the bare model lack `transformer.`."""
    named = {
        name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}": tensor
        for name, tensor in tensors.items()
    }
    head, embedding = named.pop("lm_head.weight", None), named.get("transformer.wte.weight")
    if head is not None and embedding is not None and not torch.equal(head, embedding):
        raise WeightsError(
            "lm_head.weight differs from transformer.wte.weight; this GPT ties the two",
            ("lm_head.weight", "transformer.wte.weight"),
        )
    return {name: tensor for name, tensor in named.items() if not _MASKS.fullmatch(name)}
