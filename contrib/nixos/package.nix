# milter64 as a package, of what nixpkgs has: pkgs.callPackage ./package.nix { }
{ python3Packages }:

let
  project = (builtins.fromTOML (builtins.readFile ../../pyproject.toml)).project;
in
python3Packages.buildPythonApplication {
  pname = project.name;
  version = project.version;
  pyproject = true;
  src = ../..;
  build-system = [ python3Packages.hatchling ];
  dependencies = with python3Packages; [
    dnspython
    idna
    netaddr
    prometheus-client
    publicsuffixlist
    pymilter
    pyspf
    structlog
  ];
  # The tests are root's, and start mail servers in network namespaces.
  doCheck = false;
  pythonImportsCheck = [ "milter64" ];
  meta = {
    description = project.description;
    mainProgram = "milter64";
  };
}
