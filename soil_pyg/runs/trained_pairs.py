"""The pairs that a run was trained on, which must not count as held out when it is continued."""

import copy

import numpy as np
import torch
from torch_geometric.data import HeteroData

from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.runs import checkpoint
from soil_pyg.runs.pair_hashes import PAIR_HASH, hashes_of, training_hashes
from soil_pyg.runs.schema import PAIRS, REMEDY
from soil_pyg.runs.tensor_file import load_tensors
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import HELD_OUT_SPLITS, INTERACTS, ITEM, TRAINED_EARLIER, USER
from soil_pyg.utils.records import DamagedFileError, check_files

MIN_SHARE = 0.05
"""The share of the pairs of a held-out split that must remain."""


def without_trained_pairs(
    data: HeteroData, trained: TrainedModel
) -> tuple[HeteroData, dict[str, int]]:
    """Leaves out the held-out pairs that an earlier run was trained on, for training that starts
    from its weights, see :func:`~soil_pyg.runs.warm_start.warm_start`.

    In a copy of the data, they are neither held out nor ranked, like the training pairs, and they
    are not trained on. The run includes the runs that it has itself been started from. Pairs are
    compared by the original ids. A run that is trained on the copy remembers the pairs of the
    earlier one.

    Args:
        data (HeteroData): The data to train on.
        trained (TrainedModel): The earlier run, as returned by :func:`soil_pyg.load`.

    Returns:
        The copy, and the number of pairs that were left out, by :obj:`"val"` and :obj:`"test"`.

    Raises:
        ValueError: If less than a twentieth of a split would remain, or if it is unknown which
            pairs the run was trained on.

    Example:
        >>> import soil_pyg, tempfile
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> data, later = (SyntheticMultimodal(60, 40, seed=seed)[0] for seed in (0, 1))
        >>> with tempfile.TemporaryDirectory() as run:
        ...     _ = soil_pyg.train(data, run, "bpr", epochs=1, device="cpu", progress=False)
        ...     later, left_out = without_trained_pairs(later, soil_pyg.load(run))
        >>> sorted(left_out)
        ['test', 'val']
    """
    is_trained = _is_trained(data, trained)
    for split, mask in is_trained.items():
        if mask.sum() > (1 - MIN_SHARE) * len(mask):
            raise ValueError(
                f"'init' (--init) must not be trained on the {split} pairs of the data (got "
                f"{mask.sum():,} of {len(mask):,}): prepare the data with 'like' (--like), which "
                "keeps the split of known pairs"
            )
    data = copy.copy(data)
    earlier = [trained_hashes(trained)]
    if PAIR_HASH in data:
        earlier.append(data[PAIR_HASH].numpy(force=True))
    data[PAIR_HASH] = torch.from_numpy(np.unique(np.concatenate(earlier)))
    store = data[INTERACTS]
    removed = [store[TRAINED_EARLIER]] if TRAINED_EARLIER in store else []
    for split, mask in is_trained.items():
        pairs = store[f"{split}_edge_label_index"]
        trained_too = torch.from_numpy(mask).to(pairs.device)
        removed.append(pairs[:, trained_too])
        store[f"{split}_edge_label_index"] = pairs[:, ~trained_too]
    if sum(pairs.size(1) for pairs in removed) > 0:
        store[TRAINED_EARLIER] = torch.cat(removed, dim=1)
    return data, {split: int(mask.sum()) for split, mask in is_trained.items()}


def count_trained_pairs(data: HeteroData, trained: TrainedModel) -> dict[str, int]:
    """Returns the number of held-out pairs that a run was trained on, by split, with the errors of
    :func:`trained_hashes` if there are held-out pairs.
    """
    return {split: int(mask.sum()) for split, mask in _is_trained(data, trained).items()}


def trained_hashes(trained: TrainedModel) -> np.ndarray:
    """Returns the sorted hashes of the pairs that a run and those before it were trained on.

    For a run of an earlier version they are those of its data, if its folder is still there. Raises
    :class:`ValueError` if they are unknown or their file is damaged, and :class:`FileNotFoundError`
    if it is missing.
    """
    if trained.folder is not None and trained.run["files"].get(PAIRS) is not None:
        check_files(trained.folder / checkpoint.RUN, trained.run["files"], [PAIRS], REMEDY)
        path = trained.folder / PAIRS
        hashes = load_tensors(path, verified=True)[0].get(PAIR_HASH)
        if hashes is None or hashes.dtype != torch.long or hashes.dim() != 1:
            raise DamagedFileError(path, f"has no list '{PAIR_HASH}' of integers", REMEDY)
        return np.asarray(hashes)
    folder, data = trained.settings.get("data"), None
    if folder is not None and "init" not in trained.settings:
        try:
            data = load_data_folder(folder)
        except (FileNotFoundError, ValueError):
            data = None
    if data is None or str(getattr(data, "digest", "")) != trained.data_digest:
        raise ValueError(
            f"'init' (--init) must be a run that records its training pairs (got "
            f"'{trained.folder}', of an earlier version and without its data): train it again"
        )
    return training_hashes(data, _ids(data))


def _is_trained(data: HeteroData, trained: TrainedModel) -> dict[str, np.ndarray]:
    """Returns the mask of the pairs of each held-out split that a run was trained on."""
    names = {split: f"{split}_edge_label_index" for split in HELD_OUT_SPLITS}
    ids = _ids(data)
    pairs = {split: hashes_of(data, name, ids) for split, name in names.items()}
    pairs = {split: hashes for split, hashes in pairs.items() if len(hashes) > 0}
    if not pairs:
        return {}
    known = trained_hashes(trained)
    return {split: np.isin(hashes, known) for split, hashes in pairs.items()}


def _ids(data: HeteroData) -> dict[str, np.ndarray]:
    return {node_type: checkpoint.original_ids(data, node_type) for node_type in (USER, ITEM)}
