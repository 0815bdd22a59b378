"""What only commands do, and not a program that imports fcn: print, show progress bars, hide TensorFlow's C++ messages.

All modules log to the logger "fcn". errors.run_command() enters as_command(), which prints the log lines. A program
that imports fcn configures logging itself.
"""

import contextlib
import logging
import os
import sys
import tempfile
import warnings

TENSORFLOW_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_wants_native_output = TENSORFLOW_LEVEL in os.environ  # a user who sets it wants to see TensorFlow's C++ messages
_is_command = False


class _PrintHandler(logging.Handler):
    """Prints the message only. Raises BrokenPipeError for a closed pipe, as print() does."""

    def emit(self, record):
        print(self.format(record), flush=True)


@contextlib.contextmanager
def as_command():
    """Context manager of a command: log lines of fcn are printed to stdout, and progress bars are shown."""
    global _is_command
    if _is_command:
        yield
        return
    os.environ.setdefault(TENSORFLOW_LEVEL, "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # they name no file, e.g. "Corrupt EXIF data"
    logger, handler = logging.getLogger("fcn"), _PrintHandler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    _is_command = True
    try:
        yield
    finally:
        _is_command = False
        logger.removeHandler(handler)
        logger.setLevel(level)


def environment():
    """The environment for other commands: without what as_command() has set."""
    return {name: value for name, value in os.environ.items() if _wants_native_output or name != TENSORFLOW_LEVEL}


def is_command():
    """Whether a command is running, and not a program that imports fcn."""
    return _is_command


@contextlib.contextmanager
def native_output_hidden():
    """In a command, hide what C++ code writes to file descriptor 2; show it if the body raises.

    TensorFlow writes messages on CPU features and missing GPUs before it reads its own log level.
    """
    if not _is_command or _wants_native_output:
        yield
        return
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(screen, hidden.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)
