"""How the objective is minimised: optimisers and learning rates."""
