"""What a run says that ends because a device failed."""

import shlex

import tensorflow as tf

from ganzoo.errors import GanzooError
from ganzoo.training.checkpoints import list_checkpoints


def how_to_continue(out):
    """Tells what to do with a run folder whose run was cut short."""
    return f"Go on with the same command; the run is in {shlex.quote(str(out))}."


def device_error(error, model, settings, out):
    """Makes of an error of TensorFlow's, raised in a step, one that says what to do."""
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return GanzooError(_out_of_memory(model, settings, out))
    return GanzooError(
        f"Training failed at step {model.steps_taken}: {str(error).splitlines()[0]} "
        f"{how_to_continue(out)}"
    )


def _out_of_memory(model, settings, out):
    size, place, row = settings.training["batch_size"], "", ""
    if hasattr(model, "schedule"):
        side = model.resolution
        size = model.schedule.stage(side)[0].batch_size or size
        place = f" at {side}x{side}"
        row = f" (batch_size in the row of phases for {side}, and for larger ones)"
    # A step that fails may have been counted, or not.
    text = f"The memory was used up near step {model.steps_taken}, by a batch of {size}{place}. "
    remedies = [f"a smaller batch{row}"] if size > 1 else []
    if model.compute_dtype == "float32":
        remedies.append("half precision (--precision bfloat16)")
    remedies += ["a smaller model or image size"] if not remedies else []
    remedy = " or ".join(remedies)
    if not list_checkpoints(out / "checkpoints"):
        return f"{text}Start the command again with {remedy}."
    return (
        f"{text}Train anew in another folder, with {remedy}. With more memory the same command "
        f"goes on; the run is in {shlex.quote(str(out))}."
    )
