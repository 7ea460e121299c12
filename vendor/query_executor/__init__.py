"""The query executor: parameterised SQL for any PostgreSQL, over one Lambda invocation."""
