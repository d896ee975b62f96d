"""Study: methods over shots and seeds, judged by claims."""
