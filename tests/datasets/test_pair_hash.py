import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from soil_pyg.datasets.ids import Ids
from soil_pyg.datasets.pair_hash import pair_hash

FIRST = np.zeros(1, dtype=int)


def hash_of(user: object, item: object, seed: int = 0) -> int:
    values = (np.array([value], dtype=object) for value in (user, item))
    return int(pair_hash(*(Ids(FIRST, ids) for ids in values), seed)[0])


@given(st.text(), st.text(), st.integers(0, 2**70))
def test_pairs_and_seeds_are_told_apart(user: str, item: str, seed: int) -> None:
    found = {hash_of(user, item, seed), hash_of(user + "x", item, seed)}
    found |= {hash_of(user, item + "x", seed), hash_of(user, item, seed + 1)}
    assert len(found) == 4
    assert user == item or hash_of(item, user, seed) not in found


def test_ids_count_as_written() -> None:
    assert hash_of(12, 7) == hash_of("12", "7") != hash_of("7", "12")


def test_bits_are_even() -> None:
    user, item = (np.repeat(np.arange(100), 100), np.tile(np.arange(100), 100))
    hashes = pair_hash(Ids(user, np.arange(100)), Ids(item, np.arange(100)))
    assert len(np.unique(hashes)) == 10**4
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1).mean(axis=0)
    # Six standard deviations.
    assert np.abs(bits - 0.5).max() < 0.03


def mix(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


@given(st.text(), st.text(), st.integers(0, 9))
def test_hashes_agree_with_the_definition(user: str, item: str, seed: int) -> None:
    def of(text: str) -> int:
        digest = hashlib.blake2b(f"{seed} {text}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little")

    assert hash_of(user, item, seed) == mix((of(user) + mix(of(item))) % 2**64)


def test_hashes_stay_what_they_are() -> None:
    """Splits and runs on disk depend on them."""
    assert hash_of("tea", "tea", 3) == 17200439054769019949
