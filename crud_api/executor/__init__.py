"""One invocation of the query executor: by Lambda, or in this process."""
