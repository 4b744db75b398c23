"""The built-in roadmaps: every topic has its place, every reference leads somewhere."""

import re
from pathlib import Path

import pytest
from roadmap_log import roadmaps
from roadmap_log.errors import UnknownItemError
from roadmap_log.journey import Journey
from roadmap_log.roadmaps import Item
from sample import ROADMAP, Command

DAYS = {"autodiff": 35, "triton": 35, "torch": 32}

TOPICS = {
    "programme": """
        kernel, load and store, program ids, launch grid: triton/01; block sizes: triton/05
        reductions: triton/09; softmax: triton/11; tile: triton/15; cache: triton/17
        layer norm: triton/22; attention: triton/27; FlashAttention, forward: triton/30
        backward: triton/32; forward and backward as one: triton/35
        tensors: torch/01; autograd: torch/03; nn.module: torch/05; convolutional: torch/09
        recurrent: torch/11; custom modules: torch/13; self-attention: torch/15
        multi-head: torch/17; transformer: torch/19; grouped-query: torch/24
        multi-query: torch/23; kv cache: torch/22; latent attention: torch/26
        deepseek math: torch/32; derivatives: autodiff/01; chain rule: autodiff/02
        graphs: autodiff/03; value class: autodiff/08; operations: autodiff/10
        broadcasting: autodiff/16; matrix multiplication: autodiff/18; tensor: autodiff/15
        function: autodiff/22; graph: autodiff/23; module: autodiff/29; autograd: autodiff/35
        """,
    "six-months": """
        install, homebrew, vs code, git, jupyter, matplotlib, colab, transpose, dot product: 001
        ax = b, inverse, promoted, scalar, vector, tensor, one type: 001
        basis, rank, matrix product: 002; broadcast: 003; python: 005; numpy: 003
        eigenvalues: 011; singular value: 012; derivative: 015; chain rule: 016; gradients: 018
        probability: 022; distributions: 023; pytorch tensors: 026; autograd: 028
        by hand: 037; momentum: 045; optimizer, adam: 046; convolutional: 053; recurrent: 055
        backpropagation: 057; c++: 061; threads, blocks, grids: 069; coalescing: 070
        shared memory: 071; cuda c++: 073; triton: 079; self-attention: 095; attention: 097
        positional: 098; transformer: 099; tiny gpt: 104; from an empty file: 120; llama: 107
        profiler: 122; memory: 123; ddp: 136; fsdp: 138; quantization: 142; qlora: 145
        unsloth: 153; trl: 154; vllm: 155; pull request: 158; fine-tuning: 168; rented: 168
        release, publish: 179; open-source: 151; month: 180
        """,
    "sprint": """
        trees: dsa-trees; graphs: dsa-graphs; dynamic programming: dsa-dynamic-programming
        c++: dsa-trees; tutorials: pytorch-tutorials; eigenvectors, svd, 18.06: linear-algebra
        khan, 3blue1brown: calculus; think stats, cs109: statistics-probability
        boyd, first four chapters: optimization; gpt: first-gpt; scikit-learn: hands-on-ml
        tensorflow: tensorflow-to-pytorch; attention is all you need: attention-from-scratch
        multi-head: multi-head-intuition; sinusoidal, learned: position-encodings
        mini-gpt: mini-gpt; image as a sentence: vision-transformer; text and images: clip
        dall-e 2, stable diffusion: dalle-stable-diffusion; image classification: vit-hands-on
        cross-attention, self-attention: attention-variations
        linformer, performer, longformer: efficient-attention; sparse: sparse-attention
        flash attention: flash-attention; mamba, linear: state-space-models
        mixture-of-experts: mixture-of-experts; retrieval-augmented: rag; advanced: rag-hands-on
        diffusion: diffusion-mastery; ddpm: ddpm; ddim: ddim; score-based: score-based
        own: diffusion-hands-on; generative: advanced-generative; vae-gan, β-vae: vae-gan
        realnvp, glow: flows; energy-based: energy-based; compared: generative-hands-on
        ppo, a3c, sac: policy-gradients; rainbow: rainbow-dqn; multi-agent: multi-agent
        human feedback: rlhf; constitutional, rlaif: constitutional-ai; pipeline: rlhf-hands-on
        model-based: model-based; meta-learning: meta-learning; offline: offline
        memory hierarchies, thread blocks, warps: cuda-fundamentals
        occupancy, coalescing: kernel-optimization; cudnn, cublas: cudnn-cublas; leetgpu: leetgpu
        ddp: data-parallel; pipeline, tensor: model-parallel; fp16, bf16: mixed-precision
        gradient accumulation, gradient checkpointing: accumulation-checkpointing
        int8, int4: quantization; structured, unstructured: pruning; distillation: distillation
        tensorrt, onnx: tensorrt-onnx; airflow: airflow; kubeflow: kubeflow; registry: mlflow
        versions of data: dvc; weights & biases: weights-biases
        tensorboard, debugging: tensorboard-profiling; prometheus, grafana: prometheus-grafana
        drift, data quality: drift; async and await, event loops: asyncio
        process pools, shared memory: multiprocessing; broadcasting, layouts: advanced-numpy
        jax, functional, compilation: jax; ray, tuning: ray; huggingface: hf-transformers
        datasets: hf-datasets; accelerate, tpus: hf-accelerate; deepspeed: deepspeed
        hydra: hydra; optuna: optuna; py-spy, memory_profiler, tracemalloc: memory-profiling
        cython, numba: cython-numba; docker, kubernetes: docker-kubernetes
        sagemaker, vertex, azure: cloud; last two years: papers-10; fifty: papers-50
        hypothesis, testable: hypothesis; baselines, ablation: experimental-design
        clean code: implementation; metrics: evaluation; logs, version control: documentation
        baseline, ablate, existing: baseline-ablate; prototype, paper: publishable-paper
        """,
    "transformer-to-production": """
        linear algebra, 3blue1brown, strang: linear-algebra; probability: probability
        learn the basics, zero to mastery: python-pytorch; micrograd: micrograd; mlp: mlp
        fast.ai: first-lesson; goodfellow: deep-learning-book; karpathy: zero-to-hero
        tokenization, sentencepiece: tokenization; embeddings: embeddings
        self-attention: self-attention; bert, next token, why: pretraining-paradigms
        decoder-only, from scratch: mini-gpt; bpe, bonus: own-tokenizer; gpt: what-is-a-gpt
        alammar: illustrated-transformer; lectures: cs224n; all you need: attention-paper
        let's build gpt: lets-build-gpt; kaplan: kaplan; chinchilla, hoffmann: chinchilla
        predicting: predicting; data, tensor, pipeline: data-tensor-pipeline
        huggingface accelerate, break: accelerate; batch sizes: small-distributed-job
        openai, ouyang, reward model: instruction-following; constitutional: constitutional-ai
        lora: lora-paper; qlora: qlora-paper; lightning ai: lora-from-scratch
        gpt-2, distilbert: fine-tune; flashattention: flash-attention-paper
        quantization: quantization; quantized model: flash-and-quantized; second: sub-second
        ai engineering: ai-engineering; hands-on large: hands-on-llms; raschka: build-an-llm
        lecture series: raschka-lectures
        """,
}
"""For each roadmap its topics: "term, term: id; …"; each term must be found in that box."""


