"""What is shipped: the trained digit classifiers and the figures of the papers' gadgets."""
