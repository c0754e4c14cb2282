"""Is the mail host around milter64 well set up? It is looked at and never changed.

`facts` are read once, `rules` judge by them, and lines come out, each with its evidence and remedy.
"""
