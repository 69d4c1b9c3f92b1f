"""Published strategies that Quiet Corner is compared with, written from their papers: one file a strategy.

All of them see what the product sees: the same vectors, the same model's probabilities, the same labels. Where a
package holds the strategy a test compares the two; none of the packages is quick enough for thousands of rounds.
"""
