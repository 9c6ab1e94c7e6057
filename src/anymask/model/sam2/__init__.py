"""The parts in which SAM 2 differs from the first SAM (arXiv 2408.00714)."""
