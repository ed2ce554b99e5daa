"""Images in files: finding, labelling, decoding and caching them."""
