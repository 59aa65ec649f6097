"""What policies of any family do with their inputs, measured in the same units."""
