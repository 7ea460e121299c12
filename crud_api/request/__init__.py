"""What a request asks for, read into values of our own: the simple dialect."""
