"""What was measured, put into words, tables and pages: evaluations, tunings and verdicts."""
