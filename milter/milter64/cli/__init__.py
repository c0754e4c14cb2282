"""The command `milter64`: a file for each verb.

It reads the command line, and prints for people or, by --json, for programs.
"""
