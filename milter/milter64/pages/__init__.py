"""Pages for people to look at: what one says, its HTML and its plots, and how it is shown live.

In comes a Document, in plain words and numbers, of a wing above; out goes one self-contained file. Whatever a stranger
has said is cleaned and escaped here.
"""
