"""Work on own data: start from pictures, annotate them, find wrong labels, review both."""
