"""The arithmetic of the benchmarks of speed: operations by hand, ratios, the page of made-up results."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import bench
import duel_table
import evaluate_speed
import gemm
import goals
import gpu
import gpu_types
import growth
import machines
import measuring
import onednn
import operations
import quick
import results
import results_plot
import startup

from fcn.config import variants
from fcn.models import published_nets
from fcn.models.tf_compat import tf

FACTS = {"command": "python benchmarks/x.py", "commit": "abc", "time": "2030-01-01T00:00:00", "machine": "a machine",
         "versions": {"python": "3.11.1", "tensorflow": "2.21.0"}}
HARDWARE = {"name": "one", "processor": "a machine", "cores": 3, "flags": ["avx2"], "memory_bytes": 8e9, "gpus": []}


def test_operation_counts_of_published_nets():
    tutorial, paper = (("fcn8s_tutorial", (224, 224), 151), ("fcn8s", (224, 224), 151))
    conv5_4 = 2 * 14 * 14 * 9 * 512 * 512  # built and never used by the tutorial's net
    assert operations.forward(*tutorial) + conv5_4 == pytest.approx(67.25e9, rel=1e-3)
    assert operations.training(*tutorial) + 3 * conv5_4 == pytest.approx(201.6e9, rel=1e-3)
    assert operations.forward(*paper) == pytest.approx(60.2e9, rel=1e-3)
    fixed = sum(layer.forward for layer in operations.layers(*paper) if layer.name.startswith("upscore"))
    assert operations.training(*paper) + fixed == pytest.approx(180.5e9, rel=1e-3)


def test_operation_table_matches_the_nets():
    for net, (fusion, last) in operations.NETS.items():
        chosen = variants.variants_of(net)
        assert chosen.fusion == fusion and chosen.last_layer.replace("relu", "conv") == last


def test_fcn32s_upsamples_once_and_has_no_other_scores():
    rows = {layer.name: layer for layer in operations.layers("fcn32s", (64, 64), 3, bilinear="blocks")}
    assert rows["upscore"].forward == 2 * 4 * 3 * 96 * 96  # 2 x 2 inputs become 3 x 3 blocks of 32 x 32
    assert not {"score_pool4", "score_pool3"} & rows.keys()
    nets = [operations.net_of(label) for label in ("ours:fcn32s-float32", "ours:float32-scattered")]
    assert nets == ["fcn32s", "fcn8s_tutorial"]


def test_blocks_take_four_multiply_adds_per_pixel_and_class():
    rows = {layer.name: layer for layer in operations.layers("fcn8s", (16, 24), 1, bilinear="blocks")}
    assert rows["upscore8"].forward == 2 * 4 * 24 * 32  # 2 x 3 inputs become 3 x 4 blocks of 8 x 8


def counted():
    """Operations in the default graph by TensorFlow's own profiler."""
    options = tf.profiler.ProfileOptionBuilder(tf.profiler.ProfileOptionBuilder.float_operation()).with_empty_output()
    graph = tf.get_default_graph()
    profile = tf.profiler.profile(graph, cmd="op", options=options.build())
    return sum(child.total_float_ops for child in profile.children if child.name.startswith(("Conv2D", "MatMul")))


def test_tensorflow_counts_both_kinds_of_convolutions_alike():
    with tf.Graph().as_default():
        x, kernel = tf.zeros((1, 6, 10, 3)), tf.zeros((3, 3, 3, 5))
        tf.nn.conv2d(x, kernel, 1, "SAME")
        layer = operations.convolution("a", (6, 10), 3, 3, 5)
        assert counted() == layer.forward == 2 * 60 * 27 * 5
    with tf.Graph().as_default():
        x, kernel = tf.zeros((1, 3, 2, 7)), tf.zeros((16, 16, 5, 7))
        tf.nn.conv2d_transpose(x, kernel, (1, 24, 16, 5), 8, "SAME")
        assert counted() == operations.convolution("b", (3, 2), 16, 7, 5).forward


