"""Images in files, as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import ConfigError, DataError
from mlc.config.options import option
from mlc.config.texts import counted, counted_of, span
from mlc.data.base import Dataset, DataSource, HoldOutOptions, register_source
from mlc.data.files import IMAGE_ENDINGS, as_given, located
from mlc.data.image_cache import Decoded, decoded
from mlc.data.image_copies import note_on_copies
from mlc.data.image_files import broken_text, find_images, refuse_broken
from mlc.data.image_folders import of_folders
from mlc.data.image_listing import Listing, files_named_in, of_table, table_in
from mlc.data.missing_labels import SoftLabelOptions
from mlc.data.spotted import alike_labels

AUGMENTATIONS = ("hflip", "vflip", "rotate90", "crop", "color")


@dataclass
class ImagesOptions(SoftLabelOptions, HoldOutOptions):
    """Options of images.

    Attributes:
        path: a .csv, .tsv or .parquet file that names images and their labels; or a folder whose folders
            name the labels, perhaps below folders train, val and test; or a folder with one such table,
            if `labels` is given.
        labels: the table's column that holds label sets, or several columns of 0 and 1.
        file: the table's column of file names; null is a column file, image, path or the like.
        folder: the folder of the table's file names; null is that of the table.
        split: the table's column that names the part of each image: train, val or test.
        separator: separator of the labels in a cell, null infers it; or in a folder's name, null is _,
            and "none" takes the whole name as one label.
        no_label: folders whose images have no label.
        size: height and width, or one number for both; null is the common size of all images; if
            they differ, the largest height and width, or 224 if one of these is larger.
        grey: one channel instead of three; null is true if all images are grey.
        broken: "error" refuses broken and missing images; "skip" leaves them out.
        augment: random changes of the images in training batches, of hflip, vflip, rotate90, crop and
            color.
        root: folder of a relative path; null is $MLC_DATA or the working folder.
        title: name of the data set in tables; null is the folder's name.
    """

    path: str | None = None
    labels: list[str] = field(default_factory=list)
    file: str | None = None
    folder: str | None = None
    split: str | None = None
    separator: str | None = option(None, words=("none",))
    no_label: list[str] = field(default_factory=list)
    size: list[int] | None = option(None, at_least=1, at_most=4096)
    grey: bool | None = None
    broken: str = option("error", choices=("error", "skip"))
    augment: list[str] = option([], choices=AUGMENTATIONS)
    root: str | None = None
    title: str | None = None

    def validate(self, prefix: str) -> None:
        """Check that the size has one or two sides, and that labels are no file names."""
        if self.size is not None and len(self.size) not in (1, 2):
            raise ConfigError(f"{prefix}size={self.size} must be a height and a width.")
        if self.separator is not None and self.separator.strip('"') == "":
            raise ConfigError(
                f"{prefix}separator={self.separator!r} parts no labels: name a sign such as _ or none."
            )
        for key in ("file", "split"):
            if getattr(self, key) is not None and getattr(self, key) in self.labels:
                raise ConfigError(
                    f"{prefix}{key}={getattr(self, key)} is also in {prefix}labels: name it in one."
                )


@register_source("images")
class Images(DataSource):
    """Images named by a table, or in folders that name their labels.

    The images are decoded once, into a file of the cache.
    """

    Options = ImagesOptions

    @classmethod
    def prepare(cls, options: Any) -> None:
        """Decode the images into the cache."""
        cls.load(options)

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set: pixels (N, C * H * W), uint8."""
        options.validate("data.")
        path = _path(options)
        listing = _listing(path, options)
        images = decoded(listing.files, _size(options), options.grey)
        rows = images.indices
        parts = None if listing.parts is None else np.array(listing.parts, dtype=np.str_)[rows]
        notes = (
            *_broken(images, listing.files, options),
            *note_on_copies(images.pixels, parts, [str(listing.files[row]) for row in rows]),
            *listing.notes,
            *alike_labels(listing.names),
            *_resized(images, options),
        )
        return Dataset(
            name=options.title or (path.name if path.is_dir() else path.name.split(".")[0]),
            features=images.pixels,
            targets=listing.targets[rows],
            known=None if listing.known is None else listing.known[rows],
            soft=None if listing.soft is None else listing.soft[rows],
            feature_names=(),
            label_names=listing.names,
            numeric=np.zeros(images.pixels.shape[1], dtype=bool),
            parts=_parts(parts, path),
            parts_from=listing.parts_from,
            notes=notes,
            sample_shape=images.shape,
            digest=images.digest,
        )

    @classmethod
    def read_samples(
        cls, paths: Sequence[Path], options: Any, shape: Sequence[int]
    ) -> tuple[NDArray[np.uint8], list[Path], dict[int, str]]:
        """Return the pixels (M, C * H * W) of images as in training, all files, and which are broken.

        Broken images have no pixels: they are the files whose index has a reason in the last of the
        three. A caller whose rows are the files refuses them.

        Args:
            paths: images, folders of images, or tables that name images.
            options: of the training.
            shape: (C, H, W) of the training.

        Raises:
            DataError: a path cannot be read, or all images are broken.
        """
        files = [file for path in paths for file in _files_of(path, options)]
        images = decoded(files, shape[1:], shape[0] == 1, in_memory=True)
        return images.pixels, files, images.broken


