"""AWS: what a deploy makes and changes in an account, a service or a part of the product a module."""
