"""Judging: an envelope and a recipient go in; a reply comes out, and rows, findings and lines are left behind.

Here checks are run and waited for, within one deadline, and their findings remembered. It fetches what the policy says
is missing, and decides nothing itself. It knows neither libmilter nor the configuration's file.
"""
