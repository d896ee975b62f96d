"""The clock of the training-step benchmark."""

import time

import torch


def now():
    """Wall time once the GPU has done what it was given; without a GPU, CPU time of this process."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
