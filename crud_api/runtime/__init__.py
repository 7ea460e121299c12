"""What is done to Chalice and to the interpreter, each for a reason that was measured."""
