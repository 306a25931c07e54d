"""The engine's child process: the contract with whoever starts it, the parent's side and the child's."""
