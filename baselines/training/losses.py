"""Training losses of FOMM, TPSM and MCNet, one pure function each; all return an unweighted scalar.

Equation numbers: FOMM = Siarohin et al., NeurIPS 2019; TPSM = Zhao and Zhang, CVPR 2022;
MCNet = Hong and Xu, ICCV 2023 (numbers of its preprint with supplement).
Points are ``(N, K, 2)`` (x, y) in ``[-1, 1]``, jacobians ``(N, K, 2, 2)`` row-major.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.blocks.grid import resize


def mean_absolute(a: Tensor, b: Tensor) -> Tensor:
    """Return mean |a - b| over all elements."""
    return (a - b).abs().mean()


def perceptual(predicted: Sequence[Tensor], target: Sequence[Tensor], relative: bool = True) -> Tensor:
    """Return the sum over layers of mean |f(prediction) - f(target)| (FOMM Eq. 9, MCNet Eq. 7).

    relative: divide each layer by the mean magnitude of the target's feature. The layers of the papers' VGG-19 have
    similar magnitudes; in the package's VGG-16 relu5_3 is hundreds of times larger than relu1_2 and would dominate.
    """
    if not relative:
        return torch.stack([mean_absolute(a, b.detach()) for a, b in zip(predicted, target)]).sum()
    terms = [mean_absolute(a, b.detach()) / b.detach().abs().mean().clamp_min(1e-6) for a, b in zip(predicted, target)]
    return torch.stack(terms).sum()


def equivariance_points(points: Tensor, transformed_back: Tensor) -> Tensor:
    """Return mean L1 of a frame's points and its copy's, mapped back (FOMM Eq. 11, MCNet Eq. 8, TPSM Sec. 3.5)."""
    return mean_absolute(points, transformed_back)


def equivariance_sum(points: Tensor, transformed_back: Tensor) -> Tensor:
    """Return that L1 as a sum over points and coordinates, mean over the batch (MCNet Eq. 8 as printed)."""
    return (points - transformed_back).abs().sum((1, 2)).mean()


def equivariance_jacobians(jacobians: Tensor, transform: Tensor, transformed: Tensor) -> Tensor:
    """Return |1 - J^-1 T' J_T| (FOMM Eq. 12): transform: T' at the deformed frame's points; transformed: J_T."""
    product = torch.linalg.inv(jacobians) @ (transform @ transformed)
    return mean_absolute(torch.eye(2, dtype=product.dtype, device=product.device).expand_as(product), product)


def equivariance_affine(affine: Tensor, transform: Tensor, transformed: Tensor) -> Tensor:
    """Return |1 - s A^-1 T' A_T| of regions, s the sign of the product's first entry (MRAA, after FOMM Eq. 12).

    A region's axes come from a PCA, so their sign is arbitrary; without s a half turn would be penalized.
    """
    product = torch.linalg.inv(affine) @ (transform @ transformed)
    product = product * product[..., :1, :1].sign()
    return mean_absolute(torch.eye(2, dtype=product.dtype, device=product.device).expand_as(product), product)


def keypoint_distance(points: Tensor, threshold: float = 0.2) -> Tensor:
    """Return the share of ordered pairs closer than `threshold`, times 2 (MCNet and DaGAN as released).

    The sign has no gradient, so this term cannot move a keypoint. It is included because the published loss has it, and
    because its value shows when keypoints crowd together.
    """
    count = points.shape[1]
    gap = (points[:, :, None] - points[:, None]).square().sum(-1)
    # Adding the threshold on the diagonal makes a point's distance to itself count as far enough.
    lifted = torch.sqrt(gap + 1e-8) + threshold * torch.eye(count, dtype=points.dtype, device=points.device)
    return (1 - torch.sign(lifted - threshold)).mean()


def keypoint_crowding(points: Tensor, threshold: float = 0.2) -> Tensor:
    """Return the sum over i != j of 1 - sign(|x_i - x_j|_1 - threshold), mean over the batch (MCNet Eq. 9 as printed).

    That is twice the number of closer ordered pairs; its gradient is zero, as in `keypoint_distance`.
    """
    gap = (points[:, :, None] - points[:, None]).abs().sum(-1)
    others = 1 - torch.eye(points.shape[1], dtype=points.dtype, device=points.device)
    return ((1 - torch.sign(gap - threshold)) * others).sum((1, 2)).mean()


def keypoint_spread(points: Tensor, threshold: float = 0.2) -> Tensor:
    """Return the mean over pairs of relu(threshold - distance): a substitute for `keypoint_distance` with a gradient.

    Not in the papers, where long training spreads the points.
    """
    count = points.shape[1]
    gap = (points[:, :, None] - points[:, None]).square().sum(-1)
    distance = torch.sqrt(gap + 1e-8) + 2 * threshold * torch.eye(count, dtype=points.dtype, device=points.device)
    return (threshold - distance).clamp_min(0).mean()


