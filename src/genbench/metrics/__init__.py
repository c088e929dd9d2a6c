"""Scores of sets of images: feature extractors, statistics of features, and the Evaluator that combines them."""
