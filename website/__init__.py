"""The documentation as a site of static files: ``python -m website``."""
