import pytest
import torch
from torch_models.errors import CacheError, CacheFullError, ConfigError, ShapeError
from torch_models.layers import (
    CausalSelfAttention,
    FeedForward,
    KVCache,
    LayerCache,
    LayerNorm,
    RMSNorm,
    Rotary,
)
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import (
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
)

POSITIONS = torch.arange(7)[None]


def test_rotary_is_llamas() -> None:
    config = LlamaConfig(hidden_size=32, num_attention_heads=4)
    q, k = torch.randn(2, 4, 7, 8), torch.randn(2, 2, 7, 8)
    cos, sin = LlamaRotaryEmbedding(config)(q, POSITIONS + 5)
    rotary = Rotary(8)
    got = rotary(q, POSITIONS + 5), rotary(k, POSITIONS + 5)
    torch.testing.assert_close(got, apply_rotary_pos_emb(q, k, cos, sin))


def test_rms_norm_is_llamas() -> None:
    x, ours, theirs = torch.randn(3, 8), RMSNorm(8), LlamaRMSNorm(8)
    with torch.no_grad():
        ours.weight.copy_(torch.randn(8))
        theirs.weight.copy_(ours.weight)
    torch.testing.assert_close(ours(x), theirs(x))


def test_layer_norm_without_bias() -> None:
    x = torch.randn(3, 8)
    assert [name for name, _ in LayerNorm(8, bias=False).named_parameters()] == ["weight"]
    torch.testing.assert_close(LayerNorm(8, bias=False)(x), LayerNorm(8)(x))


def test_feed_forward_is_its_definition() -> None:
    layer, x = FeedForward(8, 12), torch.randn(3, 8)
    hidden = x @ layer.expand.weight.T + layer.expand.bias
    inner = (2 / torch.pi) ** 0.5 * (hidden + 0.044715 * hidden**3)
    hidden = 0.5 * hidden * (1 + inner.tanh())
    torch.testing.assert_close(layer(x), hidden @ layer.project.weight.T + layer.project.bias)


@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
def test_cached_attention_is_uncached_attention(num_kv_heads: int) -> None:
    layer = CausalSelfAttention(32, 4, num_kv_heads, Rotary(8)).eval()
    x, cache = torch.randn(2, 7, 32), LayerCache(2, num_kv_heads, 7, 8)
    with torch.inference_mode():
        whole = layer(x, POSITIONS)
        parts = [layer(x[:, i:j], POSITIONS[:, i:j], cache) for i, j in ((0, 3), (3, 4), (4, 7))]
    torch.testing.assert_close(torch.cat(parts, 1), whole)


def test_rotary_attention_depends_on_distance_alone() -> None:
    layer, x = CausalSelfAttention(32, 4, rotary=Rotary(8)), torch.randn(2, 7, 32)
    torch.testing.assert_close(layer(x, POSITIONS), layer(x, POSITIONS + 9))
    assert not torch.allclose(layer(x, POSITIONS), layer(x, 2 * POSITIONS))


def test_a_full_cache_stores_nothing() -> None:
    cache, new = LayerCache(1, 2, 4, 8), torch.ones(1, 2, 3, 8)
    cache.append(new, new)
    with pytest.raises(CacheFullError, match="cache of 4 tokens holds 3, no room for 3 more"):
        cache.append(new, new)
    assert cache.length == 3
    keys, _ = cache.append(new[:, :, :1], new[:, :, :1])
    assert keys.shape == (1, 2, 4, 8)


def test_cache_refuses_gradients_and_wrong_shapes() -> None:
    cache, new = LayerCache(1, 2, 4, 8), torch.ones(1, 2, 3, 8)
    with pytest.raises(CacheError, match="inference_mode"):
        cache.append(new.clone().requires_grad_(), new)
    with pytest.raises(ShapeError, match=r"takes keys and values \(1, 2, new, 8\)"):
        cache.append(new.repeat(2, 1, 1, 1), new.repeat(2, 1, 1, 1))
    with pytest.raises(ConfigError, match="positive sizes"):
        LayerCache(1, 2, 0, 8)


def test_cache_positions_and_mask_with_padding() -> None:
    cache = KVCache([LayerCache(2, 1, 5, 4)], torch.tensor([0, 2]))
    assert cache.positions(4).tolist() == [[0, 1, 2, 3], [0, 0, 0, 1]]
    mask = cache.mask(4)
    assert mask is not None
    assert mask[0].all()
    assert mask[1, 0].long().tolist() == [[1, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert KVCache(cache.layers).mask(4) is None


@pytest.mark.parametrize("sizes", [(32, 5), (32, 4, 3), (32, 0), (32, 4, 0)])
def test_heads_that_do_not_divide(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="num_heads must divide hidden_size"):
        CausalSelfAttention(*sizes)


def test_rotary_errors() -> None:
    with pytest.raises(ConfigError, match="head_dim must be even, got 7"):
        Rotary(7)
    with pytest.raises(ShapeError, match=r"positions must be \(batch or 1, 3\), got \(3,\)"):
        Rotary(8)(torch.ones(1, 1, 3, 8), torch.arange(3))
