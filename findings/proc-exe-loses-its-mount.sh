#!/bin/sh
# /proc/PID/exe names the program by its path below its mount, as if that were the root, once a process has left the mount
# namespace that it was started in and that namespace is gone. `ip netns exec` makes such a namespace for each command, so a daemon
# that goes into one of its own is called /bin/NAME where /usr is a file system of its own and the program is /usr/bin/NAME.
# proc_pid_exe(5) says "the actual pathname"; tools that compare it with a path (oslo.rootwrap's KillFilter) miss the process.
# Seen with Linux 6.18, util-linux 2.38.1 and Python 3.11.2 of Debian 12.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "version: Linux $(uname -r), $(unshare --version), $(/usr/bin/python3 --version)"
unshare --mount sh -eu -c '
    mount -t tmpfs findings "$1"
    mkdir "$1/bin"
    cp "$(readlink -f /usr/bin/python3)" "$1/bin/python"
    exec "$1/bin/python" -c "
import ctypes, os, time
print(os.readlink(\"/proc/self/exe\"))
CLONE_NEWNS = 0x20000
if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
    raise OSError(ctypes.get_errno(), \"unshare\")
end = time.monotonic() + 5
while os.readlink(\"/proc/self/exe\") != \"/bin/python\" and time.monotonic() < end:
    time.sleep(0.05)  # the namespace that was left is taken down later
print(os.readlink(\"/proc/self/exe\"))
"
' sh "$work" > "$work.seen"
seen=$(cat "$work.seen")
rm -f "$work.seen"
echo "before and after leaving the mount namespace:"
echo "$seen"
[ "$seen" = "$work/bin/python
/bin/python" ] || { echo "this has changed"; exit 1; }
