"""Classical models that a trained network has to beat."""

from torch_models.baselines.kneser_ney import KneserNey

__all__ = ["KneserNey"]
