#!/bin/sh
# PR_SET_PDEATHSIG is not for sure: when the parent ends, the kernel sends the signal with the parent's rights, and drops it
# where kill(2) would answer EPERM. A parent that is root without CAP_KILL, as in a container, leaves a child behind that has
# become another user; with CAP_KILL the child ends. prctl(2) does not say so.
# Linux 6.18; python3 3.11 and setpriv of util-linux 2.38. Wants root.
set -eu

program='
import ctypes, os, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, after the change of user, which clears it
    os.write(write, b"!")
    os.setsid()
    for number in (0, 1, 2):
        os.dup2(os.open("/dev/null", os.O_RDWR), number)
    time.sleep(20)
    os._exit(0)
os.read(read, 1)
print(child, flush=True)
os._exit(0)'

lives() {
    child=$(setpriv --inh-caps=-all --bounding-set="$1" python3 -c "$program")
    sleep 1
    # A zombie that an idle first process has not reaped has ended as well.
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$child/status" 2>/dev/null || true)
    case "$state" in '' | Z) echo ended ;; *) kill -9 "$child"; echo lives ;; esac
}

uname -sr
setpriv --version
with=$(lives -all,+setuid,+setgid,+kill)
without=$(lives -all,+setuid,+setgid)
echo "the parent had CAP_KILL: the child $with; it had not: the child $without"
[ "$with $without" = "ended lives" ]
