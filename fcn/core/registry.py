"""Plugin registry: a folder per kind, a file per name. `--net fcn16s` loads nets/fcn16s.py; no table lists it.

Each kind of plugin (net, loss, layout, ...) has a package. A plugin folder of the user, given by --plugins or
FCN_PLUGINS, has a sub-folder for each kind: DIR/nets/mine.py is `--net mine`. Its files become modules of the same
package (fcn.models.nets.mine), so a plugin imports other plugins like the program's own files.

The package of a kind states the contract of its files:

    REQUIRED    names that every file defines; functions with their parameters; "A or B" for one of two
    OPTIONAL    {name: default} of what a file may leave out

A net needs no file: DECODER_ENCODER is the net of a decoder and an encoder, so that --net unet_resnet50 is
decoders/unet.py on encoders/resnet50.py.

docs/plugins.md has an example of each kind.
"""

import ast
import dataclasses
import difflib
import functools
import importlib
import keyword
import os
import pathlib
import types

from fcn.core import errors, plugin_loader

ENVIRONMENT = "FCN_PLUGINS"
HERE = pathlib.Path(__file__).parents[1]  # the package fcn


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of plugin. word: its name in messages. package: that of the program's own files. suffix: of its files."""

    word: str
    package: str
    suffix: str = ".py"

    @property
    def folder(self):
        """Folder of the program's own files."""
        return HERE.joinpath(*self.package.split(".")[1:])


KINDS = {  # by the name of the sub-folder in a plugin folder
    "nets": Kind("net", "fcn.models.nets"),
    "encoders": Kind("encoder", "fcn.models.encoders"),
    "decoders": Kind("decoder", "fcn.models.decoders"),
    "losses": Kind("loss", "fcn.models.losses"),
    "optimizers": Kind("optimizer", "fcn.training.optimizers"),
    "schedules": Kind("schedule", "fcn.training.schedules"),
    "augmentations": Kind("augmentation", "fcn.data.augmentations"),
    "layouts": Kind("layout", "fcn.data.layouts"),
    "label_formats": Kind("label format", "fcn.data.label_formats"),
    "protocols": Kind("protocol", "fcn.metrics.protocols"),
    "export_formats": Kind("export format", "fcn.export.formats"),
    "sections": Kind("section of report.html", "fcn.reporting.sections"),
    "recipes": Kind("recipe", "fcn.config.recipes", ".toml"),
}


RESERVED = {"layouts": "auto", "augmentations": "none"}  # values of options with a meaning of their own


@dataclasses.dataclass
class _Plugins:
    """The plugin folders of this process. are_given: set by --plugins; then settings files and runs add none."""

    folders: list[pathlib.Path] = dataclasses.field(default_factory=list)
    missing: list[pathlib.Path] = dataclasses.field(default_factory=list)
    are_given: bool = False


_plugins = _Plugins()


def use(folders=()):
    """Use these plugin folders and those in FCN_PLUGINS, instead of the previous ones.

    Raises UsageError for a folder that does not exist or holds no plugins, for a file that is not valid Python, and for
    a name that cannot be used or exists already.
    """
    global _plugins
    _plugins = _Plugins(are_given=bool(folders))
    _add([path for path in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if path] + list(folders))


def add(folders):
    """Add the plugin folders of a settings file, unless --plugins was given. Raises UsageError as use()."""
    if not _plugins.are_given:
        _add(folders)


def add_recorded(settings):
    """Add the plugin folders that a run or an evaluation recorded, unless --plugins was given.

    settings: "config" of a config.json or "settings" of a report.json, unchecked. A missing folder is reported only
    when a name is not found. Raises UsageError as use().
    """
    recorded = settings.get("plugins") if isinstance(settings, dict) else None
    texts = [folder for folder in recorded if isinstance(folder, str)] if isinstance(recorded, list) else []
    for folder in map(pathlib.Path, texts):
        if folder.is_dir() and folder.is_absolute():  # a relative path could point into a run of unknown origin
            add([folder])
        else:
            _plugins.missing.append(folder)


