"""Where prices are read from: our own lists, a list of the user's, Karpenter's overlays."""
