# Makes a machine of a Debian root: run in mount, PID, UTS, IPC and cgroup namespaces of its own, where this shell becomes
# the machine's first process. The root itself is only read; what changes goes into a tmpfs and ends with the machine.
set -eu
root=$1
place=$2
mount --make-rprivate /
mount -t tmpfs -o mode=755 machine "$place"
mkdir "$place/changes" "$place/work" "$place/root"
mount -t overlay -o "lowerdir=$root,upperdir=$place/changes,workdir=$place/work" machine "$place/root"
cd "$place/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 machine dev
for name in null zero full random urandom tty; do
    : >"dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
# The laboratory's directories and network namespaces, under the same names.
mount -t tmpfs -o mode=755 machine run
mkdir run/lab run/netns
mount --rbind /run/lab run/lab
mount --rbind /run/netns run/netns
shift 2
for shown; do
    mkdir -p "./$shown"
    mount --bind "$shown" "./$shown"
done
# What a machine that serves nobody need not start.
for unit in haproxy.service systemd-logind.service getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer fstrim.timer systemd-tmpfiles-clean.timer; do
    ln -sf /dev/null "etc/systemd/system/$unit"
done
hostname machine
echo "127.0.0.1 localhost machine" >etc/hosts
pivot_root . mnt
umount -l /mnt
# As on a host: systemd makes the mount of a unit's credentials in a process of its own, and it comes to the others by propagation.
mount --make-rshared /
exec env -i container=laboratory PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --show-status=no systemd.unit=multi-user.target </dev/null
