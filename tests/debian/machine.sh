#!/bin/sh
# A machine for one test: this one's files with Debian's packages put over them, in memory; accounts, /dev, /run
# and a network of its own; and a supervisor. To be called as
#     unshare --mount --net sh machine.sh SANDBOX PEERS PACKAGES PROGRAM...
# The sandbox keeps its path inside. Ends with 77 where such a machine cannot be made.
set -eu
sandbox=$1 peers=$2 packages=$3
shift 3
root=$sandbox/root
layer=$sandbox/layer

cannot() {
	echo "no machine: $*"
	exit 77
}

mkdir "$root" "$layer"
# On a file system of its own: no layer may lie in another.
mount -t tmpfs layer "$layer" || cannot "no file system in memory can be mounted"
mkdir "$layer/upper" "$layer/work"
mount -t overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" machine "$root" ||
	cannot "nothing can be put over the root file system"
[ -x "$root/bin/sh" ] || cannot "the root file system is not whole"

# As dpkg does it: through links like /lib.
for package in $packages; do
	tar -C "$peers/$package" -c . | tar -C "$root" -x --keep-directory-symlink --no-same-owner
done

mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs run "$root/run"
mount -t tmpfs dev "$root/dev"
for device in null zero full random urandom tty; do
	: >"$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -p "$root$sandbox"
mount --bind "$sandbox" "$root$sandbox"
ip link set lo up || cannot "no network"

# What the packages' own scripts do when they are installed, as far as it matters here. /etc/service leads to
# the sandbox, so that what comes from it carries its name.
rm -f "$root/usr/sbin/policy-rc.d"
ln -sfn "$sandbox/scan" "$root/etc/runit/runsvdir/current"
chroot "$root" sh -eu <<'END'
	for user in _runit-log sshd gitlog gitdaemon _socklog-unix _socklog-inet; do
		getent passwd $user >/dev/null ||
			useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin $user
	done
	useradd --create-home --shell /bin/sh visitor
END

exec chroot "$root" "$@"