def keypoint_hinge(points: Tensor, threshold: float = 0.1) -> Tensor:
    """Return the sum over i != j of max(0, threshold - |x_i - x_j|_1), mean over the batch (OSTNet Eq. 9).

    The printed equation has the opposite sign, which would pull the points together; its text says that the loss
    prevents them "from clustering".
    """
    gap = (points[:, :, None] - points[:, None]).abs().sum(-1)
    gap = gap + 2 * threshold * torch.eye(points.shape[1], dtype=points.dtype, device=points.device)
    return (threshold - gap).clamp_min(0).sum((1, 2)).mean()


def keypoint_prior(points: Tensor, threshold: float = 0.1, depth: float = 0.33) -> Tensor:
    """Return the keypoint prior of face-vid2vid (Wang et al. 2021, Sec. 3.3 and supplement) for points ``(N, K, 3)``.

    The sum over i != j of max(0, threshold - |x_i - x_j|^2), mean over the batch, which spreads the points; plus
    |mean of z - depth|, which keeps the points near the middle of the volume's depth.
    """
    gap = (points[:, :, None] - points[:, None]).square().sum(-1)
    gap = gap + 2 * threshold * torch.eye(points.shape[1], dtype=points.dtype, device=points.device)
    crowded = (threshold - gap).clamp_min(0).sum((1, 2)).mean()
    return crowded + (points[..., 2].mean(1) - depth).abs().mean()


def deformation_prior(expression: Tensor) -> Tensor:
    """Return mean |delta| of keypoint offsets ``(N, K, 3)``, so that rotation explains what it can (face-vid2vid)."""
    return expression.abs().mean()


def head_pose(predicted: Tensor, true: Tensor) -> Tensor:
    """Return |R - R_true|_1 of yaw, pitch, roll ``(N, 3)`` in degrees, mean over frames (face-vid2vid Sec. 3.3, L_H).

    Frames without a true pose (NaN) are ignored; 0 if all are.
    """
    known = true.isfinite().all(1)
    gap = (predicted - torch.where(known[:, None], true, predicted.detach())).abs().sum(1)
    return gap.sum() / known.sum().clamp_min(1)


def photometric(predicted: Tensor, target: Tensor, share: float = 0.8) -> Tensor:
    """Return the mean of share (1 - SSIM) / 2 + (1 - share) |a - b| of images ``(N, C, H, W)`` in [0, 1].

    For a frame and its reconstruction from another frame by depth and camera motion (DaGAN Sec. 3.1; Monodepth2 =
    Godard et al., ICCV 2019, Eq. 2, with share 0.85). SSIM uses 3x3 windows.
    """

    def local(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, 1)

    mean_a, mean_b = local(predicted), local(target)
    variances = local(predicted.square()) - mean_a.square() + local(target.square()) - mean_b.square()
    covariance = local(predicted * target) - mean_a * mean_b
    brightness = (2 * mean_a * mean_b + 0.01**2) / (mean_a.square() + mean_b.square() + 0.01**2)
    ssim = brightness * (2 * covariance + 0.03**2) / (variances + 0.03**2)
    return share * ((1 - ssim) / 2).clamp(0, 1).mean() + (1 - share) * mean_absolute(predicted, target)


def smoothness(disparity: Tensor, image: Tensor) -> Tensor:
    """Return the mean gradient of disparity ``(N, 1, H, W)`` over its mean, less at image edges (Monodepth2 Eq. 3)."""
    relative = disparity / disparity.mean((2, 3), keepdim=True).clamp_min(1e-6)
    terms = []
    for axis in (2, 3):
        edge = image.diff(dim=axis).abs().mean(1, keepdim=True)
        terms.append((relative.diff(dim=axis).abs() * torch.exp(-edge)).mean())
    return terms[0] + terms[1]


def memory_consistency(projected: Tensor, value: Tensor) -> Tensor:
    """Return mean |de(F_proj) - F_V| of one level (MCNet Eq. 5).

    projected: ``(N, C, L, L)`` features, detached here; value: ``(N, C, M, M)`` read from the conditioned memory.
    Features are resized to the memory's M bilinearly with aligned corners.
    """
    return mean_absolute(resize(projected.detach(), value.shape[2], value.shape[3], align_corners=True), value)


def warped_features(encoded: Sequence[Tensor], warped: Sequence[Tensor]) -> Tensor:
    """Return the sum over levels of mean |E(driving) - warped E(source)| (TPSM Eq. 12), both masked by occlusion."""
    return torch.stack([mean_absolute(a, b) for a, b in zip(encoded, warped, strict=True)]).sum()


def background_cycle(forward: Tensor, backward: Tensor) -> Tensor:
    """Return mean |1 - A_sd A_ds| of the predicted background motions ``(N, 3, 3)`` (TPSM Sec. 3.5)."""
    product = forward @ backward
    return mean_absolute(torch.eye(3, dtype=product.dtype, device=product.device).expand_as(product), product)
