"""Recorded agents that propose over HTTP like any other, for trying the gate out."""
