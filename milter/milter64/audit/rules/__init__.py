"""What is wrong with that, a theme in each file: facts go in, lines come out. No rule looks at the host itself."""
