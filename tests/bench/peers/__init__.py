"""What the approval round trip is compared to, with a lock and a virtual environment of its own."""
