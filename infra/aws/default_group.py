"""Closes the default security group of the VPC that infra/templates/network.yaml makes, which CloudFormation cannot.

Nothing uses it. But a resource that is put into the VPC without a group gets it, and it admits all of its members and
lets them call any address.
"""

from __future__ import annotations

from typing import Any


def close(ec2: Any, group_id: str) -> bool:
    """Remove every rule, by a boto3 EC2 client. Return whether there was a rule."""
    group = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    if group["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=group_id, IpPermissions=group["IpPermissions"])
    if group["IpPermissionsEgress"]:
        ec2.revoke_security_group_egress(GroupId=group_id, IpPermissions=group["IpPermissionsEgress"])
    return bool(group["IpPermissions"] or group["IpPermissionsEgress"])
