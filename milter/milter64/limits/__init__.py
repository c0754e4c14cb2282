"""What keeps one stranger from using up what all need: a cache that is bounded by octets, and places shared fairly.

It knows neither what is kept nor who waits for what.
"""
