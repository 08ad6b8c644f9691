"""OSTNet's two parts, usable with any keypoint-driven network: scale transformation (ST) and scale embedding (SE).

Secs. 3.2 and 3.3 of Hong and Xu, "Learning Online Scale Transformation for Talking Head Video Generation".

Coordinates are ``(x, y)`` in ``[-1, 1]``, where -1 and 1 are the centers of the border pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from baselines.blocks.grid import coordinate_grid, warp
from baselines.blocks.tps import fit, radial_basis

FIDUCIALS = 20  # T (appendix A)


@dataclass(frozen=True)
class Scale:
    """code: the latent scale code z ``(N, Z)``; fiducials: C, ``(N, T, 2)``, coordinates in the driving image."""

    code: Tensor
    fiducials: Tensor


def regular_fiducials(count: int = FIDUCIALS) -> Tensor:
    """Return points ``(count, 2)``: half along the top edge and half along the bottom edge of the rectified image.

    The paper takes its grid generator from Shi et al. (CVPR 2016), with these fiducials.
    """
    x = torch.linspace(-1, 1, count // 2, device="cpu")  # on the device "meta" it would load torch's compiler
    edges = [torch.stack([x, torch.full_like(x, y)], dim=1) for y in (-1.0, 1.0)]
    return torch.cat(edges).to(torch.get_default_device())


def distance_vectors(points: Tensor) -> Tensor:
    """Return keypoints ``(N, K, 2)`` minus their centroid (Eq. 1)."""
    return points - points.mean(1, keepdim=True)


def rectify(image: Tensor, fiducials: Tensor) -> Tensor:
    """Warp the driving image so that `fiducials` move to the regular ones (Eq. 3).

    image: ``(N, 3, H, W)``; fiducials: ``(N, T, 2)``. Black outside the driving image.
    The spline is exact: regular fiducials return the image unchanged.
    """
    n, _, height, width = image.shape
    control, grid, basis = _regular_spline(fiducials.shape[1], height, width, image.device)
    spline = fit(control.expand(n, 1, -1, 2), fiducials.float()[:, None], regularization=0.0)
    flow = spline(grid, basis).view(n, height, width, 2)
    return warp(image, flow.to(image.dtype), align_corners=True)


@lru_cache(maxsize=4)
def _regular_spline(count: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return what all pairs share: control points ``(T, 2)``, pixels ``(H W, 2)``, their radial basis ``(H W, T)``."""
    with torch.inference_mode(False), torch.no_grad():  # a training may use the cached tensors, too
        control = regular_fiducials(count).to(device)
        grid = coordinate_grid(height, width, control).flatten(0, 1)
        return control, grid, radial_basis(grid, control)


class ScaleTransformation(nn.Module):
    """Map the keypoints of both images to the scale code and the fiducial points (Fig. 3, Eqs. 1 and 2).

    The localization network is an MLP of four layers (Fig. 9d); a last layer regresses the fiducials. It starts at the
    regular ones, which leave the driving image unchanged. with_distances: input the distance vectors, too (Table 4).
    """

    def __init__(
        self, num_kp: int, code: int = 128, hidden: int = 256, fiducials: int = FIDUCIALS, with_distances: bool = True
    ):
        super().__init__()
        self.with_distances = with_distances
        sizes = [2 * num_kp * (4 if with_distances else 2), hidden, hidden, hidden, code]
        layers: list[nn.Module] = []
        for a, b in zip(sizes, sizes[1:]):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.localisation = nn.Sequential(*layers[:-1])  # no ReLU on z itself, since it is added to features
        self.fc = nn.Linear(code, 2 * fiducials)
        nn.init.zeros_(self.fc.weight)
        self.fc.bias.data = regular_fiducials(fiducials).flatten()

    def forward(self, source: Tensor, driving: Tensor) -> Scale:
        """Return code and fiducials. source, driving: keypoints ``(N, K, 2)``."""
        parts = [source, driving]
        if self.with_distances:
            parts += [distance_vectors(source), distance_vectors(driving)]
        code = self.localisation(torch.cat([part.flatten(1) for part in parts], dim=1))
        return Scale(code, self.fc(code).float().unflatten(1, (-1, 2)))

    def rectify(self, image: Tensor, scale: Scale) -> Tensor:
        """Return the driving image ``(N, 3, H, W)`` in the source's scale."""
        return rectify(image, scale.fiducials)


class ScaleEmbedding(nn.Module):
    """Compute W_i z and W_i^w z of Eq. 5, which are added to the input of every down block and every up block.

    widths: channels of the generator's features, fine to coarse.
    """

    def __init__(self, widths: Sequence[int], code: int = 128):
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(code, width, bias=False) for width in widths[:-1])
        self.up = nn.ModuleList(nn.Linear(code, width, bias=False) for width in reversed(widths[1:]))

    def forward(self, code: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Map a code ``(N, Z)`` to tensors ``(N, C, 1, 1)`` for the down blocks, fine to coarse, and the up blocks."""
        down, up = ([layer(code)[:, :, None, None] for layer in side] for side in (self.down, self.up))
        return down, up
