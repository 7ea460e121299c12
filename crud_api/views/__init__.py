"""The views: HTTP in, one statement, HTTP out."""
