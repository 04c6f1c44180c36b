"""Networks of Hugging Face's transformers for images and texts, trained further or frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlc.backbones.base import register_backbone
from mlc.backbones.pretrained_files import files_digest, transformers
from mlc.backbones.pretrained_images import as_bytes, normalisation, resized
from mlc.config.errors import ConfigError, DataError
from mlc.config.options import option
from mlc.config.texts import shown

_PADDING = -1
_TOKENIZER, _PROCESSOR = "AutoTokenizer", "AutoImageProcessor"
# To be raised when this module prepares samples or pools outputs otherwise.
_VERSION = "pretrained 2"


@dataclass
class PretrainedOptions:
    """Options of a pretrained network.

    Attributes:
        model: a folder that `save_pretrained` wrote, or a name on the hub, as "microsoft/resnet-18".
        weights: "default" are the stored weights; "none" are random ones.
        pooling: from the last hidden layer to one vector: the "mean" over tokens or positions, the
            "first" token, or the "pooled" output of the network; "auto" is mean for texts, and for
            images pooled unless the files lack the weights of that output, then first.
        max_length: the number of tokens after which a text is cut.
        rate_factor: the learning rate of this network as a multiple of optimizer.lr.
        checkpointing: whether hidden layers are computed again in the backward pass, which saves memory.
    """

    model: str | None = None
    weights: str = option("default", choices=("default", "none"))
    pooling: str = option("auto", choices=("auto", "mean", "first", "pooled"))
    max_length: int = option(128, at_least=2)
    rate_factor: float = option(0.01, above=0)
    checkpointing: bool = False

    def validate(self, prefix: str) -> None:
        """Check that a network is named."""
        if not self.model:
            raise ConfigError(
                f"{prefix}model is missing: name a folder that save_pretrained wrote, or a network of"
                " the hub, such as microsoft/resnet-18 or sentence-transformers/all-MiniLM-L6-v2."
            )


@register_backbone("pretrained", PretrainedOptions)
class Pretrained(nn.Module):
    """A network of transformers (`AutoModel`) with its tokenizer or image processor.

    Args:
        sample_shape: (max_length,) for texts, (channels, height, width) for images.
        options: the options.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, sample_shape: Sequence[int], options: PretrainedOptions) -> None:
        super().__init__()
        self.takes_tokens, self._model = len(sample_shape) == 1, options.model
        self.network, missing = _network(options)
        self.pooling = _pooling(options, self.takes_tokens, missing)
        if self.takes_tokens:
            self.padding = getattr(self.network.config, "pad_token_id", None) or 0
        else:
            for name, value in normalisation(_preparation(_PROCESSOR, options)).items():
                self.register_buffer(name, value.view(-1, 1, 1), persistent=False)
        pooler = getattr(self.network, "pooler", None)
        unused = self.pooling in ("mean", "first")
        if unused and pooler is not None and [*pooler.parameters()]:
            self.network.pooler = None  # type: ignore[assignment]
        if options.checkpointing:
            _checkpoint(self.network, options)

    def forward(self, samples: Tensor) -> Tensor:
        """Map tokens (B, L), with -1 after the end of a text, or pixels (B, C, H, W) to (B, D)."""
        return self._of_tokens(samples.long()) if self.takes_tokens else self._of_images(samples)

    def _of_tokens(self, tokens: Tensor) -> Tensor:
        mask = tokens >= 0
        # Columns that are padding in all rows cost time and change nothing.
        longest = tokens.shape[1]
        if not torch.compiler.is_exporting():
            longest = max(1, int(mask.sum(dim=1).max()))
        self._require_positions(longest)
        tokens, mask = tokens[:, :longest], mask[:, :longest]
        outputs = self._outputs(
            input_ids=tokens.masked_fill(~mask, self.padding), attention_mask=mask.long()
        )
        if self.pooling == "pooled":
            return _vectors(outputs)
        hidden: Tensor = outputs.last_hidden_state
        if self.pooling == "first":
            return hidden[:, 0]
        kept = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)

    def _require_positions(self, n_tokens: int) -> None:
        """Require that the network has a position for each token."""
        config: Any = self.network.config
        positions = getattr(config, "max_position_embeddings", None)
        if positions is not None and "roberta" in str(config.model_type):
            # Its positions begin after that of the padding.
            positions -= (config.pad_token_id or 0) + 1
        if positions is not None and n_tokens > positions:
            raise ConfigError(
                f"A text of {n_tokens} tokens, as backbone.max_length allows, is longer than the"
                f" {positions} positions of the network: set backbone.max_length={positions} or less."
            )

    def _of_images(self, images: Tensor) -> Tensor:
        outputs = self._outputs(pixel_values=images * self.scale + self.shift)
        has_pooled = getattr(outputs, "pooler_output", None) is not None
        if self.pooling == "pooled" or (self.pooling == "auto" and has_pooled):
            return _vectors(outputs)
        hidden: Tensor = outputs.last_hidden_state
        if self.pooling != "mean":
            return _first_token(hidden)
        return hidden.mean(dim=1) if hidden.ndim == 3 else hidden.flatten(2).mean(dim=2)

    def _outputs(self, **inputs: Tensor) -> Any:
        try:
            return self.network(**inputs)
        except ValueError as error:
            reason = " ".join(str(error).split())[:300]
            kind = "texts" if self.takes_tokens else "images"
            raise ConfigError(
                f"backbone.model={self._model} does not take {kind} alone ({reason}): name a network of"
                " one input; that of CLIP for images is CLIPVisionModel, which save_pretrained writes"
                " to a folder of its own."
            ) from error
        except IndexError as error:
            raise ConfigError(
                f"backbone.model={self._model}: the tokenizer knows more tokens than the network: write"
                " both of one network to the folder."
            ) from error

    @staticmethod
    def prepare(samples: Any, options: PretrainedOptions) -> NDArray[Any]:
        """Return tokens (N, max_length), int32, or resized images (N, 3, height, width), uint8."""
        if isinstance(samples, np.ndarray):
            images = as_bytes(samples)
            return resized(images, _preparation(_PROCESSOR, options), str(options.model))
        return _tokens(samples, options)

    @staticmethod
    def fingerprint(options: PretrainedOptions) -> str:
        """Return a text that changes with the files of the network and with the preparation."""
        used = options.weights, options.pooling, options.max_length
        return f"{_VERSION} {files_digest(str(options.model), options.weights)} {used}"


