"""The configuration: a TOML file goes in; frozen settings come out, or everything that is wrong with it at once.

It reads and writes TOML, and puts together what each wing needs to know of the settings.
"""
