"""The checks, one file each: an envelope goes in, and a look-up where DNS is asked; a finding comes out.

A check answers one question. It never decides, logs or counts.
"""
