"""triton_kernels' attention by its name in models of transformers, where both are installed."""

import pytest
import torch

transformers = pytest.importorskip("transformers")
triton_kernels = pytest.importorskip("triton_kernels")


@pytest.mark.parametrize("family", ["Llama", "Gemma2", "GptOss"])
def test_models_of_transformers_agree_with_their_own_attention(family):
    triton_kernels.register_transformers_attention("ours_by_name")
    config = getattr(transformers, f"{family}Config")(
        vocab_size=50, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=64,
        sliding_window=4, pad_token_id=0, bos_token_id=1, eos_token_id=2, num_local_experts=2,
        num_experts_per_tok=1, attn_implementation="eager",
    )  # fmt: skip
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    ids = torch.randint(3, 50, (2, 11))
    padding = torch.ones_like(ids)
    padding[0, :3] = 0
    expected = model(ids, attention_mask=padding).logits
    model.set_attn_implementation("ours_by_name")
    with triton_kernels.record_backends() as record:
        actual = model(ids, attention_mask=padding).logits
    assert [name for name, _ in record] == ["flash_attention"] * 2
    real = padding.bool()
    torch.testing.assert_close(actual[real], expected[real], rtol=1e-4, atol=1e-5)
