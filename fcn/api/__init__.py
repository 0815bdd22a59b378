"""The Python API: what `import fcn` offers. It takes plain arguments, logs to the logger "fcn" and prints nothing."""
