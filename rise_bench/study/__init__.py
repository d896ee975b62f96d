"""`rise-bench study`: RISE, its rivals and ablations over shots and seeds, and a verdict on each claim."""
