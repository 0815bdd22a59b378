"""python -m fcn COMMAND ..."""

from fcn.cli.main import start

start()
