"""What a deploy makes and changes in an AWS account. Each module has a service, or a part of the product."""
