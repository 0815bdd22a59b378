"""The site has every page and picture under its path in the repository, so that its links work."""

import pathlib

from mkdocs.structure.files import File, Files

ROOT = pathlib.Path(__file__).parents[1]
PATTERNS = ("*.md", "docs/*.md", "docs/*.png", "docs/results/*.png", "weights/*.md", "data_cache/*.md",
            "benchmarks/*.md", "benchmarks/results/*/*.md", "benchmarks/results/*/*.png", "examples/*.py")


def on_files(files, config):
    """Replace the files of docs/ by those of PATTERNS. What theme and plugins add stays."""
    added = [file for file in files if not file.abs_src_path.startswith(config["docs_dir"])]
    ours = [File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
            for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))]
    return Files([*added, *ours])
