"""All that is read, by name."""

from tests.torture import (
    arff_files,
    caches,
    image_files,
    loaded_runs,
    parquet_files,
    run_folders,
    settings,
    sources,
    tables,
    targets,
)
from tests.torture.inputs import Reader

READERS: dict[str, Reader] = {
    **arff_files.READERS,
    **caches.READERS,
    **image_files.READERS,
    **loaded_runs.READERS,
    **parquet_files.READERS,
    **tables.READERS,
    **sources.READERS,
    **targets.READERS,
    **run_folders.READERS,
    **settings.READERS,
}
