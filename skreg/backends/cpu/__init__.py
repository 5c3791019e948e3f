"""The step of a stack on the CPU, in machine code compiled by numba: programs of kernels without Python.

`pieces` is what kernels are made of; `units`, `losses`, `optimisers`, `periodic` and `closing` hold those
that blocks share or that belong to no block; `products` calls a BLAS. `program` is what blocks write their
calls to, `loop` walks programs, `step` puts them together. Kernels are compiled when they are first used,
one by one; their machine code is kept on disk (`cache`).
"""
