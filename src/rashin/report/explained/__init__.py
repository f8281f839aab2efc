"""The page and the pictures that explain a trained network."""
