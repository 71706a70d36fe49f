import torch
from torch import Tensor
from torch.nn import Parameter

from soil_pyg.utils.checks import check_integer


class SpectralFilter(torch.nn.Module):
    r"""Multiplies the spectra of one or more features of each node and filters the product by
    trained complex numbers.

    .. math::
        \mathbf{x}^{\prime}_i = \mathcal{F}^{-1} \Big( \mathbf{c} \odot \prod_m \mathcal{F}
        (\mathbf{x}_{m,i}) \Big)

    with :math:`\mathcal{F}` the orthonormal Fourier transform of real numbers along the channels,
    from `"Spectrum-based Modality Representation Fusion Graph Convolutional Network for Multimodal
    Recommendation" <https://arxiv.org/abs/2412.14978>`_.

    Args:
        channels (int): The dimension of the features.

    Shapes:
        - **inputs:** one or more features :math:`(|\mathcal{V}|, F)`
        - **outputs:** :math:`(|\mathcal{V}|, F)`

    Example:
        >>> SpectralFilter(channels=8)(torch.randn(3, 8), torch.randn(3, 8)).size()
        torch.Size([3, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        check_integer("channels", channels, 1)
        self.channels = channels
        self.weight = Parameter(torch.empty(channels // 2 + 1, 2))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the real and the imaginary parts again (standard normal)."""
        torch.nn.init.normal_(self.weight)

    def forward(self, *x: Tensor) -> Tensor:
        """Filters the features.

        Args:
            *x (Tensor): The features of the same nodes, at least one.

        Raises:
            ValueError: If there are none, or they have another number of channels.
        """
        if not x or any(each.size(-1) != self.channels for each in x):
            got = [each.size(-1) for each in x]
            raise ValueError(f"'x' must have {self.channels} channels each (got {got})")
        # No transform has a lower precision.
        dtype = torch.promote_types(x[0].dtype, torch.float32)
        spectrum = torch.fft.rfft(x[0].to(dtype), norm="ortho")
        for other in x[1:]:
            spectrum = spectrum * torch.fft.rfft(other.to(dtype), norm="ortho")
        spectrum = spectrum * torch.view_as_complex(self.weight.to(dtype))
        out: Tensor = torch.fft.irfft(spectrum, n=self.channels, norm="ortho")
        return out

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.channels})"
