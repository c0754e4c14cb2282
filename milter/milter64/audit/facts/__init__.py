"""What is so: the host, Postfix's settings, and what only an attempt shows. It judges nothing."""
