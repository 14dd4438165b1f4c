"""The mistakes of this folder: each is answered with what failed, where, and the fix."""
import re
import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import messages  # noqa: E402


EXPECTED = {language: messages.parts(messages.expected(language)) for language in ("en", "zh")}


@pytest.fixture(scope="module")
def said():
    return {language: messages.parts(messages.said(language)) for language in ("en", "zh")}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", messages.NAMES)
def test_says_what_is_expected(said, name, language):
    assert said[language][name] == EXPECTED[language][name]


def test_there_are_sixty_and_no_other():
    assert len(messages.NAMES) >= 60
    for language in ("en", "zh"):
        assert list(EXPECTED[language]) == messages.NAMES


def test_each_names_a_fix_in_its_language():
    for name, text in EXPECTED["en"].items():
        assert "hint: " in text, name
        assert not re.search("[\u4e00-\u9fff]", text), name
    for name, text in EXPECTED["zh"].items():
        assert "提示：" in text and "hint: " not in text, name


def test_advice_is_switched_off():
    for name in ("softmax_before_cross_entropy", "zero_grad_forgotten", "list_of_layers"):
        off = pathlib.Path(messages.HERE / f"{name}.py").read_text()
        assert "AdviceWarning" in EXPECTED["en"][name]
        assert _warnings_of("import torch; torch.set_advice(False)\n" + off) == []
    advice = re.search(r"set_advice\(False, '(\w+)'\)", EXPECTED["en"][name]).group(1)
    assert _warnings_of(f"import torch; torch.set_advice(False, '{advice}')\n" + off) == []
    assert len(_warnings_of(off)) == 1


def _warnings_of(program):
    """The lines with AdviceWarning that a program prints."""
    import os
    import subprocess

    environment = {**os.environ, "FLAMBEAU_LANG": "en"}
    environment.pop("FLAMBEAU_ADVICE", None)
    done = subprocess.run(
        [sys.executable, "-m", "flambeau", "-c", program],
        capture_output=True, text=True, env=environment, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if "AdviceWarning" in line]
