"""What every other package uses: errors, files, machine, progress. No TensorFlow."""
