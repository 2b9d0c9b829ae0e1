"""The commands, a module for those that go together; `cli.make_app` enters them."""
