"""Annotating new pictures: a reason, an annotation and a confidence for each."""
