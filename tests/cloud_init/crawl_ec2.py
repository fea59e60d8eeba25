"""Inside the guest: cloud-init's own EC2 data source, which knows session tokens (IMDSv2), crawls and prints as JSON.

crawl_ec2.py WAIT INTERFACE URL
"""

import json
import logging
import sys
import types

from cloudinit import helpers
from cloudinit.sources import DataSourceEc2

WAIT, INTERFACE, URL = int(sys.argv[1]), sys.argv[2], sys.argv[3]

logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
settings = {
    "datasource_list": ["Ec2"],
    "datasource": {"Ec2": {"metadata_urls": [URL], "max_wait": WAIT, "timeout": 5}},
}
# The machine's DMI tables say whether it is an instance of AWS; this one plays one, or the source would not use tokens.
DataSourceEc2.identify_platform = lambda: DataSourceEc2.CloudNames.AWS
paths = helpers.Paths({"cloud_dir": "/run/lab/cloud", "run_dir": "/run/lab/cloud"})
distribution = types.SimpleNamespace(fallback_interface=INTERFACE)
source = DataSourceEc2.DataSourceEc2(settings, distribution, paths)
if not source._get_data():
    sys.exit("cloud-init found no EC2 metadata")
text = lambda value: value.decode() if isinstance(value, bytes) else str(value)
found = {"metadata": source.metadata, "userdata": text(source.userdata_raw), "token": text(source._api_token)}
json.dump(found, sys.stdout)
