"""Google's face networks and the canonical face: face boxes, 468 3D points, head pose, mouth."""
