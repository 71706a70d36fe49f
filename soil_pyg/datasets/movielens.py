from typing import ClassVar

from soil_pyg.datasets.published import Published, PublishedDataset

IMAGES = "e567eef29726cd7d680c9374ccaeb23680934d7e6d1516dc6dd6976bb4fe3386"
TEXTS = "ff3a75db6511fb9a248487cddbae379ff0d777b126721291013050336996afcf"
"""The features of the movies of MovieLens 1M."""


class MovieLens(PublishedDataset):
    r"""Movies of `MovieLens <https://grouplens.org/datasets/movielens/>`_ with posters
    (EfficientNet-Lite0, 1,280 columns) and descriptions (all-MiniLM-L6-v2, 384 columns).

    - :obj:`ml1m`: all pairs of MovieLens 1M in their 10-core; those of each user are split 8:1:1
      at random;
    - :obj:`ml1m_sparse`: twelve pairs per user of :obj:`ml1m`, drawn at random: ten to train, one
      to validate, one to test;
    - :obj:`mls`: the pairs of MovieLens latest-small with a rating of at least 4 in their 5-core,
      split like :obj:`ml1m`; it has more items than users.

    GroupLens licenses MovieLens for research, not for commercial use. Publications must cite
    `Harper and Konstan (2015) <https://doi.org/10.1145/2827872>`_. MovieLens 1M must not be
    redistributed; latest-small, and what is derived from it, may be under the same terms.

    **Statistics:**

    .. list-table::
        :widths: 20 15 15 20 40
        :header-rows: 1

        * - Name
          - #users
          - #items
          - #interactions
          - #training / validation / test
        * - ml1m
          - 6,040
          - 3,260
          - 998,539
          - 804,141 / 97,199 / 97,199
        * - ml1m_sparse
          - 6,040
          - 3,064
          - 72,480
          - 60,400 / 6,040 / 6,040
        * - mls
          - 601
          - 1,955
          - 41,227
          - 33,479 / 3,874 / 3,874

    The items of :obj:`ml1m_sparse` are those with interactions; all 3,260 are candidates. 4 items
    of :obj:`ml1m` and 154 of :obj:`mls` have no poster.

    Args:
        root (str or os.PathLike): The folder that holds the folder of the data set.
        name (str): :obj:`"ml1m"`, :obj:`"ml1m_sparse"` or :obj:`"mls"`.
        transform, pre_transform, force_reload (optional): See :class:`HeteroDataset`.

    Raises:
        FileNotFoundError: If there is no interaction file; the error says how to make another.
        ValueError: If the name is unknown or the interactions differ from those of the benchmark.
    """

    source = (
        "The licence of MovieLens 1M forbids redistribution, so there is no download. For a split "
        "of your own, take ml-1m or ml-latest-small of https://grouplens.org/datasets/movielens/ "
        "and give the folder to 'soil-pyg prepare' (see data/README.md)."
    )
    published: ClassVar[dict[str, Published]] = {
        "ml1m": Published(
            counts=(6_040, 3_260, 998_539),
            splits=(804_141, 97_199, 97_199),
            checksum="3adbc386635fba4a7d38d2b6e4beb38659991090fce0b4eacbbfd99e50989437",
            features={"image": IMAGES, "text": TEXTS},
        ),
        "ml1m_sparse": Published(
            counts=(6_040, 3_064, 72_480),
            splits=(60_400, 6_040, 6_040),
            checksum="cc3a55f4307acee4830bdff91b0ef5195235844533b0c53eebbfb8641ebc302c",
            features={"image": IMAGES, "text": TEXTS},
        ),
        "mls": Published(
            counts=(601, 1_955, 41_227),
            splits=(33_479, 3_874, 3_874),
            checksum="cb736f91f052aca2bc30c8d25a952fd98437ef471a68aba92c7e3cd398325f38",
            features={
                "image": "53e219029ce9989e9e358205e871b2b7cc81d6bdcf57c3d5f38b470afc1f858b",
                "text": "46618175f02387fd1348d4f8618a3bd9a8599417aa383ba6b5f197e147e00891",
            },
        ),
    }