def text_of(item: Item) -> str:
    return " ".join((item.title, item.topic, *item.details)).lower()


@pytest.mark.parametrize("name", list(TOPICS))
def test_every_topic_has_its_place(name: str) -> None:
    items = {item.id: item for item in roadmaps.load(name).items()}
    rows = [row for line in TOPICS[name].split("\n") for row in line.split(";") if row.strip()]
    assert len(rows) > 30
    lost = []
    for row in rows:
        terms, _, place = row.rpartition(": ")
        place = place.strip() if name == "programme" else f"{name}/{place.strip()}"
        text = text_of(items[place])
        lost += [(term, place) for term in terms.split(", ") if term.strip().lower() not in text]
    assert lost == []


def test_each_of_the_180_days_has_a_task_of_its_own() -> None:
    plan = roadmaps.load("six-months")
    items = list(plan.items())
    assert [item.id for item in items] == [f"six-months/{n:03d}" for n in range(1, 181)]
    assert [len(list(part.all_items())) for part in plan.parts] == [30] * 6
    for item in items:
        assert re.fullmatch(rf"Day {item.id[-3:]}: \S.{{3,}}", item.title)
        assert item.topic
        assert item.minutes
        for label in ("Objectives", "Goals"):
            assert len("; ".join(item.detail(label))) > 25, (item.id, label)
    for label in ("Objectives", "Goals"):
        whole = [item.detail(label) for item in items if item.detail(label)[1:]]
        assert len(set(whole)) == len(whole)
    practised = [day for item in items for day in item.practice]
    assert len(set(practised)) == len(practised) > 90, "no day of a track is asked for twice"


