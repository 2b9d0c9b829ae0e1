"""Recipes, and the wiring from a recipe to a Learner: one module a task. `recipe` alone imports no torch."""
