"""The figures as their makers print them, a module for each family."""
