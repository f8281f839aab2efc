"""Tables on disk or in a remote store: the files of a source, their columns, and their rows batch by batch."""