def test_weight_counts_match_the_table():
    widths = measuring.widths(1 / 16)
    assert operations.weights("fcn8s_tutorial", (32, 32), 5, widths) == sum(
        {"conv1_1": 3 * 4, "conv1_2": 4 * 4, "conv2_1": 4 * 8, "conv2_2": 8 * 8, "conv3_1": 8 * 16,
         "rest of conv3": 3 * 16 * 16, "conv4_1": 16 * 32, "conv4 and 5": 6 * 32 * 32}.values()) * 9 + (
        49 * 32 * 256 + 256 * 256 + 256 * 5 + 16 * 5 * 32 + 16 * 32 * 16 + 256 * 16 * 5)


def test_ratios_are_of_the_same_round():
    assert measuring.ratios([2, 30, 4], [1, 10, 4]) == (2, 1, 3)


def test_failed_case_gives_its_reason(tmp_path):
    script = tmp_path / "fails.py"
    script.write_text("raise ValueError('no such net')")
    assert measuring.in_a_process(script, [1]) == {"failed": "ValueError: no such net"}
    script.write_text("import sys; print('noise'); print(sys.argv[2])")
    assert measuring.in_a_process(script, {"a": 1}) == {"a": 1, "failed": None}


@pytest.mark.parametrize("error", [None, PermissionError, FileNotFoundError])
def test_memory_is_compacted_if_the_system_lets_us(error, monkeypatch):
    written = []

    def write(path, text):
        written.append((str(path), text))
        if error:
            raise error
    monkeypatch.setattr(Path, "write_text", write)
    assert measuring.compact_memory() == (error is None)
    assert written == [("/proc/sys/vm/compact_memory", "1")]


def test_growth_changes_one_axis_at_a_time_from_the_base():
    found = growth.cases({"batch": (1, 8), "side": (224, 384)})
    assert found == [growth.BASE, growth.BASE | {"batch": 8}, growth.BASE | {"side": 384}]
    assert growth.along(found, "side") == [growth.BASE, growth.BASE | {"side": 384}]


def test_waiting_is_counted_after_the_first_lines():
    entries = [{"event": "start"}, *({"wait_share": share, "images_per_s": 1.0} for share in (0.9, 0.5, 0.01, 0.02))]
    assert evaluate_speed.waited(entries)["wait_shares"] == [0.01, 0.02]


def duel(job, batch, **seconds):
    """A result of duel.py: seconds of every round of each contender, named with _ for : and -."""
    names = {key: key.replace("__", "-").replace("_", ":", 1) for key in seconds}
    groups = [[{names[key]: {"seconds": [values[i]], "others": 0.0} for key, values in seconds.items()}
               for i in range(3)]]
    first = sorted(next(iter(seconds.values())))[1]
    rows = {names[key]: {"failed": None, "seconds": sorted(values)[1], "images_per_second": batch / sorted(values)[1],
                         "ratio": sorted(values)[1] / first,
                         "peak_bytes": 4e9 if "ours" in key else 3.2e9} for key, values in seconds.items()}
    rows["keras3:float32"] = {"failed": "not installed", "peak_bytes": None}
    return FACTS | {"job": job, "batch": batch, "size": [224, 224], "classes": 151, "share": 1, "groups": groups,
                    "rows": rows}


def made_up():
    phases = {phase: {"seconds": 0.5, "peak_bytes": 1.9e9} for phase in startup.PHASES}
    steps = [{"job": job, "precision": precision, "seconds": [0.5], "peak_bytes": 1e9, "failed": None} | one
             for job in growth.JOBS for precision in growth.PRECISIONS for one in growth.cases(growth.POINTS)]
    products = [{"type": kind, "n": 64, "gflops": [100.0, peak]} for kind, peak in (("float32", 200.0),
                                                                                   ("bfloat16", 400.0))]
    return {
        "gemm": FACTS | {"threads": {"all": {"products": products, "copy_gb_s": [30.0], "failed": None}}},
        "train-2": duel("train", 2, ours_float32=[2.0, 2.1, 2.2], ours_bfloat16=[1.0, 1.1, 1.2],
                        pytorch_nchw__float32=[4.0, 4.2, 3.3], gemm_float32=[operations.PEAK_STEP / 200e9] * 3),
        "startup": FACTS | {"file_bytes": 575e6, "starts": {"ours": [phases | {"failed": None}],
                                                            "tutorial": [{"failed": "out of memory"}]}},
        "growth": FACTS | {"steps": steps, "evaluations": []},
        "batches": FACTS | {"title": "Random batches", "markdown": "| way |\n|---|\n| cache |"}}


