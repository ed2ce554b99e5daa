"""Deterministic products need a workspace of fixed size, which is read when CUDA starts."""

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
