import json
import math
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from torch_models.errors import CheckpointError, ConfigError, DataError
from torch_models.models.gpt import GPT, GPTConfig
from torch_models.training import TokenWindows, Trainer, TrainingConfig
from torch_models.training.optimizers import Muon, make_optimizers, orthogonalised

SIZES = GPTConfig(
    vocab_size=31, context_length=8, num_layers=2, num_heads=2, hidden_size=8, dropout=0.1
)
CONFIG = TrainingConfig(steps=8, learning_rate=1e-2, warmup_steps=2, optimizer="muon")
TOKENS = torch.randint(0, 31, (400,), generator=torch.Generator().manual_seed(5))


class Batches(TokenWindows):
    """Random windows; `hook` is called with the number of each batch."""

    def __init__(self, hook=lambda index: None) -> None:
        super().__init__(TOKENS, context_length=8, batch_size=4)
        self.hook = hook

    def batch(self, index: int):
        self.hook(index)
        return super().batch(index)


def _trainer(folder=None, hook=lambda index: None, config=CONFIG, sizes=SIZES) -> Trainer:
    torch.manual_seed(0)
    return Trainer(GPT(sizes), Batches(hook), config, folder)


def _changed(**values) -> TrainingConfig:
    return TrainingConfig(**{**CONFIG.to_dict(), **values})


