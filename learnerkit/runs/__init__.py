"""The package of what is done with runs of any task, reached through `tasks` alone."""
