"""Testing a trained network: its answers, their scores by class, and advice."""