def cells(found):
    """{goal: cell of the table}."""
    return {goal.what: goal.cell(found) for goal in goals.GOALS}


def test_goals_use_the_same_rounds_and_missed_ones_are_bold():
    found = cells(made_up())
    assert found["training float32, batch 2, against PyTorch"] == "2"  # 2, 2 and 1.5
    assert found["training bfloat16, batch 2, against PyTorch at its best"] == "3.82"
    assert found["peak memory of training float32, batch 2, over PyTorch's"] == "**1.25**"
    assert found[".mat read, graph built, weights in the session"] == "1.5 s"
    assert found["training float32, batch 2, against Keras"] == ""
    share = goals.share_of_peak(made_up()["train-2"], "ours:float32")
    assert share == pytest.approx(2 * operations.training("fcn8s_tutorial", (224, 224), 151) / 2.1 / 200e9)


def test_table_of_goals_has_a_column_per_machine():
    lines = goals.table({"here": made_up(), "there": {}}).splitlines()
    assert lines[0] == "| goal | | here | there |"
    assert "| training float32, batch 2, against PyTorch | >= 1.5 | 2 |  |" in lines


def test_unhealthy_peer_in_float32_is_not_compared_with():
    found = made_up() | {"train-2": duel("train", 2, ours_float32=[2.0] * 3, pytorch_slow__float32=[15.0] * 3,
                                         gemm_float32=[operations.PEAK_STEP / 200e9] * 3)}
    slow = found["train-2"]
    assert goals.share_of_peak(slow, "pytorch:slow-float32") < 0.2 < goals.share_of_peak(slow, "ours:float32")
    assert cells(found)["training float32, batch 2, against PyTorch"] == ""
    assert "| 13%, unhealthy |" in results.duel_rows(slow)


def test_gpu_result_is_compared_by_its_medians():
    steps = [{"job": "train", "batch": 1, "contender": name, "xla": xla, "failed": None, "seconds": seconds,
              "peak_bytes": 1e9, "share_of_peak": 0.1}
             for name, xla, seconds in (("ours:float32", False, [2.0, 2.0, 3.0]), ("ours:float32", True, [1.0] * 3),
                                        ("pytorch:nchw-float32", False, [1.0, 3.0, 3.0]))]
    found = goals.of_gpu({"steps": steps, "size": [224, 224], "classes": 151, "share": 1.0, "gpus": ["a GPU"]})
    assert found["train-1"]["rows"]["ours:float32"]["seconds"] == 2.0
    assert cells(found)["training float32, batch 1, against PyTorch"] == "**1**"  # 0.5, 1.5 and 1


def test_contenders_of_two_groups_are_compared_via_the_first():
    found = duel("train", 2, ours_float32=[2, 2, 2], ours_bfloat16=[1, 1, 1], tutorial_float32=[6, 6, 6])
    apart = {name: [{label: turn for label, turn in done.items() if label != name} for done in found["groups"][0]]
             for name in ("ours:bfloat16", "tutorial:float32")}
    assert goals.times_as_fast(found | {"groups": list(apart.values())}, "ours:bfloat16", "tutorial:float32")[0] == 6


def test_handwritten_text_of_the_page_survives_rewriting():
    text = results.generated(made_up())
    for part in ("## Training step with Adam, batch 2", "keras3:float32 | failed: not installed", "failed: out of mem",
                 "commit abc, 2030-01-01; a machine; python 3.11.1", "| cache |", "| 384 | 0.500 s, 1.00 GB |"):
        assert part in text
    page = results.insert("# Results\n\nby hand\n", text)
    assert page.startswith("# Results\n\nby hand\n\n<!--") and results.insert(page, text) == page
    assert results.insert(page + "below\n", "new").endswith("new\n\n" + results.END + "\nbelow\n")


