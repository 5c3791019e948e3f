"""The step of a stack on CUDA: launches of kernels, recorded once and replayed."""
