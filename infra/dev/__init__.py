"""Commands for developers of the project. Nothing that ships imports them."""
