"""Settings: precedence, flags, TOML files, their help and their error messages."""

import dataclasses
import json
import re

import pytest

from fcn.config import checks, command_line, loss_terms, parsers, provenance, training_config
from fcn.config.setting import GROUPS
from fcn.core import errors, registry


def parse(*arguments):
    parser = command_line.Parser([], prog="test")
    command_line.add_flags(parser)
    return vars(parser.parse_args(arguments))


def refusal(capsys, *arguments):
    """The message about wrong arguments, which end with code 2."""
    with pytest.raises(SystemExit) as end:
        parse(*arguments)
    assert end.value.code == 2
    return capsys.readouterr().err


def toml(tmp_path, text):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return path


def test_every_setting_is_a_flag_with_help(capsys):
    with pytest.raises(SystemExit) as end:
        parse("--help")
    assert end.value.code == 0
    text = capsys.readouterr().out
    for field in dataclasses.fields(training_config.Config):
        assert f"--{field.name.replace('_', '-')}" in text
        assert training_config.about(field.name).help


def test_flags_not_given_are_absent():
    assert parse() == {}
    assert parse("--batch", "4", "--learning-rate", "1e-3", "--crop-size", "12x16", "--ignore-label", "0,255") == {
        "batch": 4, "learning_rate": 1e-3, "crop_size": (12, 16), "ignore_label": (0, 255)}


def test_help_lists_common_options_and_help_all_every_one(capsys):
    shown = {}
    for flag in ("--help", "--help-all"):
        parser = command_line.Parser([flag], has_more=True, prog="test")
        command_line.add_flags(parser)
        with pytest.raises(SystemExit):
            parser.parse_args([flag])
        text = capsys.readouterr().out
        shown[flag] = {name for name in training_config.fields() if re.search(
            rf"^  --{name.replace('_', '-')}[ ,]", text, re.MULTILINE)}
    common = {name for name in training_config.fields() if training_config.about(name).is_common}
    assert shown["--help"] == common and {"data", "net", "batch", "steps"} < common and len(common) < 18
    assert shown["--help-all"] == set(training_config.fields())


def test_every_group_has_settings_and_every_value_a_name():
    abouts = [training_config.about(name) for name in training_config.fields()]
    assert list(dict.fromkeys(about.group for about in abouts)) == list(GROUPS)
    for about in abouts:
        assert bool(about.metavar) != (about.parse is bool or bool(about.choices and not about.kind)), about


def test_a_switch_can_be_turned_on_and_off():
    assert parse("--no-skip-bad", "--learn-upsampling") == {"skip_bad": False, "learn_upsampling": True}
    assert parse("--skip-bad") == {"skip_bad": True}


def test_precedence_is_flag_file_recipe_default(tmp_path):
    path = toml(tmp_path, "batch = 3\nseed = 7\n")
    recipe = training_config.resolve({}, None, "demo")
    assert (recipe.size, recipe.batch, recipe.momentum) == ((96, 96), 8, training_config.Config().momentum)
    both = training_config.resolve({"seed": 9, "run": "is no setting"}, path, "demo")
    assert (both.seed, both.batch, both.size) == (9, 3, (96, 96))
    assert training_config.resolve({}) == training_config.Config()


def test_settings_file_takes_everything_a_flag_takes(tmp_path):
    path = toml(tmp_path, 'size = "12x16"\ncrop_size = [4, 8]\nignore_label = 11\nskip_bad = true\nlearning_rate = 1\n'
                          'optimizer = "momentum"\nepochs = 2.5')
    assert training_config.read_toml(path) == {"size": (12, 16), "crop_size": (4, 8), "ignore_label": (11,),
                                               "skip_bad": True,
                                               "learning_rate": 1.0, "optimizer": "momentum", "epochs": 2.5}


def test_a_file_with_tables_sets_what_a_flat_file_sets(tmp_path):
    flat = training_config.read_toml(toml(tmp_path, 'data = "x"\nnet = "fcn8s"\nbatch = 3\n'))
    tables = training_config.read_toml(toml(tmp_path, '[data]\ndata = "x"\n[model]\nnet = "fcn8s"\n'
                                                      "[optimizer]\nbatch = 3\n"))
    mixed = training_config.read_toml(toml(tmp_path, 'batch = 3\n[data]\ndata = "x"\n[model]\nnet = "fcn8s"\n'))
    assert flat == tables == mixed == {"data": "x", "net": "fcn8s", "batch": 3}


