"""The processes of a file's workers, as commands or as units of systemd, a Procfile, Compose or Kubernetes."""
