"""What runs and ships the product: the local environment, and the commands of `python -m infra`."""
