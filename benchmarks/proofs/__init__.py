"""Proofs: scripts that try the promises of the tasks until they break.

Each script prints what it tried and how often a promise was broken. It exits with 1 if one was.
`tests/crash/test_proofs.py` runs each with a small count.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would not survive the forks of the proofs
