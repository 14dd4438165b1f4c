"""The profiler's bytes, and the picture in docs/debugging.md, which tools/profile_digits.py draws from
the profiler's Chrome trace."""
import json
import re
import runpy
import xml.etree.ElementTree as xml

import pytest

torch = pytest.importorskip("flambeau")


def titles(picture):
    return [title.text.partition(":")[0] for title in xml.fromstring(picture).iter()
            if title.tag.endswith("title")]


def test_a_trace_becomes_a_picture(request, tmp_path):
    tool = runpy.run_path(str(request.config.rootpath / "tools/profile_digits.py"))
    x = torch.ones(3, requires_grad=True)
    with torch.profiler.profile() as profile:
        with torch.profiler.record_function("step"):
            with torch.profiler.record_function("forward <a>"):
                y = (x * 2).sum()
            y.backward()
        torch.zeros(2).exp()
    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    drawn = titles(tool["draw"](events))
    assert drawn[:3] == ["forward <a>", "mul", "sum"]
    assert "exp" not in drawn and "step" not in drawn


def test_bytes_of_calls():
    def taken(name):
        return next(event for event in averages if event.key == name)

    with torch.profiler.profile(profile_memory=True) as profile:
        with torch.profiler.record_function("both"):
            kept = torch.ones(1 << 20)
            dropped = kept.exp()
            del dropped
    averages = profile.key_averages()
    assert 4 << 20 <= taken("aten::ones").cpu_memory_usage < 5 << 20
    assert 4 << 20 <= taken("aten::exp").self_cpu_memory_usage < 5 << 20
    assert 4 << 20 <= taken("both").cpu_memory_usage < 5 << 20
    assert -5 << 20 < taken("both").self_cpu_memory_usage < -3 << 20  # what was dropped
    assert "CPU Mem" in averages.table() and "4.00 MB" in averages.table()
    with torch.profiler.profile() as profile:
        torch.ones(3)
    assert "CPU Mem" not in profile.key_averages().table()


def test_the_picture_of_the_docs_names_operators(request):
    root = request.config.rootpath
    table = "".join(file.read_text() for file in (root / "src/ops").rglob("*.ops"))
    operators = {name.strip("_") for name in re.findall(r"^(\w+)[.(]", table, re.M)}
    drawn = {name.strip("_") for name in titles((root / "docs/digits_step.svg").read_text())}
    assert {"forward", "backward", "Adam"} <= drawn
    assert drawn - {"forward", "backward", "Adam"} <= operators
