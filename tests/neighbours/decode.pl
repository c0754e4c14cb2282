# Runs the plugin in $RULES, in SpamAssassin, on a message in each line: the client's address on the wire, the user, the
# mail server's name, the client's host name, and Authentication-Results from the uppermost on, with tabs between. It
# prints the address and the host name that SpamAssassin has afterwards.
use strict;
use warnings;
use Mail::SpamAssassin;
use Mail::SpamAssassin::PerMsgStatus;

my $spamassassin = Mail::SpamAssassin->new({
  config_text => "loadplugin Milter64 $ENV{RULES}\n",
  dont_copy_prefs => 1,
  local_tests_only => 1,
});
$spamassassin->init(0);
while (my $line = <STDIN>) {
  chomp $line;
  my ($wire, $user, $mta, $hostname, @fields) = split /\t/, $line, -1;
  my $ip = $wire =~ /:/ ? "IPv6:$wire" : $wire;
  my $login = $user ne "" ? " (Authenticated sender: $user)" : "";
  my $text = join "", map { "Authentication-Results: $_\n" } @fields;
  my $received = "from helo.example (" . ($hostname || "unknown") . " [$ip])$login by $mta (Postfix) with ESMTP id 4Pn2";
  my $message = $spamassassin->parse("Received: $received; Sat, 28 Nov 2026 03:00:00 +0000\n${text}Subject: test\n\nHi.\n");
  my $status = Mail::SpamAssassin::PerMsgStatus->new($spamassassin, $message);
  $status->extract_message_metadata();
  my $relay = $status->{relays_external}->[0] // $status->{relays_trusted}->[0];
  die "not in step" if ($status->get("X-Spam-Relays-External") . $status->get("X-Spam-Relays-Trusted"))
    !~ /^\[ ip=\Q$relay->{ip}\E rdns=\Q$relay->{rdns}\E helo=helo\.example /;
  print "$relay->{ip}\t$relay->{rdns}\n";
  $status->finish();
  $message->finish();
}
