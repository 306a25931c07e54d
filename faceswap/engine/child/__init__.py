"""The engine's child process: its contract, the parent's code and the child's code."""