def test_removed_settings_of_a_run_have_their_replacements():
    old = {"batch": 3, "recompute": True, "new_layer_factor": 10.0, "rate_factors": "*/bias=2", "eval_budget": 0.05,
           "eval_every": 500, "average_loss": "auto"}
    settings = training_config.from_dict(old)
    assert (settings.batch, settings.rate_factors, settings.eval_every, settings.average_loss) == (
        3, "*/bias=2, new=10", 0.05, 20)
    unused = training_config.from_dict({"new_layer_factor": 1.0, "eval_budget": None, "recompute": False})
    assert unused == training_config.Config()


@pytest.mark.parametrize(("text", "words"), [
    ("bacth = 4", ["unknown setting 'bacth'", "did you mean batch in [optimizer]?"]),
    ("lr = 4", ["did you mean learning_rate in [optimizer]?"]),
    ("zzz = 4", ["unknown setting 'zzz'", "--help-all"]),
    ("batch = 0", ["batch = 0", "a whole number of at least 1", "Fix: correct batch"]),
    ("batch = true", ["batch = True"]),
    ("keep_prob = 1.5", ["keep_prob = 1.5", "to 1.0"]),
    ("keep_prob = 0", ["keep_prob = 0"]),
    ("learning_rate = nan", ["learning_rate"]),
    ('skip_bad = "yes"', ["skip_bad = 'yes'", "true or false"]),
    ("skip_bad = 1", ["skip_bad = 1", "true or false"]),
    ('net = "fcn8"', ["net = 'fcn8'", "unknown net 'fcn8'", "Fix: did you mean fcn8s?"]),
    ('optimizer = "sgd"', ["optimizer = 'sgd'", "adam, adamw, momentum"]),
    ("size = [1, 2, 3]", ["size = [1, 2, 3]"]),
    ('size = "12y16"', ["size = '12y16'", "invalid size '12y16': expected 384 or HEIGHTxWIDTH"]),
    ("size = true", ["size = True"]),
    ("ignore_label = 65536", ["ignore_label = 65536", "0 to 65535"]),
    ("batch = [2]", ["batch = [2]"]),
    ('loss = "0.5*cros_entropy"', ["loss = '0.5*cros_entropy'", "'cros_entropy'", "did you mean cross_entropy?"]),
    ('loss = "cross_entropy+"', ["'cross_entropy+' has a term without a loss", "0.5*dice+focal"]),
    ("loss = 3", ["loss = 3", "not a text"]),
    ("batch = ", ["cannot be read as TOML", "Fix: correct this line"]),
    ("net = 'b", ["cannot be read as TOML", "Fix: correct this line"]),
    ("net = fcn8s", ["cannot be read as TOML", "line 1", "texts in quotes"]),
    ("[model]\nbatch = 4", ["batch does not belong to [model]", "Fix: move it to [optimizer]."]),
    ("[modle]\nnet = 'fcn8s'", ["there is no table [modle]", "[model], [variants]", "Fix: did you mean [model]?"]),
    ("[mine]\nsteps = 4", ["there is no table [mine]", "Fix: did you mean [schedule]?"]),
    ("[model]\nnte = 'fcn8s'", ["unknown setting 'nte'", "did you mean net in [model]?"]),
    ("batch = 4\n[optimizer]\nbatch = 4", ["batch is given twice", "Fix: leave one of them, below [optimizer]."]),
    ("data = 'x'\n[data]\nsize = 4", ["cannot be read as TOML", "Fix: leave one of the two"]),
    ("recompute = true", ["recompute was removed", "Fix: leave it out"]),
    ("new_layer_factor = 10", ["new_layer_factor was removed", "--rate-factors 'new=10'"]),
    ("[validation]\neval_budget = 0.05", ["eval_budget was removed", "--eval-every 5%"]),
])
def test_wrong_line_of_a_file_is_refused_with_file_and_key(tmp_path, text, words):
    path = toml(tmp_path, text)
    with pytest.raises(errors.UsageError) as caught:
        training_config.resolve({}, path)
    for word in (str(path), "\n  Fix: ", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["batch = 2.7", "seed = 0.5", "size = [96.9, 96]"])
