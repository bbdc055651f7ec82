"""The Blender side: thin operators and panels over the engine. Nothing is computed here."""
