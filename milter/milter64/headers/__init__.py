"""Header fields: those that we add, and those of strangers that some reader could take for ours.

In go an envelope and findings, or a field; out comes text, or whether it is forged. It touches no message.
"""
