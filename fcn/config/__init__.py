"""Settings of a training run: flags, TOML files, recipes, and where each value comes from."""
