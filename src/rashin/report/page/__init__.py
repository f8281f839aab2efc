"""The frame of every page, and how its charts are drawn."""
