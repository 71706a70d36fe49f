"""Hashes of pairs of user and item, by their original ids."""

from hashlib import blake2b

import numpy as np

from soil_pyg.datasets.ids import Ids
from soil_pyg.utils.progress import blocks

PAIRS_PER_BLOCK = 2**20
"""The number of pairs, or of ids, that are hashed at a time."""


def pair_hash(user: Ids, item: Ids, seed: int = 0) -> np.ndarray:
    """Returns a 64-bit hash per pair of user and item, as :obj:`uint64`.

    It depends on the ids as written and on the seed. It does not depend on the order of the rows,
    the positions of the ids, the other ids, the process or the machine.

    Example:
        >>> ann, bob, tea = (np.array([text]) for text in ("ann", "bob", "tea"))
        >>> first = np.zeros(1, dtype=int)
        >>> one, other = (pair_hash(Ids(first, user), Ids(first, tea)) for user in (ann, bob))
        >>> (one == other).tolist()
        [False]
    """
    # Not symmetric, so that a user and an item may swap their ids.
    users, items = _id_hashes(user.values, seed), _mix(_id_hashes(item.values, seed))
    hashes = np.empty(len(user.position), dtype=np.uint64)
    for rows in blocks(len(hashes), PAIRS_PER_BLOCK, "Hashing pairs"):
        hashes[rows] = _mix(users[user.position[rows]] + items[item.position[rows]])
    return hashes


def _id_hashes(ids: np.ndarray, seed: int) -> np.ndarray:
    start = blake2b(f"{seed} ".encode(), digest_size=8)
    hashes = np.empty(len(ids), dtype="<u8")
    for block in blocks(len(ids), PAIRS_PER_BLOCK, "Hashing ids"):
        for place, text in enumerate(ids[block].tolist(), block.start):
            state = start.copy()
            state.update(str(text).encode("utf-8", "surrogatepass"))
            hashes[place] = int.from_bytes(state.digest(), "little")
    return hashes.astype(np.uint64, copy=False)


def _mix(values: np.ndarray) -> np.ndarray:
    # The finaliser of splitmix64, a bijection.
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
