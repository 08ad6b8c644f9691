"""Google's face networks and the canonical face: boxes, 468 points in space, head pose, the mouth."""
