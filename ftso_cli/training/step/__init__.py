"""The parts of a training step: learning rate, optimizer, mixed images, loss, averaged weights."""
