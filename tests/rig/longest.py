"""The files that hold a worker of the tests longest: what begins last of them would end alone."""

from pathlib import Path

LONGEST = [
    Path(__file__).parents[1] / name
    for name in (
        "cli/test_greylist_million.py",
        "setup/test_bare.py",
        "contrib/test_ansible.py",
        "package/test_debian.py",
        "docs/test_commands.py",
        "contrib/test_containers.py",
        "package/test_booted.py",
        "numbers/test_numbers.py",
        "audit/test_host_table.py",
        "sharing/test_shared_counters.py",
        "faults/test_sharing_hosts.py",
        "faults/test_commands.py",
        "audit/test_real_hosts.py",
        "cli/test_greylist_for_real.py",
        "cli/test_doors_for_real.py",
        "contrib/test_fail2ban.py",
        "wire/test_service.py",
        "faults/test_bad_dns.py",
        "faults/test_sharing_failover.py",
        "sharing/test_room.py",
        "postfix/test_protocols.py",
        "cli/test_help.py",
        "nat64/test_rights_and_restrictions.py",
        "sharing/test_shared_lists_histories.py",
        "faults/test_broken_store.py",
        "postfix/test_settings.py",
        "wire/test_stuck.py",
        "wire/test_lists.py",
        "sharing/test_histories.py",
        "sharing/test_no_password_shown.py",
        "sharing/test_two_hosts.py",
    )
]
"""In the order in which they are to begin, before all others."""
