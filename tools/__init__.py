"""Scripts behind the Makefile; nothing of the product imports them."""
