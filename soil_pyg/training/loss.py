from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.func import functional_call
from torch.nn import Embedding
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.typing import Triplets
from soil_pyg.utils._private import BackendCompilerFailed


class TrainingLoss(torch.nn.Module):
    r"""The loss of a model, on all of the data or on a part of it, compiled or not.

    On a part, the parameters that have a row a node (:meth:`~soil_pyg.models.Recommender.
    node_parameters`) are replaced by their rows of the part's nodes. Their gradients are sparse and
    hold these rows alone, which is what :class:`~soil_pyg.training.row_adam.RowAdam` takes.

    Args:
        model (Recommender): The model.
        parts (bool, optional): Whether it will be trained on parts. (default: :obj:`False`)
        compile (bool, optional): Whether :func:`torch.compile` compiles the loss.
            (default: :obj:`False`)

    Raises:
        ValueError: If the model has to be trained on parts and has a table of all users or all
            items that it does not name as such.
    """

    def __init__(self, model: Recommender, parts: bool = False, compile: bool = False) -> None:
        super().__init__()
        self.model = model
        # An epoch has batches of two sizes at the most: each is compiled, and as what it is.
        self._compiled = torch.compile(model.loss, dynamic=False) if compile else None
        self._prepared = False
        self._node_parameters = model.node_parameters() if parts else {}
        for name, module in model.named_modules():
            if (
                parts
                and isinstance(module, Embedding)
                and module.num_embeddings in (model.num_users, model.num_items)
                and f"{name}.weight" not in self._node_parameters
            ):
                raise ValueError(
                    f"'node_parameters()' of {type(model).__name__} must say of which nodes "
                    f"'{name}.weight' holds a row each, to be trained with num_partitions > 1"
                )

    def forward(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the terms of the loss with the parameters as they are.

        Args:
            data (HeteroData): The data.
            batch (Triplets): The batch.

        Raises:
            RuntimeError: If the loss cannot be compiled.
        """
        if self._compiled is None:
            return self.model.loss(data, batch)
        if not self._prepared:
            # Compiled code shall find both directions of the graphs, not make them.
            for store in data.stores:
                for value in store.values():
                    if isinstance(value, Adjacency):
                        value.prepare()
            self._prepared = True
        try:
            return self._compiled(data, batch)
        except BackendCompilerFailed as error:
            raise RuntimeError(
                "'compile' needs a compiler: install g++ (on a GPU, Triton) or set compile=False "
                f"({getattr(error, 'inner_exception', error)})"
            ) from error

    def terms(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the terms of the loss.

        Args:
            data (HeteroData): The data, or a part of it with :obj:`n_id`.
            batch (Triplets): The batch, in the numbers of that data.

        Raises:
            RuntimeError: If the loss cannot be compiled.
        """
        rows = {
            f"model.{name}": _Rows.apply(self.model.get_parameter(name), data[kind].n_id)
            for name, kind in self._node_parameters.items()
        }
        return functional_call(self, rows, (data, batch)) if rows else self(data, batch)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor) -> Tensor:
        ctx.size = table.size()
        ctx.save_for_backward(index)
        return table.index_select(0, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        # Each row is there once, so there is nothing to add up.
        index = index.unsqueeze(0)
        table_grad = torch.sparse_coo_tensor(
            index, grad, ctx.size, check_invariants=False, is_coalesced=True
        )
        return table_grad, None
