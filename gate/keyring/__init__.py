"""The keys this gate signs with: where they lie, who may read them, and the signatures made with them."""
