"""What a user runs from a shell: one command, ``facemesh``, with subcommands."""
