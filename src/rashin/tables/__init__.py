"""Tables on disk or in a remote store: which files a source names, their columns, and their rows batch by batch."""
