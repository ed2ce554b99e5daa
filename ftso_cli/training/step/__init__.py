"""What a step of training does: learning rate, optimizer, mixed images, loss, averaged weights."""