@pytest.mark.slow
def test_every_machine_has_a_page_and_a_column(tmp_path, monkeypatch):
    for number, name in enumerate(("one", "two")):
        measuring.write(tmp_path / "results" / name / "gemm.json",
                        made_up()["gemm"] | {"hardware": HARDWARE, "time": f"203{number}-01-01T00:00:00"})
    monkeypatch.setattr(sys, "argv", ["results.py", "--results", str(tmp_path / "results"), "--page",
                                      str(tmp_path / "RESULTS.md")])
    results.main()
    page = (tmp_path / "RESULTS.md").read_text()
    assert "[3 cores of a machine, avx2, 8 GB](results/one/README.md)<br>commit abc<br>2030-01-01" in page
    assert "## What the machine can do" in (tmp_path / "results/two/README.md").read_text()


@pytest.mark.slow
def test_picture_is_drawn_from_partial_results(tmp_path):
    results_plot.draw(made_up(), tmp_path / "all.png")
    results_plot.draw({}, tmp_path / "none.png")
    assert (tmp_path / "all.png").stat().st_size > 20_000 and not (tmp_path / "none.png").exists()


def test_every_part_of_the_benchmark_is_a_script_given_its_file(tmp_path):
    given = type("Given", (), {"trial": False, "data": "D", "layout": "camvid", "weights": None})
    for part in bench.PARTS + bench.GPU_PARTS:
        script, *words = bench.words_of(part, given, tmp_path)
        assert (Path(bench.__file__).parent / script).exists()
        assert ("--json" in words) != bool(part.title) and ("--data" in words) == ("data" in part.takes)


@pytest.mark.slow
def test_gpu_table_without_a_gpu_says_so(tmp_path):
    size, classes, share = (32, 32), 3, 1 / 16
    found = gpu.case("train", "ours:float32", size, classes, share, False, [1, 2], rounds=1)
    assert [(step["batch"], len(step["seconds"])) for step in found["steps"]] == [(1, 1), (2, 1)]
    assert found["steps"][0]["peak_bytes"] > 0 and gemm.best(gemm.case(1, [64], 1), "bfloat16") > 0
    peaks = {"products": [{"type": "float32", "n": 64, "gflops": [50.0, 100.0]}], "copy_gb_s": [10.0]}
    step = found["steps"][0] | {"seconds": [2.0]}
    row = gpu.row("train", "ours:float32", False, (size, classes, share), step, peaks)
    net = "fcn8s_tutorial", size, classes, measuring.widths(share)
    assert row["share_of_peak"] == pytest.approx(operations.training(*net) / 2 / 100e9)
    assert row["share_of_bandwidth"] == pytest.approx(7 * 4 * operations.weights(*net) / 2 / 10e9)
    full = {"job": "train", "contender": "ours:float32", "batch": 16, "xla": True, "failed": "no room"}
    shown = gpu.table([row, full], [])
    assert shown.startswith(gpu.NO_GPU) and "failed: no room" in shown
    assert json.loads(json.dumps(row))["batch"] == 1


def test_chain_of_convolutions_has_a_speed_in_each_type(monkeypatch):
    monkeypatch.setattr(gpu_types, "SIDE", 4)
    monkeypatch.setattr(gpu_types, "CHANNELS", 2)
    found = gpu_types.case("bfloat16", size=8, batch=1, rounds=1)
    assert all(found[name][0] > 0 for name in ("product", "convolution", "convolution and gradients"))
    assert "| bfloat16 | 0.0 |" in gpu_types.table({"bfloat16": found | {"failed": None}})


def test_random_weights_file_is_read_like_the_published_one(tmp_path):
    from fcn.weights import detection
    startup.random_file(tmp_path / "vgg.mat", 1 / 16)
    assert published_nets.widths(detection.read_weights(tmp_path / "vgg.mat").widths) == measuring.widths(1 / 16)


