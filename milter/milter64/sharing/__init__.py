"""What the hosts of a domain share: rows, limits and lists by command, through a Redis or Valkey server of the admin's.

Each host has all of it in its own store too, and decides by that. What it learns goes out behind, and what others learn
comes in behind; a server that is slow, gone or empty changes no decision.
"""
