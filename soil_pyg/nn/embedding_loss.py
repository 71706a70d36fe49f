from torch import Tensor


def embedding_loss(*embeddings: Tensor) -> Tensor:
    r"""Regularises embeddings by their Frobenius norms.

    .. math::
        \mathcal{L} = \frac{1}{B} \sum_n \|\mathbf{E}_n\|_F

    with :math:`B` the number of rows of the last argument, as the baselines of `"SOIL: Contrastive
    Second-Order Interest Learning for Multimodal Recommendation"
    <https://doi.org/10.1145/3664647.3681207>`_ are trained.

    Args:
        *embeddings (Tensor): Embeddings, each of shape :obj:`[num_rows, channels]`.

    Raises:
        ValueError: If there are no embeddings.

    Example:
        >>> import torch
        >>> embedding_loss(torch.ones(4, 1), torch.ones(2, 2))
        tensor(2.)
    """
    if len(embeddings) == 0:
        raise ValueError("'embeddings' must hold at least one tensor (got none)")
    norms = [embedding.norm() for embedding in embeddings]
    return sum(norms[1:], start=norms[0]) / embeddings[-1].size(0)
