"""Columns and places of the tables that `skreg.backends.cpu.step` hands to compiled code."""

from __future__ import annotations

from skreg.backends.cpu.pieces import matrix, part

#: Columns of the table of layers: where weight, gain and shift (or bias) start in the parameters of
#: the stack, and in the gradient of one member; where the running mean and variance start in those
#: of the stack; where activations and moments of a minibatch start in the workspace.
WEIGHT, GAIN, SHIFT, WEIGHT_SLOT, GAIN_SLOT, SHIFT_SLOT, MEAN, VARIANCE, ROWS, UNITS = range(10)

#: Places in the array of addresses that are called.
GEMM, INPUT_DROPOUT, FORWARD, BACKWARD, LOSS, OPTIMISER, EVALUATE, EMBED, EMBED_BACKWARD = range(9)

#: Places in the array of switches.
DROPS_INPUTS, BOUNDS_NORMS = range(2)

#: Places in the array that describes an embedding: its columns, their frequencies, what is made of
#: each; then where its four parameters start in those of the stack, and in the gradient of one member.
EMBEDDED, WAVES, MADE, STARTS, SLOTS = 0, 1, 2, slice(3, 7), slice(7, 11)

#: Columns of the table of validation rows, a row for all members that share them: address and number of
#: the rows, addresses of their targets and weights.
VALID_AT, VALID_ROWS, VALID_TARGETS_AT, VALID_WEIGHTS_AT = range(4)


@part
def embedding_of(flat, starts, k, table):
    """Frequency, phase, weight and bias of the embedding of member k, as views of flat numbers."""
    m, f, q = table[EMBEDDED], table[WAVES], table[MADE]
    at = starts[0] + k * m * f
    frequency = matrix(flat, at, m, f)
    at = starts[1] + k * m * f
    phase = matrix(flat, at, m, f)
    at = starts[2] + k * m * q * f
    weight = flat[at : at + m * q * f].reshape(m, q, f)
    at = starts[3] + k * m * q
    return frequency, phase, weight, matrix(flat, at, m, q)