@pytest.mark.parametrize(("processor", "cores", "flags", "gpus", "name"), [
    ("AMD EPYC", 2, ["avx2", "avx512f", "avx512_bf16"], [], "amd-epyc-2-cores-avx512-bf16"),
    ("AMD EPYC 7763 64-Core Processor", 2, ["avx2"], [], "amd-epyc-7763-2-cores-avx2"),
    ("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", 16, ["avx512f", "avx512_bf16", "amx_bf16"], [],
     "intel-xeon-platinum-8481c-16-cores-amx-bf16"),
    ("arm64", 1, [], [], "arm64-1-core"),
    ("AMD EPYC", 2, ["avx2"], ["NVIDIA H100 80GB HBM3"], "nvidia-h100-80gb-hbm3"),
])
def test_name_of_a_machine_is_a_readable_folder(processor, cores, flags, gpus, name):
    assert machines.name(processor, cores, flags, gpus) == name


def test_facts_of_a_number_name_machine_and_load():
    found = measuring.facts()
    assert found["hardware"]["memory_bytes"] > 1e8 and found["hardware"]["cores"] >= 1
    assert (found["load"] or 0) >= 0
    assert found["clean"] == (found["commit"] and not found["commit"].endswith("+changes"))


VERBOSE = """onednn_verbose,v1,info,oneDNN v3.7.3 (commit N/A)
onednn_verbose,v1,info,cpu,isa:Intel AVX2
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32 dst:f32,,,8x8,5
-- the step begins
onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx2,forward_training,src:f32 wei:f32,,alg:direct,mb1,1.5
onednn_verbose,v1,primitive,exec,cpu,gemm_api,,undef,src_f32 wei_f32,,,4x4:4x4,4
onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx2,forward_training,src:f32 wei:f32,,alg:direct,mb1,1
-- the step ends
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32 dst:f32,,,8x8,5"""


def test_kernels_are_summed_over_the_step():
    assert onednn.kernels(VERBOSE) == [
        {"kind": "gemm", "implementation": "", "count": 1, "ms": 4.0},
        {"kind": "convolution forward_training", "implementation": "jit:avx2", "count": 2, "ms": 2.5}]
    found = {"seconds": 0.01, "library": onednn.library_of(VERBOSE), "kernels": onednn.kernels(VERBOSE), "failed": None}
    assert "6 ms of a step of 10 ms are in oneDNN (oneDNN v3.7.3, Intel AVX2)." in onednn.table(
        {"precisions": {"float32": found}})


def test_other_batches_have_the_fastest_variants_of_batch_2(tmp_path):
    found = duel("train", 2, ours_float32=[1.0] * 3, pytorch_nchw__float32=[4.0] * 3,
                 pytorch_channels_last__float32=[3.0] * 3)
    measuring.write(tmp_path / "train-2.json", found)
    variants = ["pytorch:channels_last-float32", "pytorch:channels_last-bfloat16", "keras3:float32",
                "keras3:mixed_bfloat16"]
    assert bench.fastest_variants("train", tmp_path) == ["pytorch:nchw-float32", *variants]
    assert bench.fastest_variants("predict", tmp_path) == ["pytorch:nchw-float32", *variants[1:]]


def test_part_that_fails_does_not_stop_the_others(tmp_path, capsys):
    given = type("Given", (), {"trial": False, "data": None, "weights": None})
    parts = [bench.Part("one", ("no_such_script.py",), 1), bench.Part("two", ("machines.py",), 1)]
    assert list(bench.run_all(parts, given, tmp_path)) == ["one"]
    assert (tmp_path / "two.json").exists() and "[2 of 2] two, about 1 min to go" in capsys.readouterr().out


@pytest.mark.parametrize(("half", "said"), [([0.5] * 3, "bfloat16 is faster here: 2.00 times as fast as float32."),
                                            ([2.0] * 3, "float32 is faster here: 2.00 times as fast as bfloat16."),
                                            ([0.5, 1.0, 2.0], "about equally fast here (0.50 to 2.00).")])
def test_quick_verdict_names_the_faster_precision(half, said):
    found = duel("train", 2, ours_float32=[1.0] * 3, ours_bfloat16=half)
    products = made_up()["gemm"]["threads"]["all"]
    text = quick.verdict(products, found)
    assert said in text and "200 GFLOP/s in float32, 400 GFLOP/s in bfloat16" in text and "This is a trial" in text
    assert "keras3:float32         not measured: not installed" in text
    assert duel_table.ratios(found, "ours:float32", "ours:bfloat16") == [1 / one for one in half]
