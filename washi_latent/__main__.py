"""`python -m washi_latent`."""

from .cli import script

script()
