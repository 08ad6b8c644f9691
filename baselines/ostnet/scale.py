"""OSTNet's two parts, which attach to any keypoint-driven network.

Scale transformation (ST, Sec. 3.2) and scale embedding (SE, Sec. 3.3) of Hong and Xu, "Learning Online Scale
Transformation for Talking Head Video Generation".

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
    """code: the latent scale code z ``(N, Z)``; fiducials: C, ``(N, T, 2)``, where in the driving image they lie."""

    code: Tensor
    fiducials: Tensor


def regular_fiducials(count: int = FIDUCIALS) -> Tensor:
    """``(count, 2)``: half along the top edge and half along the bottom edge of the rectified image.

    The paper takes its grid generator from Shi et al. (CVPR 2016), whose fiducials lie so.
    """
    x = torch.linspace(-1, 1, count // 2, device="cpu")  # on "meta" it would load torch's compiler
    edges = [torch.stack([x, torch.full_like(x, y)], dim=1) for y in (-1.0, 1.0)]
    return torch.cat(edges).to(torch.get_default_device())


def distance_vectors(points: Tensor) -> Tensor:
    """Keypoints ``(N, K, 2)`` less their centroid (Eq. 1)."""
    return points - points.mean(1, keepdim=True)


def rectify(image: Tensor, fiducials: Tensor) -> Tensor:
    """Warp the driving image so that `fiducials` come to lie at the regular ones (Eq. 3).

    image: ``(N, 3, H, W)``; fiducials: ``(N, T, 2)``. Outside the driving image it is black.
    The grid of the spline is exact: regular fiducials give the image back.
    """
    n, _, height, width = image.shape
    control, grid, basis = _regular_spline(fiducials.shape[1], height, width, image.device)
    spline = fit(control.expand(n, 1, -1, 2), fiducials.float()[:, None], regularization=0.0)
    flow = spline(grid, basis).view(n, height, width, 2)
    return warp(image, flow.to(image.dtype), align_corners=True)


@lru_cache(maxsize=4)
def _regular_spline(count: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Same for all pairs: control points ``(T, 2)``, pixels ``(H W, 2)`` and their radial basis ``(H W, T)``."""
    with torch.inference_mode(False), torch.no_grad():  # a training may be the next to use it
        control = regular_fiducials(count).to(device)
        grid = coordinate_grid(height, width, control).flatten(0, 1)
        return control, grid, radial_basis(grid, control)


class ScaleTransformation(nn.Module):
    """Keypoints of both images to the scale code and the fiducial points (Fig. 3, Eqs. 1 and 2).

    The localisation network is an MLP of four layers (Fig. 9d); a last layer regresses the fiducials. It starts at the
    regular ones, where the driving image is left as it is. with_distances: whether the distance vectors are given too
    (Table 4).
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
        self.localisation = nn.Sequential(*layers[:-1])  # z itself is not rectified: it is added to features
        self.fc = nn.Linear(code, 2 * fiducials)
        nn.init.zeros_(self.fc.weight)
        self.fc.bias.data = regular_fiducials(fiducials).flatten()

    def forward(self, source: Tensor, driving: Tensor) -> Scale:
        """source, driving: ``(N, K, 2)`` keypoints."""
        parts = [source, driving]
        if self.with_distances:
            parts += [distance_vectors(source), distance_vectors(driving)]
        code = self.localisation(torch.cat([part.flatten(1) for part in parts], dim=1))
        return Scale(code, self.fc(code).float().unflatten(1, (-1, 2)))

    def rectify(self, image: Tensor, scale: Scale) -> Tensor:
        """The driving image ``(N, 3, H, W)`` in the source's scale."""
        return rectify(image, scale.fiducials)


class ScaleEmbedding(nn.Module):
    """W_i z and W_i^w z of Eq. 5: what is added to the input of every down block and of every up block.

    widths: channels of the generator's features, fine to coarse.
    """

    def __init__(self, widths: Sequence[int], code: int = 128):
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(code, width, bias=False) for width in widths[:-1])
        self.up = nn.ModuleList(nn.Linear(code, width, bias=False) for width in reversed(widths[1:]))

    def forward(self, code: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Code ``(N, Z)`` to tensors ``(N, C, 1, 1)`` for the down blocks, fine to coarse, and the up blocks."""
        down, up = ([layer(code)[:, :, None, None] for layer in side] for side in (self.down, self.up))
        return down, up
