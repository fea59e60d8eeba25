"""Inside the guest: cloud-init's own OpenStack data source crawls the metadata and prints what it found as JSON."""

import json
import logging
import sys

from cloudinit import helpers
from cloudinit.sources import DataSourceOpenStack

URL, WAIT = sys.argv[1], int(sys.argv[2])

logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
settings = {
    "datasource_list": ["OpenStack"],
    "datasource": {"OpenStack": {"metadata_urls": [URL], "max_wait": WAIT, "timeout": 5, "retries": 2}},
}
paths = helpers.Paths({"cloud_dir": "/run/lab/cloud", "run_dir": "/run/lab/cloud"})
# The machine's DMI tables say whether it is an OpenStack instance; this one plays one.
DataSourceOpenStack.detect_openstack = lambda **_: True
source = DataSourceOpenStack.DataSourceOpenStack(settings, None, paths)
if not source._get_data():
    sys.exit("cloud-init found no OpenStack metadata")
found = {
    "uuid": source.metadata["uuid"],
    "hostname": source.metadata["hostname"],
    "meta": source.metadata["meta"],
    "version": source.version,
    "userdata": source.userdata_raw if isinstance(source.userdata_raw, str) else source.userdata_raw.decode(),
    "vendordata": source.vendordata_raw,
    "network": source.network_config,
    "ec2": source.ec2_metadata,
}
json.dump(found, sys.stdout)
