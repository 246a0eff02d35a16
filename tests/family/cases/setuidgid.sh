#: usage
code setuidgid
code setuidgid root
code setuidgid nosuchaccount

#: an unknown account
for name in nosuchaccount '' 0 65534 root:root --help -z; do code setuidgid "$name" true; done

#: user, group, and no other groups
#! root
setuidgid nobody id
setuidgid root id
setpriv --groups=1,2,3 setuidgid nobody id

#: the environment stays
#! root
HOME=/here USER=me LOGNAME=me UID=5 setuidgid nobody env | grep -e HOME -e USER -e LOGNAME -e UID

#: without the right to
#! root
as_nobody setuidgid nobody true

#: also to what one is already
#! root
as_nobody setuidgid root true

#: all groups of the account
#! root
#! differs: -s sets them, as in daemontools-encore
unshare --mount sh -c '
	echo "extra:x:4242:daemon" | cat /etc/group - >group
	mount --bind group /etc/group
	setuidgid daemon id -G
	setuidgid -s daemon id -G
'
code setuidgid -s
code setuidgid -s daemon

#: no such program
#! root
code setuidgid nobody nosuchprogram

#: what the user may not run
#! root
printf '#!/bin/sh\n' >prog
chmod 700 prog
code setuidgid nobody ./prog

#: an account that only getent knows
#! root
#! differs: a static program asks getent, which stands in here for LDAP and the like; the original asks the system's modules
mkdir bin
cat >bin/getent <<'END'
#!/bin/sh
case "$*" in
'passwd -- amy') echo 'amy:x:4242:4243:Amy:/home/amy:/bin/sh' ;;
'group -- amys') echo 'amys:*:4244:amy' ;;
'passwd -- other') echo 'amy:x:4242:4243:Amy:/home/amy:/bin/sh' ;;
'passwd -- broken') echo 'broken:x:::' ;;
'initgroups -- amy') echo 'amy                  4244 4243 4245' ;;
*) exit 2 ;;
esac
END
chmod 755 bin/getent
PATH=$PWD/bin:$PATH
for name in amy other broken nosuch; do code setuidgid $name sh -c 'id -u; id -G'; done
code setuidgid -s amy id -G
code envuidgid amy sh -c 'echo $UID $GID'
code chpst -u amy:amys id -G
