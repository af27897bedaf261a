"""A dataset's own weights of confidence: `_work/calibration.json`, which every run and refresh of it uses."""

import json
from collections.abc import Mapping
from typing import Any

from extractors.confidence.confidence import Weights, default_weights, weights_of
from flows.storage.backends.layout import CALIBRATION_FILE
from flows.storage.dataset import Dataset
from schemas.errors import DatasetError


def weights_for(dataset: Dataset) -> Weights:
    """The dataset's own weights, else those of the package. Raises DatasetError for a file that has none."""
    try:
        return weights_of(json.loads(dataset.store.read(CALIBRATION_FILE)))
    except FileNotFoundError:
        return default_weights()
    except ValueError as error:
        raise DatasetError(
            f"{dataset.location}/{CALIBRATION_FILE}: {error}; remove it, or write it anew with `pagemill evaluate --calibrate`"
        ) from None


def keep_weights(dataset: Dataset, weights: Mapping[str, Any]) -> None:
    """Write a dataset's own weights, whole or not at all."""
    with dataset.locked():
        dataset.store.write(CALIBRATION_FILE, json.dumps(weights, indent=1).encode())
