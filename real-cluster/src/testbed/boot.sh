#!/bin/sh
# The first process of a host of a testbed: puts the host's file system together, moves into it and becomes its sshd.
# Runs in mount, uts, ipc and pid namespaces of the host's own, so that whatever it mounts ends with them.
#   boot.sh HOST-FOLDER NAME HOME-OF-ROOT
set -eu
host=$1 name=$2 home=$3
root=$host/root

mount -t overlay "$name" -o "lowerdir=/,upperdir=$host/disk,workdir=$host/work" "$root"
# The machine's own would bring its .bashrc, which bash reads for every command over SSH.
mkdir -p "$root$home"
mount --bind "$root/home/root" "$root$home"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755,size=64m tmpfs "$root/run"
mount -t tmpfs -o mode=1777,size=512m tmpfs "$root/tmp"
mount -t tmpfs -o mode=755,size=16m tmpfs "$root/mnt/small"
mount -t tmpfs -o mode=755,size=64m tmpfs "$root/dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$root/dev"
mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/run/sshd"
chmod 1777 "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
# The kernel is the machine's: no host may reset it or move its clock.
if [ -e "$root/proc/sysrq-trigger" ]; then mount --bind "$root/dev/null" "$root/proc/sysrq-trigger"; fi

cd "$root"
pivot_root . .
umount -l .
cd /
printf '%s' "$name" > /proc/sys/kernel/hostname
exec setpriv --bounding-set -sys_time,-sys_module /usr/sbin/sshd -D -e
