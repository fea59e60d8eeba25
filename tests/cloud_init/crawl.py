"""Inside the guest: cloud-init's own OpenStack data source crawls the metadata and prints what it found as JSON.

crawl.py WAIT INTERFACE [URL]: without a URL it asks where cloud-init asks by itself.
"""

import json
import logging
import sys
import types

from cloudinit import helpers, version
from cloudinit.sources import DataSourceOpenStack

WAIT, INTERFACE, URLS = int(sys.argv[1]), sys.argv[2], sys.argv[3:]

logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
settings = {
    "datasource_list": ["OpenStack"],
    "datasource": {"OpenStack": {"max_wait": WAIT, "timeout": 5, "retries": 2}},
}
if URLS:
    settings["datasource"]["OpenStack"]["metadata_urls"] = URLS
paths = helpers.Paths({"cloud_dir": "/run/lab/cloud", "run_dir": "/run/lab/cloud"})
# The machine's DMI tables say whether it is an OpenStack instance; this one plays one.
DataSourceOpenStack.detect_openstack = lambda **_: True  # 22.4
DataSourceOpenStack.DataSourceOpenStack.ds_detect = lambda _: True  # 23.1 and later
distribution = types.SimpleNamespace(fallback_interface=INTERFACE)
source = DataSourceOpenStack.DataSourceOpenStack(settings, distribution, paths)
if not source._get_data():
    sys.exit("cloud-init found no OpenStack metadata")
found = {
    "uuid": source.metadata["uuid"],
    "hostname": source.metadata["hostname"],
    "meta": source.metadata["meta"],
    "version": source.version,
    "address": source.metadata_address,
    "cloud-init": version.version_string(),
    "userdata": source.userdata_raw if isinstance(source.userdata_raw, str) else source.userdata_raw.decode(),
    "vendordata": source.vendordata_raw,
    "network": source.network_config,
    "ec2": source.ec2_metadata,
}
json.dump(found, sys.stdout)
