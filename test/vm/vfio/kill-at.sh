#!/bin/sh
# Runs in L1: starts a command of the binary under test, waits for a moment of its work, and kills some of its processes.
# kill-at.sh "TARGETS" "MOMENTS" COMMAND...; the moments come one after the other, the last one is the one.
# Prints what was killed. Everything while it waits is done by the shell itself: a program would take longer than some moments last.
targets=$1 moments=$2
shift 2
gpu=0000:01:00.0
audio=0000:01:00.1
devices=/sys/bus/pci/devices
drivers=/sys/bus/pci/drivers
journal=/var/lib/virtualghost/vfio/$gpu.json

"$@" >/tmp/killed.out 2>&1 &
launcher=$!

helper= qemu=
# Sets $helper and $qemu, once they are there.
find_children() {
	# Nothing but the shell's own: its children are listed by thread.
	for list in /proc/$launcher/task/*/children; do
		children=
		read -r children 2>/dev/null <"$list"
		for child in $children; do
			line=
			read -r line 2>/dev/null <"/proc/$child/cmdline"
			case $line in
			*gpu-helper*) helper=$child ;;
			*qemu-system*) qemu=$child ;;
			esac
		done
	done
}

is_override() {
	override=
	read -r override <"$devices/$1/driver_override"
	[ "$override" = vfio-pci ]
}

# Whether a line of the payload's begins with this.
has_said() {
	for log in /tmp/state-0/virtualghost/runs/*/serial.log; do
		[ -e "$log" ] || return 1
		while read -r line; do
			case $line in "$1"*) return 0 ;; esac
		done <"$log"
	done
	return 1
}

is_now() {
	case $1 in
	started) : ;;
	helper) find_children; [ -n "$helper" ] ;;
	journal) [ -e "$journal" ] ;;
	no-journal) [ ! -e "$journal" ] ;;
	audio-reserved) is_override $audio ;;
	audio-free) [ ! -e $devices/$audio/driver ] ;;
	audio-bound) [ -e $drivers/vfio-pci/$audio ] ;;
	audio-back) [ -e $drivers/snd_hda_intel/$audio ] ;;
	gpu-reserved) is_override $gpu ;;
	gpu-free) [ ! -e $devices/$gpu/driver ] ;;
	gpu-bound) [ -e $drivers/vfio-pci/$gpu ] ;;
	gpu-back) [ -e $drivers/bochs-drm/$gpu ] ;;
	qemu) find_children; [ -n "$qemu" ] ;;
	alive) has_said "virtualghost: initramfs" ;;
	ready) has_said "payload: ready" ;;
	off) has_said "payload: power off" ;;
	ms-*) sleep "$(echo "${1#ms-}" | sed 's/...$/.&/; s/^\./0./')" ;;
	esac
}

# The helper is looked for early: later there is no time for it.
for moment in helper $moments; do
	until is_now "$moment"; do
		# A signal 0 tells whether it is there; a zombie is, until it is waited for.
		state=
		read -r line 2>/dev/null <"/proc/$launcher/stat" && state=${line##*) }
		case $state in "" | Z*) echo "missed $moment"; break 2 ;; esac
	done
done

pids=
for target in $targets; do
	case $target in
	launcher) pid=$launcher ;;
	helper) [ -n "$helper" ] || find_children; pid=$helper ;;
	qemu) [ -n "$qemu" ] || find_children; pid=$qemu ;;
	esac
	[ -n "$pid" ] && pids="$pids $pid"
done
[ -n "$pids" ] && kill -9 $pids 2>/dev/null && echo "killed$pids"

# Who is left ends by himself: the launcher without its helper or QEMU, the helper without its launcher.
tries=0
while pgrep -f '^/host/' >/dev/null; do
	tries=$((tries + 1))
	[ $tries -le 300 ] || { echo "still there:"; pgrep -fa '^/host/'; break; }
	sleep 0.2
done
wait $launcher
echo "launcher ended with $?"
[ -e "$journal" ] && echo "journal left"
cat /tmp/killed.out
