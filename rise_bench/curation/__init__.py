"""What people who own data do with it: start from pictures, annotate them, find wrong labels, review both."""