def test_fraction_for_an_integer_is_refused(tmp_path, text):
    with pytest.raises(errors.UsageError):
        training_config.resolve({}, toml(tmp_path, text))


def test_a_missing_file_is_a_usage_error(tmp_path):
    (tmp_path / "nona.toml").touch()
    with pytest.raises(errors.UsageError, match=r"none\.toml: cannot be read(.|\n)*Fix: did you mean .*/nona\.toml\?"):
        training_config.resolve({}, tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.UsageError, match="cannot be read"):
        training_config.resolve({}, tmp_path / "bytes.toml")


@pytest.mark.parametrize(("arguments", "words"), [
    (("--lr", "4"), ["unknown argument --lr", "did you mean --learning-rate?"]),
    (("--bacth", "4"), ["unknown argument --bacth", "did you mean --batch?"]),
    (("--learn-upsample",), ["did you mean --learn-upsampling?"]),
    (("--net=fcn8",), ["unknown net 'fcn8'", "Fix: did you mean fcn8s?"]),
    (("--layout", "camvidd"), ["unknown layout 'camvidd'", "Fix: did you mean camvid?"]),
    (("--optimizer", "zzz"), ["unknown optimizer 'zzz': expected adam, adamw", "Fix: give --optimizer NAME"]),
    (("--pool", "maxx"), ["unknown value 'maxx': expected max, avg", "Fix: did you mean max?"]),
    (("--augment", "flip"), ["unknown augmentation 'flip'", "Fix: did you mean vflip?"]),
    (("--size", "12x"), ["invalid size '12x': expected 384 or HEIGHTxWIDTH", "Fix: give --size HxW"]),
    (("--size", "0"), ["invalid size '0'"]),
    (("--crop-size", "1x2x3"), ["invalid size '1x2x3'"]),
    (("--crop-size", "native"), ["invalid size 'native'", "leave it out for whole images"]),
    (("--size=-3",), ["invalid size '-3'"]),
    (("--ignore-label", "a"), ["invalid label ids 'a': expected numbers from 0 to 65535"]),
    (("--ignore-label", "0,65536"), ["'0,65536'"]),
    (("--batch", "0"), ["argument --batch: invalid number '0': expected a whole number of at least 1",
                        "Fix: give --batch N"]),
    (("--batch", "2.5"), ["invalid number '2.5': expected a whole number"]),
    (("--keep-prob", "0"), ["expected a number from 1e-06 to 1.0"]),
    (("--learning-rate", "fast"), ["invalid number 'fast': expected a number above 0"]),
    (("--learning-rate", "nan"), ["--learning-rate"]),
    (("--eval-every", "0"), ["invalid interval '0': expected a number of steps such as 500, or a share", "5%"]),
    (("--eval-budget", "5%"), ["--eval-budget was removed", "Fix: give the share of the time to eval_every"]),
    (("--no-recompute",), ["--no-recompute was removed", "Fix: leave it out"]),
    (("--new-layer-factor", "10"), ["--new-layer-factor was removed", "--rate-factors 'new=10'"]),
    (("--bat", "4"), ["unknown argument --bat"]),  # an abbreviation may mean another flag tomorrow
    (("--batch",), ["expected one argument", "Fix: give --batch N"]),
    (("--loss", "nice+cross_entropy"), ["argument --loss: unknown loss 'nice': expected", "cross_entropy"]),
    (("--loss", "2*"), ["'2*' has a term without a loss"]),
    (("--loss", "0,5*cross_entropy"), ["invalid factor '0,5' in '0,5*cross_entropy'", "0.5*dice+focal"]),
    (("--loss", "cross_entropy+-1*cross_entropy"), ["'-1' in", "a number from 0.000001"]),
    (("--loss", "nan*cross_entropy"), ["'nan' in", "a number from 0.000001"]),
    (("--loss", "dice(smoth=1)"), ["unknown option of the loss dice 'smoth': expected beta", "did you mean smooth?"]),
    (("--loss", "dice(sigmoid=true)"), ["unknown option of the loss dice 'sigmoid'"]),
    (("--loss", "dice(smooth=0)"), ["invalid value '0' in dice(smooth=0): expected a number from 1e-12 to 1e+09"]),
    (("--loss", "focal(gamma=x)"), ["invalid value 'x' in focal(gamma=x): expected a number from 0 to 100"]),
    (("--loss", "focal(gamma=nan)"), ["invalid value 'nan' in"]),
    (("--loss", "dice(per_image=maybe)"), ["invalid value 'maybe' in dice(per_image=maybe): expected true or false"]),
    (("--loss", "dice(classes=presnt)"), ["'presnt': expected all, present", "Fix: did you mean present?"]),
    (("--loss", "dice(smooth=1"), ["'dice(smooth=1' has the invalid term 'dice(smooth=1'", "dice(smooth=1)+2*focal"]),
    (("--loss", "dice(smooth)"), ["invalid option 'smooth'", "expected OPTION=VALUE"]),
    (("--loss", "dice(smooth=1,smooth=2)"), ["the option smooth of dice is given twice", "Fix: give it once"]),
    (("--loss", "dice focal"), ["unknown loss 'dice focal'"]),
])
def test_wrong_flag_is_refused_with_what_is_expected(capsys, arguments, words):
    said = refusal(capsys, *arguments)
    for word in ("\n  Fix: ", *words):
        assert word in said


