"""The example encoder with the example decoder."""

ENCODER, DECODER = "example", "example"
