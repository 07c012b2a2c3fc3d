#!/bin/sh
# Keeps one host of a testbed running: starts it, and again about a second after its first process has ended, which is what
# reboot(2) does to it. Runs in the host's network namespace, needs nobody and ends by being killed.
#   keep.sh HOST-FOLDER NAME ADDRESS/PREFIX HOME-OF-ROOT
set -u
# Until now it held the testbed's lock. From here on it can be found in its namespace.
exec < /dev/null
umask 022
host=$1 name=$2 address=$3 home=$4

# The namespace outlives a reboot. What a machine would have lost by then is lost here.
forget() {
    nft flush ruleset
    tc -force -batch - 2> /dev/null <<'END'
qdisc delete dev eth0 root
qdisc delete dev eth0 ingress
qdisc delete dev eth0 clsact
qdisc delete dev lo root
END
    ip -batch - <<END
address flush dev eth0
address add $address dev eth0
link set lo up
link set eth0 up
END
}

while :; do
    forget
    unshare --mount --uts --ipc --pid --fork --kill-child --propagation private \
        sh "${0%/*}/boot.sh" "$host" "$name" "$home"
    # A machine that starts again does not answer meanwhile, not even with a refusal.
    ip link set eth0 down
    sleep 1
done