@pytest.mark.parametrize(("text", "terms"), [
    ("focal", [(1, "focal", {})]), ("0.5*dice+focal", [(0.5, "dice", {}), (1, "focal", {})]),
    (" 2 * a + .5*b()", [(2, "a", {}), (0.5, "b", {})]),
    ("dice(smooth=1e+2, classes = all)+2*focal", [(1, "dice", {"smooth": "1e+2", "classes": "all"}), (2, "focal", {})]),
])
def test_sum_of_losses_is_parsed_into_terms(text, terms):
    assert loss_terms.parse(text) == [loss_terms.LossTerm(*term) for term in terms]


def test_options_of_losses_have_the_types_of_their_defaults():
    (term,) = loss_terms.parse("dice(smooth=1,per_image=False,classes=present)")
    assert term.values() == {"smooth": 1.0, "per_image": False, "classes": "present"}


def test_sum_of_losses_is_stored_as_given():
    settings = training_config.resolve({"loss": "1*cross_entropy+ .5*cross_entropy"})
    assert training_config.to_dict(settings)["loss"] == "1*cross_entropy+ .5*cross_entropy"
    assert 'loss = "1*cross_entropy+ .5*cross_entropy"' in provenance.as_toml(settings, {})


def test_sizes_and_ids_have_one_notation():
    assert parsers.parse_size("384") == (384, 384)
    for text in ("360x480", "360X480", [360, 480]):
        assert parsers.parse_size(text) == (360, 480)
    assert parsers.parse_size(384) == (384, 384)
    assert parsers.parse_ids("11") == parsers.parse_ids(11) == (11,)
    assert parsers.parse_ids("0, 255") == parsers.parse_ids([0, 255]) == (0, 255)
    assert parsers.optional(parsers.parse_size)("") is parsers.optional(parsers.parse_ids)(None) is None


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(errors.UsageError, match="--crop-size 10x20 is larger than --size 16x16"):
        training_config.resolve({"size": (16, 16), "crop_size": (10, 20)})
    assert training_config.resolve({"size": (16, 16), "crop_size": (16, 16)}).crop_size == (16, 16)


@pytest.mark.parametrize("crop", [None, (8, 8)])
def test_images_need_a_size(crop):
    with pytest.raises((errors.UsageError, SystemExit)):
        training_config.resolve({**parse("--size", ""), "crop_size": crop})


def test_settings_survive_json_and_unknown_ones_are_left_out():
    settings = training_config.Config(size=(12, 16), crop_size=(4, 8), ignore_label=(0, 255), augment=(), skip_bad=True,
                                      learning_rate=1e-3)
    stored = json.loads(json.dumps(training_config.to_dict(settings)))
    assert training_config.from_dict({**stored, "of_tomorrow": 1}) == settings
    text = json.dumps(training_config.to_dict(training_config.Config()))
    assert training_config.from_dict(json.loads(text)) == training_config.Config()


