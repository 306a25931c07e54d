"""Marks of a synthetic result: the visible label, the AIGC metadata and the C2PA manifest."""
