"""The API in AWS: its function and role, and its routes, which Chalice deploys."""