@pytest.mark.parametrize("name", roadmaps.names())
def test_what_a_roadmap_refers_to_exists(name: str) -> None:
    source = Path(__file__).parents[2]
    plan = roadmaps.load(name)
    assert plan.title
    assert plan.summary
    for item in plan.items():
        days = (*item.practice, *([item.day] if item.day else []))
        assert all(1 <= number <= DAYS[track] for track, number in days), item.id
        assert not item.practice or set(DAYS) == set(plan.tracks)
        listed = re.findall(r"roadmap start ([a-z]+/\d+)", " ".join(item.detail("Practise")))
        assert listed == [f"{track}/{number}" for track, number in item.practice], item.id
        for line in item.details:
            for paper, address in re.findall(r"\[arXiv (.+?)\]\(https://(.+?)\)", line):
                assert address == f"arxiv.org/abs/{paper}"
                assert re.fullmatch(r"\d\d(0[1-9]|1[0-2])\.\d{4,5}", paper), paper
        for line in filter(lambda line: line.startswith("See:"), item.details):
            for package, module in re.findall(r"`(\w+)\.([\w.]+)`", line):
                folder = source / package / "src" / package
                path = folder.joinpath(*module.split("."))
                if folder.is_dir():  # in the workspace
                    assert path.is_dir() or path.with_suffix(".py").is_file(), (item.id, path)


def test_all_built_in_roadmaps_can_be_followed_at_once(tmp_path: Path) -> None:
    made = Journey.create(tmp_path / "journey", follow=tuple(roadmaps.names()))
    assert len(made.state.items) == 102 + 180 + 91 + 40
    assert {each.roadmap for each in made.state.items.values()} == set(roadmaps.names())


def test_ids_that_two_roadmaps_share_are_refused(journey: Journey, roadmap: Command) -> None:
    (journey.root / "roadmaps" / "other.md").write_text(ROADMAP.replace("name: sample", "name: b"))
    settings = journey.root / "journey.toml"
    settings.write_text(settings.read_text().replace('["sample"]', '["sample", "other"]'))
    refused = roadmap("status")
    assert refused.code == 4
    assert "id 'sample/01' is also one of" in refused.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("- [ ] a <!-- id: a with: torch -->", "with: 'torch'"),
        ("- [ ] a <!-- id: a day: torch/1,torch/2 -->", "day: 'torch/1,torch/2'"),
        ("- [ ] a <!-- id: a/../b -->", "id 'a/../b'"),
        ("- [ ] a <!-- id: a due: tomorrow -->", "due: 'tomorrow'"),
        ("---\norder: any\n---\n- [ ] a <!-- id: a -->", "order: 'any'"),
    ],
)
def test_a_broken_pair_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "plan.md"
    path.write_text(line)
    with pytest.raises(UnknownItemError, match=re.escape(told)):
        roadmaps.parse(path)


def test_what_stands_below_a_box_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    path.write_text(
        "- [ ] A <!-- id: a due: 2026-11-21 with: torch/1,torch/2 -->\n"
        "      the topic\n  - Goals: one; two\n  - [ ] B <!-- id: b -->\n  - Goals: three\n\n"
        "  - Goals: not of B\n"
    )
    first, second = roadmaps.parse(path).items()
    assert (first.topic, first.detail("Goals")) == ("the topic", ("one", "two"))
    assert (first.due, first.practice) == ("2026-11-21", (("torch", 1), ("torch", 2)))
    assert (second.topic, second.details, second.detail("See")) == ("", ("Goals: three",), ())
