"""TensorBoard files of a fit, when asked for. The only file that imports tensorboard."""

from pathlib import Path
from typing import Any, Self

from ..splatting.errors import InputError
from ..splatting.train_types import Progress

EVERY = 10  # steps between points


class Board:
    """Writes loss, PSNR and the number of Gaussians to ``tensorboard/`` in the scene folder; nothing if not wanted."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        self._writer: Any = None
        if wanted:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise InputError("TensorBoard is not installed; install it with: pip install tensorboard") from error
            self._writer = SummaryWriter(str(folder / "tensorboard"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, progress: Progress) -> None:
        """Note one step."""
        if self._writer is None or progress.step % EVERY:
            return
        for name, value in (("loss", progress.loss), ("psnr", progress.psnr), ("gaussians", progress.count)):
            self._writer.add_scalar(name, value, progress.step)
