"""Who carries out the steps of training: the definition, and compiled code for the CPU and for CUDA."""
