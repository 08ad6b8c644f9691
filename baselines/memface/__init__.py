"""MemFace (Tang et al., arXiv:2212.05005): a face driven by sound, in two stages with a memory each."""
