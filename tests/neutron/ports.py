"""The ports of the laboratory's cloud: which instance has which address on which network."""

import dataclasses
import types

NETWORK = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"
OTHER_NETWORK = "b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21"
ROUTER = "2c9a8e77-6d1f-4a53-b0f9-5e8d7c6b4a32"
OTHER_ROUTER = "e1d2c3b4-a596-4877-8899-aabbccddeeff"


@dataclasses.dataclass(frozen=True)
class Port:
    network: str
    address: str
    mac: str
    instance: str
    project: str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"

    def as_ovn(self) -> types.SimpleNamespace:
        ids = {"neutron:device_id": self.instance, "neutron:project_id": self.project}
        return types.SimpleNamespace(uuid=self.instance, external_ids=ids)


GUEST = Port(NETWORK, "10.0.0.11", "fa:16:3e:00:00:01", "8d7e9f1c-51a2-4a3b-9c7e-6f4d2b1a0c33")
NEIGHBOUR = Port(NETWORK, "10.0.0.12", "fa:16:3e:00:00:02", "1f2e3d4c-5b6a-4798-8899-0a1b2c3d4e5f")
VICTIM = Port(OTHER_NETWORK, "10.0.0.11", "fa:16:3e:00:00:09", "99999999-8888-4777-8666-555555555555")
GUEST_V6 = dataclasses.replace(GUEST, address="fd00::11")
PORTS = [GUEST, NEIGHBOUR, VICTIM, GUEST_V6]

# Which networks a router is connected to.
ROUTERS = {ROUTER: NETWORK, OTHER_ROUTER: OTHER_NETWORK}


def find(network: str, address: str | None, mac: str | None) -> list[Port]:
    on_network = [port for port in PORTS if port.network == network]
    if mac:
        return [port for port in on_network if port.mac == mac][:1]
    return [port for port in on_network if port.address == address]
