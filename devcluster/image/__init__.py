"""Images: the base, the builder, and the two that the product is made of."""
