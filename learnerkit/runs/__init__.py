"""What is done with runs of any task, which is reached through `tasks` alone."""
