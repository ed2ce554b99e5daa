"""Batches of images: augmented, balanced, read ahead, kept on the device."""
