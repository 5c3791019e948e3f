"""The fused step in machine code, compiled by numba: a loop over minibatches without Python.

`pieces` is what the kernels are made of, `units`, `losses` and `optimisers` are the kernels, `products`
calls a BLAS, `loop` puts them together. Kernels are made per activation or loss and per precision and
compiled on first use; numba stores the machine code beside these files (or in the user's cache
folder), later processes only load it. The loop calls them through pointers: it is compiled once a
precision, and not once for each combination of an activation, a loss and a solver.
"""
