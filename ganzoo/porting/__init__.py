"""Official checkpoints: safe readers, and maps from their layouts to ganzoo's networks."""

from ganzoo.porting.flattening import flatten
from ganzoo.porting.pytorch import read_checkpoint

__all__ = ["flatten", "read_checkpoint"]
