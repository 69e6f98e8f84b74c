"""One file per schema revision; a file that was released never changes."""
