"""The proxy of a whole host under Neutron's own `HostMedataHAProxyDaemonMonitor`, with a Nova that checks signatures."""

import os
import pathlib
import signal
import threading
import time
import unittest

import lab
from cases import HOSTNAME, alive, driver_log, tally
from driver import Host, reset_options


def instance(number: int, last: int | None = None) -> dict:
    """A port's instance, as the extension describes it; it is at 240.0.0.LAST."""
    return {
        "instance_id": f"5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a{number:02d}",
        "provider_ip": f"240.0.0.{last or number}",
        "project_id": f"0123456789abcdef0123456789abcd{number:02d}",
    }


FIRST, SECOND, THIRD = instance(2), instance(3), instance(4)


def get(last: int, path: str = HOSTNAME, headers: str = "") -> lab.Response:
    return lab.get(path, headers, host="240.0.0.1", source=f"240.0.0.{last}", namespace=lab.HOST_GUEST)


def connect(last: int) -> lab.Stream:
    return lab.connect(host="240.0.0.1", source=f"240.0.0.{last}", namespace=lab.HOST_GUEST)


def name_of(who: dict) -> str:
    return f"host-of-{who['instance_id']}"


class HostProxy(unittest.TestCase):
    def setUp(self) -> None:
        reset_options()
        self.host = Host()
        self.addCleanup(lambda: self.host.end())

    def serve(self, *instances: dict) -> int:
        self.host.serve(*instances)
        if not self.host.manager().active:
            self.fail(f"it does not run:\n{driver_log()}")
        return self.host.manager().pid

    def assert_is(self, last: int, who: dict) -> None:
        answer = get(last)
        self.assertEqual((answer.status, answer.text), (200, name_of(who)))

    def assert_becomes(self, last: int, status: int, text: str = "") -> None:
        """A signal is acted upon in its own time."""

        def there() -> bool:
            answer = get(last)
            return (answer.status, answer.text if text else "") == (status, text)

        self.assertTrue(lab.wait_until(there), f"240.0.0.{last} is answered {get(last)}")

    def children(self, pid: int) -> list[int]:
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def test_each_instance_gets_its_own_metadata(self) -> None:
        """Nova answers 403 to a signature that is not the instance's."""
        self.serve(FIRST, SECOND, THIRD)
        for last, who in ((2, FIRST), (3, SECOND), (4, THIRD)):
            self.assert_is(last, who)

    def test_an_address_of_nobody_gets_nothing(self) -> None:
        self.serve(FIRST)
        self.assertEqual(get(3).status, 503)

    def test_the_headers_are_the_proxys(self) -> None:
        self.serve(FIRST, SECOND)
        forged = "".join(
            f"{name}: {SECOND['instance_id']}\r\n"
            for name in ("X-Instance-ID", "X_Instance_ID", "X-Instance-ID-Signature", "X-Tenant-ID", "X-Forwarded-For")
        )
        answer = get(2, "/echo", forged)
        self.assertEqual(answer.status, 200, answer.text)
        self.assertNotIn(SECOND["instance_id"], answer.text)
        self.assertIn(f'["x-tenant-id", "{FIRST["project_id"]}"]', answer.text)
        self.assertIn('["x-forwarded-for", "240.0.0.2"]', answer.text)

    def test_a_port_is_added_and_removed_by_sighup(self) -> None:
        pid = self.serve(FIRST)
        self.assertEqual(get(3).status, 503)
        self.assertEqual(self.serve(FIRST, SECOND), pid, "the same process")
        self.assert_becomes(3, 200, name_of(SECOND))
        self.assertEqual(self.serve(SECOND), pid)
        self.assert_becomes(2, 503)
        self.assert_is(3, SECOND)

    def test_an_address_that_changes_hands(self) -> None:
        pid = self.serve(FIRST, SECOND)
        with connect(2) as kept:
            kept.send(lab.request(HOSTNAME))
            self.assertEqual(kept.response().text, name_of(FIRST))
            self.assertEqual(self.serve(instance(2, 3), instance(3, 2)), pid)
            self.assert_becomes(2, 200, name_of(SECOND))
            kept.send(lab.request(HOSTNAME))
            self.assertEqual(kept.response().text, name_of(SECOND), "on the connection that was kept, too")

    def test_no_request_is_lost_while_ports_come_and_go(self) -> None:
        pid = self.serve(FIRST)
        stop, outcomes = threading.Event(), []

        def guest() -> None:
            while not stop.is_set():
                try:
                    outcomes.append(str(get(2).status))
                except Exception as error:  # an outcome like any other
                    outcomes.append(f"{type(error).__name__}: {error}")

        threads = [threading.Thread(target=guest) for _ in range(3)]
        for thread in threads:
            thread.start()
        for round in range(20):
            self.assertEqual(self.serve(*([FIRST, SECOND, THIRD][: 1 + round % 3])), pid)
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertGreater(len(outcomes), 50)
        self.assertEqual(set(tally(outcomes)), {"200"}, tally(outcomes))

    def test_the_extensions_own_way_kills_it_and_starts_another(self) -> None:
        """`_reload_host_metadata_proxy`: SIGKILL, and the next one on the same address at once."""
        extension = self.host.extension()
        pids = set()
        for round in range(5):
            extension.instance_infos = {str(who): who for who in [FIRST, SECOND, THIRD][: 1 + round % 3]}
            extension._reload_host_metadata_proxy()
            pids.add(self.host.manager().pid)
            self.assert_is(2, FIRST)
        self.assertEqual(len(pids), 5)
        extension.instance_infos = {}
        extension._reload_host_metadata_proxy(force_reload=True)
        self.assertFalse(self.host.manager().active)

    def test_disable_ends_every_process_and_removes_its_files(self) -> None:
        pid = self.serve(FIRST)
        family, pid_file = [pid, *self.children(pid)], self.host.manager().get_pid_file_name()
        config = pathlib.Path(lab.STATE, "host_metadata_proxy.haproxy.conf")
        self.assertTrue(config.is_file() and os.path.isfile(pid_file))
        self.host.daemon.disable()
        self.assertTrue(lab.wait_until(lambda: not any(alive(one) for one in family), 1), family)
        self.assertFalse(config.exists() or os.path.exists(pid_file))

    def test_the_monitor_brings_it_back_whichever_process_is_killed(self) -> None:
        self.host.watch(1)
        pid = self.serve(FIRST)
        for victim in (lambda pid: pid, lambda pid: self.children(pid)[0]):
            os.kill(victim(pid), signal.SIGKILL)
            before = pid

            def back() -> bool:
                return self.host.manager().pid not in (before, None) and self.host.manager().active

            self.assertTrue(lab.wait_until(back, 10), driver_log())
            pid = self.host.manager().pid
            self.assert_is(2, FIRST)


CLASSES = [HostProxy]
