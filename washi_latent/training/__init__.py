"""Training: the simulation of washi, patches, networks' losses, the loop, evaluation and export. Needs the `train` extra."""
