"""What other greylisters leave behind: their databases as rows of our greylist, their allow lists as lines of ours.

In goes a file of postgrey's, sqlgrey's or milter-greylist's, which is only read; out come rows and lines, and what
could not be taken over, with the reason. It forgives nobody more than the other program has seen.
"""
