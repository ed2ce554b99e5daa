"""Training a found network from scratch, and testing what was trained."""
