import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.nn.split_batch import gather_batch
from soil_pyg.utils.checks import check_choice, check_greater


class AlignedPairsLoss(torch.nn.Module):
    r"""Contrasts each aligned pair with all aligned pairs of the batch (Eq. 15 and 16).

    .. math::
        \mathcal{L} = - \sum_{b=1}^{B} \log \frac{\exp(\mathbf{q}_b^{\top} \mathbf{c}_b / \tau)}
        {\sum_{b^{\prime}=1}^{B} \exp(\mathbf{q}_{b^{\prime}}^{\top} \mathbf{c}_{b^{\prime}} /
        \tau)}

    from `"SOIL: Contrastive Second-Order Interest Learning for Multimodal Recommendation"
    <https://doi.org/10.1145/3664647.3681207>`_. The denominator is one number for the batch and
    repeated pairs count as often as they occur.

    Args:
        tau (float, optional): The temperature :math:`\tau`. (default: :obj:`0.2`)
        reduction (str, optional): :obj:`"sum"` or :obj:`"mean"` over the batch.
            (default: :obj:`"sum"`)

    Raises:
        ValueError: If :obj:`tau` is not positive or :obj:`reduction` is anything else.

    Example:
        >>> x = torch.eye(2)
        >>> AlignedPairsLoss(tau=1.0)(x, x)
        tensor(1.3863)
    """

    def __init__(self, tau: float = 0.2, reduction: str = "sum") -> None:
        super().__init__()
        check_greater("tau", tau, 0)
        check_choice("reduction", reduction, ("sum", "mean"))
        self.tau = tau
        self.reduction = reduction

    def forward(self, query: Tensor, candidate: Tensor, pairs: Tensor | None = None) -> Tensor:
        """Returns the loss of a batch of pairs of a query and its candidate.

        Args:
            query (Tensor): Queries of shape :obj:`[num_queries, channels]`.
            candidate (Tensor): Candidates of shape :obj:`[num_candidates, channels]`.
            pairs (Tensor, optional): The row in :obj:`query` and the row in :obj:`candidate` of
                each pair, of shape :obj:`[2, batch_size]`. (default: :obj:`None`, each query with
                the candidate of the same row)
        """
        return self.compare(self.normalize(query), self.normalize(candidate), pairs)

    def normalize(self, x: Tensor) -> Tensor:
        """Returns :obj:`x` itself: the inner products are raw."""
        return x

    def compare(self, query: Tensor, candidate: Tensor, pairs: Tensor | None = None) -> Tensor:
        """Returns the loss; arguments as for the call."""
        if pairs is not None:
            query, candidate = F.embedding(pairs[0], query), F.embedding(pairs[1], candidate)
        similarity = gather_batch((query * candidate).sum(dim=-1) / self.tau)
        log_ratio = similarity.log_softmax(dim=0)
        return -(log_ratio.sum() if self.reduction == "sum" else log_ratio.mean())

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(tau={self.tau}, reduction={self.reduction!r})"


class BPRLoss(torch.nn.Module):
    r"""The Bayesian personalised ranking loss (Eq. 17).

    .. math::
        \mathcal{L} = - \sum_{(u, i, j)} \log \sigma(\hat{y}_{ui} - \hat{y}_{uj})

    from `"BPR: Bayesian Personalized Ranking from Implicit Feedback"
    <https://arxiv.org/abs/1205.2618>`_.

    Args:
        reduction (str, optional): :obj:`"sum"` or :obj:`"mean"` over the batch.
            (default: :obj:`"mean"`)

    Raises:
        ValueError: If :obj:`reduction` is anything else.

    Example:
        >>> BPRLoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]))
        tensor(0.6931)
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_choice("reduction", reduction, ("sum", "mean"))
        self.reduction = reduction

    def forward(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Returns the loss of pairs of scores.

        Args:
            positive (Tensor): Scores of the positive items, of shape :obj:`[batch_size]`.
            negative (Tensor): Scores of the negative items, of shape :obj:`[batch_size]`.
        """
        loss = gather_batch(-F.logsigmoid(positive - negative))
        return loss.sum() if self.reduction == "sum" else loss.mean()

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(reduction={self.reduction!r})"


def embedding_loss(*embeddings: Tensor) -> Tensor:
    r"""Regularises embeddings by their Frobenius norms.

    .. math::
        \mathcal{L} = \frac{1}{B} \sum_n \|\mathbf{E}_n\|_F

    with :math:`B` the number of rows of the last argument, as in the training of the baselines of
    `"SOIL: Contrastive Second-Order Interest Learning for Multimodal Recommendation"
    <https://doi.org/10.1145/3664647.3681207>`_.

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
    rows = [gather_batch(embedding) for embedding in embeddings]
    norms: list[Tensor] = [embedding.norm() for embedding in rows]
    return sum(norms[1:], start=norms[0]) / rows[-1].size(0)
