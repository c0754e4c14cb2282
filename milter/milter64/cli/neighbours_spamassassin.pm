# For SpamAssassin behind milter64: the client's address and name as milter64 knows them, in the place of those that
# Received has.
#
# Made by `milter64 neighbours spamassassin`, of the settings in milter64.toml; make it anew when these change. It stands
# in /etc/spamassassin/Milter64.pm, and a file of its own, /etc/spamassassin/milter64.pre, has the line
#   loadplugin Milter64 /etc/spamassassin/Milter64.pm

package Milter64;

use strict;
use warnings;

@SETTINGS@

use Mail::SpamAssassin::Constants qw(:ip);
use Mail::SpamAssassin::Plugin;
use Mail::SpamAssassin::Util qw(reverse_ip_address);
use Socket qw(AF_INET AF_INET6 inet_ntop inet_pton);

our @ISA = ("Mail::SpamAssassin::Plugin");

# An address as its 32 or 128 bits, "0" and "1"; undef if it is none.
sub _bits {
  my ($address) = @_;
  my $packed = inet_pton($address =~ /:/ ? AF_INET6 : AF_INET, $address);
  return defined $packed ? unpack("B*", $packed) : undef;
}

# The bits that the addresses of a network begin with.
sub _head {
  my ($address, $length) = split m{/}, $_[0];
  return substr(_bits($address), 0, $length);
}

sub _within {
  my ($address, @networks) = @_;
  return scalar grep { index($address, $_) == 0 } @networks;
}

my @trusted = map { _head($_) } @TRUSTED;

# What is left as it is. Those of private use are: who is trusted for his address is trusted for the one on the wire.
my @no_source = map { _head($_) } @NO_SOURCE, @PRIVATE;
my @non_global = map { _head($_) } @NON_GLOBAL, @PRIVATE;

# Who decodes, the first that counts: what the wire begins with, what IPv4 begins with, and what it must not be.
my @rules = (
  {head => "0" x 80 . "1" x 16, ipv4 => "", never => []},  # as a socket shows IPv4
  (map { {head => _head($_->[1]), ipv4 => _head($_->[0]), never => \@no_source} } @MAPPINGS),
  (
    map {
      {head => _head($_), ipv4 => "", never => $_ eq "64:ff9b::/96" ? \@non_global : \@no_source, prefix => 1}
    } @PREFIXES
  ),
);

# The IPv4 address that one on the wire stands for, undef if it is to stay.
sub decode {
  my ($wire) = @_;
  my $address = _bits($wire);
  return undef unless defined $address && length $address == 128;
  for my $rule (@rules) {
    next unless _within($address, $rule->{head});
    my $length = length $rule->{head};
    my $rest = substr($address, $length);
    if ($rule->{prefix}) {
      return undef if substr($address, 64, 8) ne "00000000";
      $rest = substr($address, $length, 64 - $length) . substr($address, 72) if $length <= 64;  # RFC 6052 2.2
    }
    my $ipv4 = substr("$rule->{ipv4}$rest", 0, 32);
    return undef if _within($ipv4, @{$rule->{never}});
    return inet_ntop(AF_INET, pack("B32", $ipv4));
  }
  return undef;
}

sub new {
  my ($class, $main) = @_;
  my $self = bless $class->SUPER::new($main), ref $class || $class;
  $self->register_method_priority("extract_metadata", -100);  # other plugins look at the relays there
  return $self;
}

sub extract_metadata {
  my ($self, $opts) = @_;
  my ($msg, $pms) = @$opts{qw(msg permsgstatus)};
  my $metadata = $msg->{metadata};
  my $decoded = 0;
  for my $relay (@{$metadata->{relays_trusted}}, @{$metadata->{relays_untrusted}}) {
    my $wire = $relay->{ip};
    my $address = decode($wire);
    next unless defined $address;
    my $name = $decoded++ ? "" : _confirmed_name($msg, $relay, $address);
    $relay->{no_reverse_dns} = 1 if $relay->{rdns} ne "" && $name eq "";
    delete @$relay{qw(no_reverse_dns rdns_not_in_headers)} if $name ne "";
    @$relay{qw(ip rdns lc_rdns)} = ($address, $name, lc $name);
    $relay->{ip_private} = $address =~ IS_IP_PRIVATE;
    $relay->{as_string} =~ s/^\[ ip=\S* rdns=\S* /[ ip=$address rdns=$name /;
  }
  return unless $decoded;
  for my $kind (qw(trusted untrusted internal external)) {  # as Mail::SpamAssassin::Message::Metadata makes them
    my @relays = @{$metadata->{"relays_$kind"}};
    $metadata->{"relays_${kind}_str"} = join(" ", map { $_->{as_string} } @relays);
    $msg->put_metadata("X-Spam-Relays-\u$kind", $metadata->{"relays_${kind}_str"});
    my @reversed = grep { $_ } map { reverse_ip_address($_->{ip}) } grep { !$_->{ip_private} && $_->{ip} } @relays;
    $pms->set_tag("RELAYS\U$kind\EREVIP", @reversed == 1 ? $reversed[0] : \@reversed) if @reversed;
  }
}

# The client's name as our uppermost field with an iprev has it, empty if that found none. Comments of ours hold neither
# parentheses nor semicolons, whoever has chosen what is in them; what stands in quotes goes first.
sub _confirmed_name {
  my ($msg, $relay, $address) = @_;
  my $authserv_id = lc($AUTHSERV_ID // $relay->{by});
  return "" if !$NAMES || $relay->{auth} || _within(_bits($relay->{ip}), @trusted);
  for my $field ($msg->get_header("Authentication-Results")) {
    my ($id, $results) = $field =~ /^\s*([^\s;]+)(;.*)$/s or next;
    next unless lc $id eq $authserv_id;
    $results =~ s/\\.//gs;
    $results =~ s/"[^"]*"//g;
    $results =~ s/\s+/ /g;
    my ($found) = $results =~ /; iprev=(.*)$/ or next;
    return $found =~ /^pass \(([\w.-]+)\) policy\.iprev=\Q$address\E(?![\d.])/a ? $1 : "";
  }
  return "";
}

1;