def _load(kind: str, options: PretrainedOptions, **arguments: Any) -> Any:
    """Call `from_pretrained` of a class of transformers."""
    try:
        return getattr(transformers(), kind).from_pretrained(options.model, **arguments)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"backbone.model={options.model}: {kind} cannot be loaded ({reason}): name a folder that"
            " save_pretrained wrote, or a network of the hub, which needs the internet once."
        ) from error


def _network(options: PretrainedOptions) -> tuple[nn.Module, list[str]]:
    """Return the network, and the names of its weights that no file holds."""
    if options.weights == "none":
        config = _load("AutoConfig", options)
        return transformers().AutoModel.from_config(config).float(), []
    network, info = _load("AutoModel", options, output_loading_info=True, dtype=torch.float32)
    return network, sorted(info["missing_keys"])


def _pooling(options: PretrainedOptions, takes_texts: bool, missing: Sequence[str]) -> str:
    """Choose the pooling; refuse one that needs weights which no file holds.

    "auto" stays for images: the outputs of the network show whether there is a pooled one.

    Raises:
        ConfigError: the files lack weights that the features depend on.
    """
    lacks_pooler = [name for name in missing if name.startswith("pooler.")]
    others = [name for name in missing if name not in lacks_pooler]
    pooling = options.pooling
    if pooling == "auto" and takes_texts:
        pooling = "mean"
    elif pooling == "auto" and lacks_pooler:
        pooling = "first"
    lacking = [*others, *(lacks_pooler if pooling == "pooled" else [])]
    if lacking:
        raise ConfigError(
            f"backbone.model={options.model} holds no weights for {lacking[0]} and {len(lacking) - 1}"
            " more: name another network or pooling, or train it from scratch with"
            " backbone.weights=none."
        )
    return pooling


def _vectors(outputs: Any) -> Tensor:
    pooled: Tensor | None = getattr(outputs, "pooler_output", None)
    if pooled is None:
        raise ConfigError(
            "The network has no pooled output: set backbone.pooling to mean or first."
        )
    return pooled.flatten(1)


def _first_token(hidden: Tensor) -> Tensor:
    """Return the first token of hidden states (B, L, D): (B, D)."""
    if hidden.ndim != 3:
        raise ConfigError(
            "The network has feature maps and no first token: set backbone.pooling to mean or pooled."
        )
    return hidden[:, 0]


def _checkpoint(network: nn.Module, options: PretrainedOptions) -> None:
    # The second name is that of older versions.
    names = "activation_checkpointing_enable", "gradient_checkpointing_enable"
    enable: Any = next(getattr(network, name) for name in names if hasattr(network, name))
    try:
        enable({"use_reentrant": False})
    except ValueError as error:
        raise ConfigError(
            f"backbone.model={options.model} cannot compute its layers again: leave out"
            " backbone.checkpointing."
        ) from error


def _tokens(texts: Sequence[str], options: PretrainedOptions) -> NDArray[np.int32]:
    _require_characters(texts)
    tokenizer = _preparation(_TOKENIZER, options)
    _require_words(tokenizer, options)
    encoded = tokenizer(list(texts), truncation=True, max_length=options.max_length, padding=False)[
        "input_ids"
    ]
    rows = np.full((len(texts), options.max_length), _PADDING, dtype=np.int32)
    for row, tokens in zip(rows, encoded, strict=True):
        # A text without a token still needs an input.
        tokens = tokens or [tokenizer.pad_token_id or tokenizer.eos_token_id or 0]
        row[: len(tokens)] = tokens
    return rows


def _require_words(tokenizer: Any, options: PretrainedOptions) -> None:
    """Require a vocabulary; without its files, transformers returns a tokenizer that knows no word."""
    special = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    # That of T5 knows a blank.
    if len(set(tokenizer.get_vocab()) - special) < 2:
        raise ConfigError(
            f"backbone.model={options.model}: the vocabulary of the tokenizer is missing, so every word"
            " would be unknown: write it there too, as"
            " AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER) does."
        )


def _require_characters(texts: Sequence[str]) -> None:
    """Require texts that UTF-8 can encode, as tokenizers do."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"The text {shown(text)} holds half a character (a lone surrogate) at position"
                f" {error.start}: replace it, as text.encode(errors='replace').decode() does."
            ) from error


def _preparation(kind: str, options: PretrainedOptions) -> Any:
    """Return the tokenizer or image processor, loaded once for each state of its files."""
    model = str(options.model)
    return _load_once(kind, model, files_digest(model, options.weights))


@lru_cache(maxsize=1)
def _load_once(kind: str, model: str, files: str) -> Any:
    # The other implementation of processors needs torchvision.
    arguments = {"backend": "pil"} if kind == _PROCESSOR else {}
    return _load(kind, PretrainedOptions(model), **arguments)