def folders():
    """Absolute paths of the plugin folders in use, as strings."""
    return tuple(map(str, _plugins.folders))


def names(kind):
    """Sorted names of a kind. Nothing is imported."""
    return sorted(name for name in _files(kind) if not name.startswith("_"))


def all_names(kind):
    """names() and, for nets, all DECODER_ENCODER without a file. Nothing is imported."""
    return [*names(kind), *(_combinations() if kind == "nets" else ())]


def described(kind):
    """names() as a text; for nets with the rule DECODER_ENCODER."""
    text = ", ".join(names(kind))
    if kind == "nets":
        text += (f"; or DECODER_ENCODER, such as unet_vgg19, of a decoder ({', '.join(_free_decoders())}) and an "
                 f"encoder ({', '.join(names('encoders'))})")
    return text


def is_plugin(kind, name):
    """Whether a name is from a plugin folder. Raises UsageError for an unknown name."""
    return path(kind, name).parent not in (KINDS[kind].folder, KINDS["decoders"].folder)


def path(kind, name):
    """The file of a name; of a net without a file, that of its decoder.

    Nothing is imported, so an unknown name fails early. Raises UsageError.
    """
    if name in names(kind):
        return _files(kind)[name]
    if kind == "nets" and name in _combinations():
        return path("decoders", _combinations()[name][0])
    near = difflib.get_close_matches(str(name), all_names(kind), 1)
    gone = [f"the run used the plugin folder {folder}, which is missing" for folder in _plugins.missing]
    raise errors.UsageError(f"unknown {KINDS[kind].word} '{name}'; available: {described(kind)}", why=gone,
                            fix=f"did you mean {near[0]}?" if near else "give --plugins FOLDER." if gone else
                            "use one of the available names, or add a plugin (docs/plugins.md).")


def functions(kind, name):
    """Names of the functions in the file of a name. It is parsed and not imported, because many import TensorFlow."""
    return tuple(node.name for node in _parsed(path(kind, name)) if isinstance(node, ast.FunctionDef))


def keywords(kind, name, function):
    """{parameter: default} of the keyword-only parameters of a function in the file of a name, {} without the function.

    A default that is not a literal is None. Nothing is imported.
    """
    for node in _parsed(path(kind, name)):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return {given.arg: _literal(default)
                    for given, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)}
    return {}


