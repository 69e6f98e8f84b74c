"""`gate doctor`: looks at everything an approval depends on, line by line, and sends one through."""
