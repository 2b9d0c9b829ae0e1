"""Model families, each registered under the names that `create_model` takes. Importing a family registers it."""