def constant(kind, name, constant_name, default):
    """A constant, given as a literal, in the file of a name; `default` without it. Nothing is imported."""
    for node in _parsed(path(kind, name)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant_name:
            return _literal(node.value)
    return default


@functools.cache
def load(kind, name):
    """Import the module of a name, check it against the contract of its kind, and set the defaults of OPTIONAL.

    Raises UsageError for an unknown name, and for a plugin that cannot be imported or does not fulfil the contract
    (with file and line).
    """
    file, package = path(kind, name), importlib.import_module(KINDS[kind].package)
    if name not in names(kind):
        return _combined(name, file)
    load = _load_plugin if is_plugin(kind, name) else lambda name, file: importlib.import_module(name)
    module = load(f"{package.__name__}.{name}", file)
    required = getattr(package, "REQUIRED", ())
    for problem, where in plugin_loader.contract_problems(module, required):
        raise errors.UsageError(problem, where=where or file,
                                why=f"every {KINDS[kind].word} defines {', '.join(required)}",
                                fix="docs/plugins.md has an example.")
    for optional, value in getattr(package, "OPTIONAL", {}).items():
        if not hasattr(module, optional):
            setattr(module, optional, value)
    return module


@functools.cache
def load_all(kind):
    """{name: module} of all names of a kind. Raises UsageError as load()."""
    return {name: load(kind, name) for name in names(kind)}


def _combinations():
    """{DECODER_ENCODER: (decoder, encoder)} of the nets without a file."""
    encoders, files = names("encoders"), names("nets")
    return {f"{decoder}_{encoder}": (decoder, encoder) for decoder in _free_decoders() for encoder in encoders
            if f"{decoder}_{encoder}" not in files}


def _free_decoders():
    """Names of the decoders that read nothing from the net's file."""
    return [name for name in names("decoders") if constant("decoders", name, "NET_DEFINES", None) is None]


def _combined(name, file):
    """The module of a net without a file. file: of its decoder."""
    decoder, encoder = _combinations()[name]
    net = types.ModuleType(f"{KINDS['nets'].package}.{name}", f"The decoder {decoder} on the encoder {encoder}.")
    vars(net).update(DECODER=decoder, ENCODER=encoder, __file__=str(file))
    return net


def _literal(node):
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _parsed(file):
    """The statements of a Python file."""
    return ast.parse(file.read_bytes()).body


def _files(kind):
    """{name: file} of a kind, with helpers ("_name"). Files of plugin folders come last."""
    return {file.stem: file for file in _all_files(kind)}


def _all_files(kind):
    suffix = KINDS[kind].suffix
    for folder in (KINDS[kind].folder, *(root / kind for root in _plugins.folders)):
        yield from sorted(file for file in folder.glob(f"*{suffix}") if file.name != "__init__.py")


def _add(roots):
    """Check plugin folders and add them."""
    for root in (pathlib.Path(root).absolute() for root in roots):
        if not root.is_dir():
            near = difflib.get_close_matches(root.name, [path.name for path in root.parent.glob("*/")], 1)
            raise errors.UsageError("there is no such plugin folder", where=root, fix=f"did you mean "
                                    f"{root.with_name(near[0])}?" if near else f"check --plugins and {ENVIRONMENT}, or "
                                    "create the folder.")
        if not any((root / kind).is_dir() for kind in KINDS):
            raise errors.UsageError("holds no plugins", where=root,
                                    why=f"a plugin folder has folders named {', '.join(KINDS)}",
                                    fix="give the folder that holds such a folder.")
        for folder in sorted(path for path in root.iterdir() if path.is_dir() and path.name not in KINDS):
            near = difflib.get_close_matches(folder.name, KINDS, 1)
            if near:
                raise errors.UsageError("unknown kind of plugin", where=folder,
                                        fix=f"did you mean {near[0]}? Rename the folder.")
        if root not in _plugins.folders:
            _plugins.folders.append(root)
    load.cache_clear()
    load_all.cache_clear()
    for kind in KINDS:
        _check_files(kind)


def _check_files(kind):
    """Raise UsageError for a plugin whose name exists already or cannot be used, or that is not valid Python."""
    file_of: dict[str, pathlib.Path] = {}
    for file in _all_files(kind):
        if file.stem in file_of:
            raise errors.UsageError(f"the {KINDS[kind].word} '{file.stem}' exists already: {file_of[file.stem]}",
                                    where=file, fix="rename the file.")
        file_of[file.stem] = file
        if file.suffix == ".py" and file.parent != KINDS[kind].folder:
            _check_name(kind, file)
            plugin_loader.check_syntax(file)


def _check_name(kind, file):
    """Raise UsageError for a name that is reserved or is not a Python identifier."""
    if file.stem == RESERVED.get(kind):
        raise errors.UsageError(f"the name '{file.stem}' is reserved", where=file, fix="rename the file.")
    if not file.stem.isidentifier() or keyword.iskeyword(file.stem):
        raise errors.UsageError(f"'{file.stem}' is not a valid name of a Python module", where=file,
                                fix="rename the file: letters, digits and _, not starting with a digit.")


def _load_plugin(name, file):
    """Import the module `name` from a file in a plugin folder. The plugin folders are added to all packages' paths."""
    for sub_folder, kind in KINDS.items():
        if kind.suffix == ".py":
            importlib.import_module(kind.package).__path__ = [
                str(kind.folder), *(str(root / sub_folder) for root in _plugins.folders)]
    return plugin_loader.load(name, file)