def test_native_size_is_none_and_two_zeros_in_config_json():
    assert training_config.resolve(parse("--size", "native", "--batch", "1")).size is None
    stored = json.loads(json.dumps(training_config.to_dict(training_config.Config(size=None))))
    assert stored["size"] == [0, 0]
    assert training_config.from_dict(stored).size is None and training_config.resolve({"batch": 1},
                                                                                      run_settings=stored).size is None
    lines = provenance.as_toml(training_config.Config(size=None), {}).splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("size")] == ['size = "native"']


def test_settings_are_frozen_and_those_of_a_resume_exist():
    with pytest.raises(dataclasses.FrozenInstanceError):
        training_config.Config().batch = 3
    assert set(training_config.SAME_AT_RESUME) <= {field.name for field in dataclasses.fields(training_config.Config)}


@pytest.mark.parametrize("name", registry.names("recipes"))
def test_every_recipe_holds_known_settings(name):
    settings = training_config.resolve({}, None, name)
    assert settings != training_config.Config()
    assert settings.net in registry.all_names("nets")
    assert settings.layout in registry.names("layouts")


def test_unknown_recipe_or_net_is_answered_with_the_nearest():
    with pytest.raises(errors.UsageError, match=r"unknown recipe 'dmo'.*\n.*did you mean demo") as caught:
        training_config.resolve({}, None, "dmo")
    assert "camvid" in str(caught.value)
    with pytest.raises(errors.UsageError, match="did you mean fcn8s"):
        registry.load("nets", "fcn8")
    with pytest.raises(errors.UsageError, match="unknown loss 'qqqq'") as caught:
        registry.path("losses", "qqqq")
    assert "did you mean" not in str(caught.value)


def test_plugin_package_holds_only_plugins():
    assert {"fcn8s", "fcn8s_tutorial"} <= set(registry.names("nets"))
    assert not [name for name in registry.names("layouts") if name.startswith("_")]
    assert registry.load("losses", "cross_entropy").__name__ == "fcn.models.losses.cross_entropy"


@pytest.mark.parametrize(("flags", "words"), [
    ({"steps": 20, "warmup": 20}, "--warmup 20"),
    ({"images_in_memory": 2, "replacement": True}, "--images-in-memory")])
def test_conflicting_settings_are_reported_before_data_is_read(flags, words):
    with pytest.raises(errors.UsageError, match=words):
        training_config.resolve(flags)


def test_flag_without_effect_is_noted():
    def notes(**flags):
        settings = training_config.resolve(flags)
        return checks.without_effect(settings, provenance.origins_of(flags))
    assert notes(gamma=0.5, momentum=0.5) == ["note: --gamma has no effect without --schedule step",
                                              "note: --momentum has no effect without --optimizer momentum"]
    assert notes(gamma=0.5, schedule="step", eval_every=7, learning_rate=0.1) == []


@pytest.mark.parametrize(("text", "words"), [
    ('average_loss = "auto"', "auto was removed"), ("average_loss = []", "a whole number"),
    ("gamma = []", "invalid number '[]'"), ("rate_factors = 3", "not a text"), ("freeze = []", "invalid layer '[]'"),
    ("freeze = false", "invalid layer 'False'"), ('freeze = "conv 6"', "invalid layer 'conv 6'"),
    ('eval_every = "5 percent"', "a share of the time such as 5%"), ("eval_every = 1.5", "a number of steps"),
    ("keep = 1", "of at least 2"), ("warmup = -1", "of at least 0"), ('schedule = "linear"', "cosine")])
def test_wrong_value_is_answered_with_the_allowed_ones(tmp_path, text, words):
    with pytest.raises(errors.UsageError, match=re.escape(words)):
        training_config.read_toml(toml(tmp_path, text))


@pytest.mark.parametrize(("text", "value"), [
    ("average_loss = 30", 30), ('eval_every = "5%"', 0.05), ("eval_every = 0.05", 0.05), ("eval_every = 500", 500),
    ("eval_every = 1", 1), ('rate_factors = "new=0"', "new=0"), ('freeze = "conv3_2"', "conv3_2"), ('freeze = ""', "")])
def test_values_are_read_from_files(tmp_path, text, value):
    assert list(training_config.read_toml(toml(tmp_path, text)).values()) == [value]
