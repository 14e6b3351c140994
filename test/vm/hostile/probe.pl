# Run as root in the guest: tries to connect, in every way that its arguments name, and prints a line for each.
#   tcp HOST PORT | dns-udp HEX | dns-tcp | ping HOST | vsock CID FIRST LAST | raw KIND DESTINATION PORT
use strict;
use warnings;
use Socket qw(:all);
use IO::Select;

# The card that leads somewhere, and the one that leads to the agent, where a restored machine has it.
my %gateways = (net0 => "10.0.2.2", control0 => "192.0.2.2");

sub read_line { open my $f, "<", $_[0] or return ""; my $line = <$f>; chomp $line; $line }

sub connect_to {
	my ($address, $family, $seconds) = @_;
	socket(my $s, $family, SOCK_STREAM, 0) or return "no socket: $!";
	$s->blocking(0);
	return "connected" if connect($s, $address);
	return "failed: $!" unless $!{EINPROGRESS};
	return "silence" unless IO::Select->new($s)->can_write($seconds);
	my $error = unpack("i", getsockopt($s, SOL_SOCKET, SO_ERROR));
	$! = $error;
	return $error ? "failed: $!" : "connected";
}

sub tcp {
	my ($host, $port) = @_;
	my ($error, @found) = getaddrinfo($host, $port, { socktype => SOCK_STREAM, flags => AI_NUMERICHOST });
	return "no address: $error" if $error;
	return connect_to($found[0]{addr}, $found[0]{family}, 4);
}

# Many at once: where nobody answers, each would take its own seconds.
sub vsock {
	my ($cid, $first, $last) = @_;
	for (my $from = $first; $from <= $last; $from += 200) {
		my %ports;
		for my $port ($from .. ($from + 199 < $last ? $from + 199 : $last)) {
			socket(my $s, 40, SOCK_STREAM, 0) or return "no socket: $!";
			$s->blocking(0);
			return "connected at $port" if connect($s, pack("SSLLx4", 40, 0, $port, $cid));
			$ports{$port} = $s if $!{EINPROGRESS};
		}
		sleep 1;
		for my $port (keys %ports) {
			return "connected at $port" if defined getpeername($ports{$port});
		}
	}
	return "nothing";
}

sub dns_udp {
	my ($hex) = @_;
	socket(my $s, AF_INET, SOCK_DGRAM, 0) or die;
	send($s, pack("H*", $hex), 0, pack_sockaddr_in(53, inet_aton("10.0.2.3")));
	return "silence" unless IO::Select->new($s)->can_read(3);
	my $answer = "";
	return defined(recv($s, $answer, 1500, 0)) ? "answered" : "failed: $!";
}

sub checksum {
	my $sum = 0;
	$sum += $_ for unpack("n*", $_[0] . (length($_[0]) % 2 ? "\0" : ""));
	$sum = ($sum & 0xffff) + ($sum >> 16) while $sum > 0xffff;
	return ~$sum & 0xffff;
}

sub syn {
	my ($from, $to, $port) = @_;
	my $bare = pack("nnNNnnnn", 20000 + int(rand(20000)), $port, int(rand(2**31)), 0, 0x5002, 65535, 0, 0);
	my $pseudo = length($from) == 4 ? $from . $to . pack("nn", 6, length $bare) : $from . $to . pack("NN", length $bare, 6);
	substr($bare, 16, 2) = pack("n", checksum($pseudo . $bare));
	return $bare;
}

sub ipv4 {
	my ($from, $to, $load, %change) = @_;
	my $options = $change{options} // "";
	my $head = pack("CCnnnCCn", 0x45 + length($options) / 4, 0, 20 + length($options) + length($load), rand(65535),
		$change{fragment} // 0, 64, $change{protocol} // 6, 0) . $from . $to . $options;
	substr($head, 10, 2) = pack("n", checksum($head));
	return $head . $load;
}

sub ipv6 {
	my ($from, $to, $next, $load) = @_;
	return pack("NnCC", 0x60000000, length $load, $next, 64) . $from . $to . $load;
}

# Sends frames that no kernel would send, on each card. Whether anybody got them is for the other end to say.
sub raw {
	my @sent = map { raw_on($_, @_) } grep { -e "/sys/class/net/$_" } sort keys %gateways;
	return join(", ", @sent) || "no card";
}

sub raw_on {
	my ($card, $kind, $destination, $port) = @_;
	my $gateway = $gateways{$card};
	system("ping -n -c 1 -W 2 $gateway >/dev/null 2>&1") if $card eq "control0";
	my ($mac) = `ip neigh show $gateway dev $card 2>/dev/null` =~ /lladdr (\S+)/ or return "no gateway";
	my $ethernet = join "", map { pack "H*", s/://gr } $mac, read_line("/sys/class/net/$card/address");
	my $is4 = $destination !~ /:/;
	my ($own) = `ip addr show dev $card scope global` =~ ($is4 ? qr{inet ([^/]+)} : qr{inet6 ([^/]+)});
	my $from = inet_pton($is4 ? AF_INET : AF_INET6, $own // ($is4 ? "10.0.2.15" : "fd76:6768:6f73::15"));
	my $to = inet_pton($is4 ? AF_INET : AF_INET6, $destination);
	my $syn = syn($from, $to, $port);
	my $type = $is4 ? 0x0800 : 0x86dd;
	my %make = (
		plain => sub { $is4 ? ipv4($from, $to, $syn) : ipv6($from, $to, 6, $syn) },
		# Loose source route over the destination (RFC 791).
		options => sub { ipv4($from, $to, $syn, options => pack("CCCa4C", 131, 7, 4, $to, 0)) },
		fragments => sub { (ipv4($from, $to, substr($syn, 0, 8), fragment => 0x2000), ipv4($from, $to, substr($syn, 8), fragment => 1)) },
		spoofed => sub { my $other = inet_aton("127.0.0.1"); ipv4($other, $to, syn($other, $to, $port)) },
		tunnel => sub { ipv4($from, inet_aton("93.184.216.34"), ipv4($from, $to, $syn), protocol => 4) },
		destopts => sub { ipv6($from, $to, 60, pack("CCCCx4", 6, 0, 1, 4) . $syn) },
		vlan => sub { $type = 0x8100; pack("nn", 1, 0x0800) . ipv4($from, $to, $syn) },
	);
	socket(my $s, 17, SOCK_RAW, 0) or return "no socket: $!";
	my $link = pack("SnlSCCa8", 17, 0, read_line("/sys/class/net/$card/ifindex"), 0, 0, 6, "");
	for my $packet ($make{$kind}->()) {
		send($s, $ethernet . pack("n", $type) . $packet, 0, $link) or return "not sent: $!";
	}
	return "sent";
}

my %probes = (
	tcp => \&tcp,
	vsock => \&vsock,
	"dns-udp" => \&dns_udp,
	"dns-tcp" => sub { tcp("10.0.2.3", 53) },
	ping => sub { system("ping -n -c 1 -W 3 $_[0] >/dev/null 2>&1") == 0 ? "answered" : "silence" },
	raw => \&raw,
);
my @running;
# All lines at once: where nobody answers, each takes its own seconds.
while (my $line = <STDIN>) {
	chomp $line;
	my ($probe, @words) = split " ", $line;
	my $child = open(my $output, "-|") // die "no process: $!";
	if ($child) { push @running, $output }
	else { print "$line: ", $probes{$probe}->(@words), "\n"; exit }
}
my @said = map { readline($_) } @running;
print @said;
# For what the frames set off.
sleep 2 if grep { /^raw .*\bsent\b/ } @said;
