"""The composition root: the one place where the parts of a gate are put together, a file for each use of them."""
