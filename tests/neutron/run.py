"""Runs the Neutron suite in a private world: `cargo xtask test neutron`, or

    cargo xtask lab target/neutron/bin/python tests/neutron/run.py [--haproxy PATH] [WORD ...]

Words choose the cases whose names (Class.test_name) contain one of them, and must choose one. One line per case; at the end the totals.
"""

import argparse
import os
import pathlib
import shutil
import sys
import unittest
import warnings

warnings.simplefilter("ignore")  # Neutron's libraries warn about each other

import cases
import driver
import host_cases
import lab
import rootwrap_cases
from lines import Lines, name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--haproxy", default=os.environ.get("NSGATE_HAPROXY"), help="the program under test")
    parser.add_argument("--list", action="store_true", help="print the cases and leave")
    lab.add_words(parser)
    options = parser.parse_args()
    loader = unittest.TestLoader()
    classes = [*cases.CLASSES, *host_cases.CLASSES, *rootwrap_cases.CLASSES]
    every = [test for cls in classes for test in loader.loadTestsFromTestCase(cls)]
    chosen = lab.chosen("neutron", every, options, name)
    if options.list:
        print("\n".join(name(test) for test in chosen))
        return 0
    haproxy = options.haproxy or shutil.which("haproxy", path="target/dist/bin")
    if not haproxy or not os.path.exists(haproxy) or os.path.basename(haproxy) != "haproxy":
        print(f"no program called haproxy at {haproxy or 'target/dist/bin'}: run `cargo xtask build` or give --haproxy")
        return 2
    print(f"suite neutron: {len(chosen)} cases of {os.path.abspath(haproxy)}", flush=True)
    prepare_state()
    lab.make_network()
    lab.make_host_network()
    driver.configure(haproxy)
    nova = lab.start_nova()
    result = Lines()
    try:
        unittest.TestSuite(chosen).run(result)
    finally:
        nova.kill()
        nova.wait()
    failed = len(result.failures) + len(result.errors)
    print(f"neutron: {result.passed} passed, {failed} failed, {len(result.skipped)} skipped", flush=True)
    return 1 if failed else 0


def prepare_state() -> None:
    """Neutron's state directory, owned by the account `neutron` as packages make it."""
    lab.STATE.mkdir(parents=True, exist_ok=True)
    pathlib.Path(lab.STATE, "external/pids").mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        for path in [lab.STATE, *lab.STATE.rglob("*")]:
            shutil.chown(path, "neutron", "neutron")


if __name__ == "__main__":
    sys.exit(main())
