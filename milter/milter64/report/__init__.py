"""What a log of ours adds up to: figures, what observing would have done, and a judgement that one can act on.

Figures are taken line by line, and every table is bounded. The judgement is pure: rules over the figures.
"""
