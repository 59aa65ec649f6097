"""Online RL or a sequence model, for your Gymnasium environment? Train both, count every cost, read one report."""
