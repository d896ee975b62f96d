"""CoT datasets in the formats of other trainers."""
