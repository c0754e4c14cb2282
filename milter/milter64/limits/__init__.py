"""What keeps one stranger from using up what all need: caches bounded by octets, places shared fairly, counts.

It knows neither what is kept nor who waits for what, but for how much of what each network may have.
"""
