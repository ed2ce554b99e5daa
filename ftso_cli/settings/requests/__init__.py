"""The request of each command: its options as one class. No torch."""
