"""What is answered: rows, pages and problems."""
