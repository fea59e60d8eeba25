"""One life of an agent on a machine: Neutron's own driver does what a file says, with the PATH that its service has.

    switch.py FILE      one line for each: spawn|destroy NAMESPACE network|router UUID

`NSGATE_DRIVER` is neutron or ovn.
"""

import os
import pathlib
import sys

import driver
import lab


def main() -> int:
    driver.configure(None)
    if not os.environ.get("NSGATE_NEUTRON_CONF"):
        helper = os.environ.get("NSGATE_ROOT_HELPER", "env")
        driver.cfg.CONF.set_override("root_helper", helper, group="AGENT")
    networks = driver.Networks(os.environ.get("NSGATE_DRIVER", "neutron"))
    for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
        verb, namespace, kind, uuid = line.split()
        lab.GATE = namespace
        if verb == "destroy":
            networks.destroy(uuid)
            continue
        networks.spawn(uuid, router=kind == "router")
        manager = networks.manager(uuid)
        if not manager or not manager.active:
            print(pathlib.Path(driver.LOG).read_text(errors="replace")[-3000:])
            return 1
        print(f"{uuid}: process {manager.pid}")
    networks.monitor.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