def _path(options: Any) -> Path:
    if options.path is None:
        raise DataError(
            "data=images needs data.path: a folder whose folders name the labels, or a table that names"
            " images and labels."
        )
    path = located(options.path, options.root)
    if not path.exists():
        raise DataError(f"There is no file or folder {path}{as_given(path)}: correct data.path.")
    return path


def _listing(path: Path, options: Any) -> Listing:
    """Return the images and labels of a table or folder."""
    if not path.is_dir():
        return of_table(path, options)
    return of_table(table_in(path), options) if options.labels else of_folders(path, options)


def _size(options: Any) -> tuple[int, ...]:
    return () if options.size is None else (options.size[0], options.size[-1])


def _files_of(path: Path, options: Any) -> list[Path]:
    if path.is_dir():
        files, _ = find_images(path)
        if not files:
            raise DataError(
                f"{path} holds no image ({', '.join(IMAGE_ENDINGS)}): name another folder."
            )
        return files
    return [path] if path.suffix.lower() in IMAGE_ENDINGS else files_named_in(path, options)


def _broken(images: Decoded, files: Sequence[Path], options: Any) -> tuple[str, ...]:
    """Return a note on the broken images that are left out.

    Raises:
        DataError: there is one, and it is not to be skipped.
    """
    if not images.broken:
        return ()
    if options.broken == "error":
        refuse_broken(images.broken, files, ", or set data.broken=skip")
    named = broken_text(images.broken, files)
    are = counted_of(len(images.broken), len(files), "image", "are")
    return (f"Warning: {are} left out: {named}.",)


def _resized(images: Decoded, options: Any) -> tuple[str, ...]:
    if not images.n_resized:
        return ()
    _, height, width = images.shape
    because = " since they differ in size" if options.size is None else ""
    least_high, least_wide, high, wide = images.sizes
    before = f"{span(least_high, high)} pixels high and {span(least_wide, wide)} wide"
    if (least_high, least_wide) == (high, wide):
        before = f"{high} x {wide} pixels"
    were = "was" if images.n_resized == 1 else "were"
    return (
        f"{counted(images.n_resized, 'image')} of {before} {were} cropped around their centre and"
        f" resized to {height} x {width}{because}; data.size states another size.",
    )


def _parts(named: NDArray[np.str_] | None, path: Path) -> dict[str, NDArray[np.int64]]:
    if named is None:
        return {}
    parts = {part: np.flatnonzero(named == part) for part in ("train", "val", "test")}
    if not all(len(parts[part]) for part in ("train", "test")):
        raise DataError(f"{path}: all images of the training or test part are broken: repair them.")
    return {part: members for part, members in parts.items() if len(members)}
