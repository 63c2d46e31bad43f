"""Official checkpoints: safe readers, and maps from their layouts to ganzoo's networks."""

from ganzoo.porting.assigning import fill
from ganzoo.porting.flattening import flatten
from ganzoo.porting.pytorch import read_checkpoint
from ganzoo.porting.recognition import Recognised, recognise

__all__ = ["Recognised", "fill", "flatten", "read_checkpoint", "recognise"]
