"""What this host can find out about the translators before it. It finds and tells; it trusts nothing by itself."""
