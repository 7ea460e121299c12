"""Network addresses: inet, cidr, macaddr, macaddr8."""

from __future__ import annotations

import re
from typing import Annotated, Any

from crud_api.resource.columns.column import Spelled, json_text
from query_executor.contract import Value

_ADDRESS = r"[0-9a-fA-F:.]{2,45}(/[0-9]{1,3})?"


class InetColumn(Spelled):
    """The address of a host. It may end in the prefix length of its network."""

    name = "Inet"
    sql_type = "inet"
    says = "an IP address like 10.0.0.1, or with a prefix length like 10.0.0.1/24"
    shown_example = "10.0.0.1"
    form = _ADDRESS

    def same(self, sent: Any, key: Value) -> bool:
        """Whether both are the same address. A host's address may end in /32 or /128."""
        return isinstance(sent, str) and _bare(sent) == _bare(str(key))

    def key_text(self, column: str) -> str:
        """The address as JSON writes it. A cast to text would add the prefix length."""
        return json_text(column)


class CidrColumn(Spelled):
    """The address of a network."""

    name = "Cidr"
    sql_type = "cidr"
    says = "a network like 10.0.0.0/8"
    shown_example = "10.0.0.0/8"
    form = _ADDRESS


class MacaddrColumn(Spelled):
    """The address of a network card (6 bytes)."""

    name = "Macaddr"
    sql_type = "macaddr"
    says = "a MAC address like 08:00:2b:01:02:03"
    shown_example = "08:00:2b:01:02:03"
    form = r"[0-9a-fA-F]{2}([:.-]?[0-9a-fA-F]{2}){5}"

    def same(self, sent: Any, key: Value) -> bool:
        """Whether both are the same address. It has several notations."""
        return isinstance(sent, str) and _digits(sent) == _digits(str(key))


class Macaddr8Column(MacaddrColumn):
    """The address of a network card (8 bytes)."""

    name = "Macaddr8"
    sql_type = "macaddr8"
    says = "a MAC address of 8 bytes like 08:00:2b:01:02:03:04:05"
    shown_example = "08:00:2b:01:02:03:04:05"
    form = r"[0-9a-fA-F]{2}([:.-]?[0-9a-fA-F]{2}){7}"


def _bare(address: str) -> str:
    return address.lower().removesuffix("/128" if ":" in address else "/32")


def _digits(address: str) -> str:
    return re.sub("[:.-]", "", address).lower()


Inet = Annotated[str, InetColumn]
Cidr = Annotated[str, CidrColumn]
Macaddr = Annotated[str, MacaddrColumn]
Macaddr8 = Annotated[str, Macaddr8Column]
