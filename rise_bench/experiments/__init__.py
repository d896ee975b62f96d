"""The demo and the study: methods compared as jobs."""
