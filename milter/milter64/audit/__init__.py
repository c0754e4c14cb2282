"""What is around milter64 on this machine, looked at and never changed: one file a neighbour."""
