# milter64 on NixOS:
#
#     imports = [ /path/to/milter64/contrib/nixos/milter64.nix ];
#     services.milter64 = {
#       enable = true;
#       settings.translation.prefixes = [ "64:ff9b::/96" ];
#     };
#
# Needs NixOS 25.11 or later (services.postfix.settings). A configuration that milter64 would refuse fails the build.
# Submission must not go through milter64: give it its own smtpd_milters in services.postfix.submissionOptions and
# submissionsOptions, the other milters alone.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.milter64;
  toml = pkgs.formats.toml { };
  unchecked = toml.generate "milter64.toml" cfg.settings;
  file = pkgs.runCommand "milter64.toml" { } ''
    # 69: folders and groups that this host lacks, which is not the one that serves.
    ${lib.getExe cfg.package} check-config --config ${unchecked} || [ $? = 69 ]
    cp ${unchecked} $out
  '';
in
{
  options.services.milter64 = {
    enable = lib.mkEnableOption "milter64, a milter that knows the real client behind NAT64";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package to use.";
    };

    settings = lib.mkOption {
      type = toml.type;
      default = { };
      description = "milter64.toml; see packaging/milter64.toml for every key.";
    };

    postfix = lib.mkOption {
      type = lib.types.bool;
      default = config.services.postfix.enable;
      defaultText = lib.literalExpression "config.services.postfix.enable";
      description = "Whether Postfix on this host asks milter64, at its default socket, before all its other milters.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.milter64.settings.milter.socket = lib.mkDefault "inet:8864@localhost";

    systemd.services.milter64 = {
      description = "milter64: who is really calling behind NAT64";
      wantedBy = [ "multi-user.target" ];
      before = [ "postfix.service" ];
      after = [
        "network.target"
        "nss-lookup.target"
      ];
      reloadTriggers = [ file ];
      # As packaging/systemd/milter64.service has it, which a test holds against this.
      startLimitIntervalSec = 0;
      serviceConfig = {
        Type = "notify";
        ExecStart = "${lib.getExe cfg.package} run --config /etc/milter64/milter64.toml";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        Restart = "on-failure";
        RestartSec = "2s";
        RestartPreventExitStatus = 78;
        WatchdogSec = "60s";
        TimeoutStartSec = "60s";
        TimeoutStopSec = "20s";
        LimitNOFILE = 8192;
        DynamicUser = true;
        StateDirectory = "milter64";
        StateDirectoryMode = "0750";
        RuntimeDirectory = "milter64";
        RuntimeDirectoryMode = "0711";
        UMask = "0077";
        CapabilityBoundingSet = "";
        DevicePolicy = "closed";
        KeyringMode = "private";
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateMounts = true;
        PrivateTmp = true;
        ProcSubset = "pid";
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHome = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProtectSystem = "strict";
        RemoveIPC = true;
        RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6";
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallErrorNumber = "EPERM";
        SystemCallFilter = [
          "@system-service"
          "~@privileged @resources"
          "sched_setaffinity sched_setscheduler setpriority setrlimit prlimit64 chown fchownat"
        ];
      };
    };

    environment.etc."milter64/milter64.toml".source = file;

    # mkBefore: ahead of the milters of every other module. An IPv6-only Postfix reaches no 127.0.0.1.
    services.postfix.settings.main = lib.mkIf cfg.postfix {
      smtpd_milters = lib.mkBefore [
        (
          if (config.services.postfix.settings.main.inet_protocols or "all") == "ipv6" then
            "inet:[::1]:8864"
          else
            "inet:127.0.0.1:8864"
        )
      ];
    };
  };
}