def _same(a: Trainer, b: Trainer) -> bool:
    pairs = zip(a.model.parameters(), b.model.parameters(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.fixture(scope="module")
def uninterrupted() -> Trainer:
    trainer = _trainer()
    trainer.train()
    return trainer


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_pattern_is_learned(optimizer) -> None:
    torch.manual_seed(0)
    pattern = torch.arange(400) * 7 % 31
    config = TrainingConfig(steps=60, learning_rate=2e-2, optimizer=optimizer)
    model = GPT(
        GPTConfig(vocab_size=31, context_length=8, num_layers=1, num_heads=2, hidden_size=16)
    )
    metrics = Trainer(model, TokenWindows(pattern, 8, 8), config).train()
    assert metrics[0]["loss"] == pytest.approx(math.log(31), abs=0.2)
    assert metrics[-1]["loss"] < 0.3


def test_accumulation_is_the_full_batch() -> None:
    targets = TOKENS[:32].view(4, 8).clone()
    targets[0, 1:] = -100  # rows with 1, 8, 8 and 0 targets
    targets[3] = -100
    inputs = TOKENS[40:72].view(4, 8)
    sizes = GPTConfig(**{**SIZES.to_dict(), "dropout": 0.0})
    results = []
    for rows in (0, 1, 2, 3):
        trainer = _trainer(config=_changed(micro_batch=rows), sizes=sizes)
        loss = trainer._accumulate(inputs, targets)
        results.append([loss, *(p.grad for p in trainer.model.parameters())])
    assert results[0][0] == pytest.approx(trainer.model(inputs, targets).loss.item(), rel=1e-6)
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=1e-5, atol=1e-7)


def test_a_batch_without_targets() -> None:
    trainer = _trainer()
    with pytest.raises(DataError, match="batch 0 has no target"):
        trainer._accumulate(TOKENS[:8].view(1, 8), torch.full((1, 8), -100))


def test_gradients_are_clipped() -> None:
    norms, means = [], []
    for limit in (0, 1e-3):
        trainer = _trainer(config=_changed(clip_norm=limit, optimizer="adamw", beta1=0.0))
        norms.append(trainer.train_step()[1].item())
        gradients = [state["exp_avg"] for state in trainer.optimizers[0].state.values()]
        means.append(torch.cat([g.flatten() for g in gradients]).norm().item())
    assert norms[0] == norms[1] > 0.1  # the norm before clipping is what is reported
    assert means == pytest.approx([norms[0], 1e-3], rel=1e-3)


def test_killed_run_continues_bit_for_bit(tmp_path, uninterrupted) -> None:
    code = f"""
import os, signal, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_training import _changed, _trainer
def kill(index):
    if index == 5:
        os.kill(os.getpid(), signal.SIGKILL)
_trainer({str(tmp_path)!r}, kill, _changed(checkpoint_every=2)).train()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert sorted(path.name for path in tmp_path.glob("step-*")) == [
        "step-00000002",
        "step-00000004",
    ]
    # the kill may also have cut the line being written
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    trainer = _trainer(tmp_path, config=_changed(checkpoint_every=2))
    torch.manual_seed(77)  # resuming must bring the random state back, dropout needs it
    assert trainer.resume()
    assert trainer.step == 4
    metrics = trainer.train()
    assert _same(trainer, uninterrupted)
    assert [line["step"] for line in metrics] == list(range(1, 9))
    expected = [line["loss"] for line in uninterrupted.metrics]
    assert [line["loss"] for line in metrics] == expected
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == metrics


def test_sigint_saves_and_returns(tmp_path, uninterrupted) -> None:
    def interrupt(index: int) -> None:
        if index == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    trainer = _trainer(tmp_path, interrupt)
    trainer.train()
    assert trainer.interrupted
    assert trainer.step == 3
    assert signal.getsignal(signal.SIGINT) is before
    again = _trainer(tmp_path)
    assert again.resume()
    again.train()
    assert not again.interrupted
    assert _same(again, uninterrupted)


def test_second_sigint_is_immediate(tmp_path) -> None:
    def interrupt(index: int) -> None:
        if index == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        _trainer(tmp_path, interrupt).train()


def test_nothing_to_resume(tmp_path) -> None:
    assert not _trainer().resume()
    assert not _trainer(tmp_path / "none").resume()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    _trainer(folder).train()
    return folder


def test_a_finished_run_stays_finished(finished, uninterrupted) -> None:
    trainer = _trainer(finished)
    assert trainer.resume()
    assert len(trainer.train()) == 8
    assert _same(trainer, uninterrupted)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_broken_checkpoints(finished, tmp_path, name, damage) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    path = folder / "step-00000008" / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-20])
    with pytest.raises(CheckpointError, match=r"step-00000008 is broken"):
        _trainer(folder).resume()


def test_checkpoints_of_another_run(finished) -> None:
    with pytest.raises(CheckpointError, match=r"configuration \(learning_rate 0.01 -> 0.5\)"):
        _trainer(finished, config=_changed(learning_rate=0.5)).resume()
    with pytest.raises(CheckpointError, match=r"(?s)does not fit the model.*token_embedding"):
        _trainer(finished, sizes=GPTConfig(**{**SIZES.to_dict(), "vocab_size": 32})).resume()


def test_a_full_disk_leaves_the_last_checkpoint(finished, tmp_path, monkeypatch) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    trainer = _trainer(folder)
    trainer.resume()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch_models.training.checkpoint.save_file", full)
    trainer.step = 9
    with pytest.raises(OSError, match="No space"):
        trainer.save()
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["step-00000008"]
    assert _trainer(folder).resume()


def test_rate_warms_up_and_follows_a_cosine() -> None:
    config = TrainingConfig(steps=101, learning_rate=2.0, warmup_steps=0, final_fraction=0.5)
    assert [config.rate(step) for step in (0, 50, 100)] == pytest.approx([2.0, 1.5, 1.0])
    config = TrainingConfig(steps=101, learning_rate=2.0, warmup_steps=4, final_fraction=0.0)
    assert [config.rate(step) for step in range(5)] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])
    assert config.rate(100) == pytest.approx(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be an integer >= 1, got 0"),
        ({"learning_rate": 0}, "learning_rate must be a finite number > 0"),
        ({"warmup_steps": 8}, "warmup_steps must be an integer >= 0 and < 8, got 8"),
        ({"final_fraction": 2}, "final_fraction must be a finite number >= 0 and <= 1"),
        ({"optimizer": "sgd"}, "optimizer must be one of adamw, muon, got 'sgd'"),
        ({"precision": "float16"}, "precision must be one of float32, bfloat16"),
        ({"beta2": 1}, "beta2 must be a finite number >= 0 and < 1"),
        ({"micro_batch": -1}, "micro_batch must be an integer >= 0"),
    ],
)
def test_wrong_configurations(changes, message) -> None:
    with pytest.raises(ConfigError, match=message):
        _changed(**changes)


def test_vectors_are_not_decayed_and_muon_gets_matrices_of_blocks() -> None:
    model = GPT(SIZES)
    names = {parameter: name for name, parameter in model.named_parameters()}
    adamw, muon = make_optimizers(model, CONFIG)
    matrices = {names[p] for p in muon.param_groups[0]["params"]}
    assert matrices == {n for n in names.values() if n.startswith("blocks") and "weight" in n} - {
        n for n in names.values() if "norm" in n
    }
    undecayed = {names[p] for g in adamw.param_groups if not g["weight_decay"] for p in g["params"]}
    assert undecayed == {name for parameter, name in names.items() if parameter.dim() == 1}
    everything = [p for o in (adamw, muon) for g in o.param_groups for p in g["params"]]
    assert len(everything) == len(set(everything)) == len(names)


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
def test_muon_is_torchs_muon(shape) -> None:
    torch.manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(shape))
    theirs = torch.nn.Parameter(ours.detach().clone())
    optimizers = (
        Muon([ours], lr=0.1),
        torch.optim.Muon([theirs], lr=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    start = ours.detach().clone()
    for _ in range(5):
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    # torch's runs in bfloat16
    difference = (ours - theirs).norm() / (ours - start).norm()
    assert difference < 0.02


def test_orthogonalised_keeps_directions_and_evens_sizes() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(12, 20)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ orthogonalised(matrix) @ right.T
    values = inner.diagonal()
    assert (inner - values.diag()).abs().max() < 1e-4
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert (orthogonalised(torch.zeros(3, 5)) == 0).all()


def test_an_epoch_reads_every_window_once() -> None:
    data = TokenWindows(torch.arange(1000), context_length=8, batch_size=5, seed=3)
    for epoch in (0, 1):
        indices = range(epoch * data.batches_per_epoch, (epoch + 1) * data.batches_per_epoch)
        batches = [data.batch(index) for index in indices]
        starts = torch.cat([inputs[:, 0] for inputs, _ in batches])
        assert len(starts.unique()) == len(starts) >= data.windows - 4
        assert len((starts % 8).unique()) == 1
        for inputs, targets in batches:
            assert torch.equal(targets, inputs + 1)
            assert inputs.shape == (5, 8)
    assert not torch.equal(data.batch(0)[0], data.batch(data.batches_per_epoch)[0])
    assert torch.equal(data.batch(7)[0], data.batch(7)[0])


def test_wrong_data() -> None:
    with pytest.raises(DataError, match=r"40 tokens are too few .* it takes 48"):
        TokenWindows(range(40), 8, 5)
    assert TokenWindows(range(48), 8, 5).batch(0)[0].shape == (5, 8)
    with pytest.raises(DataError, match="one row of integer ids"):
        TokenWindows(torch.zeros(3, 3), 1, 1)
    with pytest.raises(DataError, match=r"torch.float32"):
        TokenWindows(torch.zeros(30), 1, 1)
    with pytest.raises(ConfigError, match="must be positive"):
        TokenWindows(range(40), 0, 5)
