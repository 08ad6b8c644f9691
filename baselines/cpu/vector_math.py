"""Imported for what it does: torch's vector functions on a CPU get ready while there is one thread only.

exp, tanh, log, sin and their like come from Intel's MKL, which chooses its routines in the first call of any of them.
Where two threads make that call at once after a product of matrices, one of them gets a coarser routine for its half:
off by up to 2e-4, on an Intel Xeon with torch 2.13 in every fifth process. One call beforehand decides for all.
"""

import torch

torch.exp(torch.zeros(1))
