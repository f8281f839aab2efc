"""The network: affine layers, activations between them, and output layers that fit a loss."""
