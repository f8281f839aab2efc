"""Training by gradient descent on a loss, from the first step to the files of a finished run."""
