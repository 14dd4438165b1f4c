"""Facts about the machine for a report of a fault (source: torch.utils.collect_env):
`python -m flambeau -m torch.utils.collect_env`, or get_pretty_env_info().

What only a GPU has is answered as PyTorch built without one answers it.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections import namedtuple

import flambeau

SystemEnv = namedtuple(
    "SystemEnv",
    "torch_version is_debug_build cuda_compiled_version gcc_version clang_version cmake_version os "
    "libc_version python_version python_platform is_cuda_available cuda_runtime_version "
    "cuda_module_loading nvidia_driver_version nvidia_gpu_models cudnn_version is_xpu_available "
    "pip_version pip_packages conda_packages hip_compiled_version hip_runtime_version "
    "miopen_runtime_version caching_allocator_config is_xnnpack_available cpu_info",
)

env_info_fmt = """\
PyTorch version: {torch_version}
Is debug build: {is_debug_build}
CUDA used to build PyTorch: {cuda_compiled_version}
ROCM used to build PyTorch: {hip_compiled_version}

OS: {os}
GCC version: {gcc_version}
Clang version: {clang_version}
CMake version: {cmake_version}
Libc version: {libc_version}

Python version: {python_version}
Python platform: {python_platform}
Is CUDA available: {is_cuda_available}
CUDA runtime version: {cuda_runtime_version}
CUDA_MODULE_LOADING set to: {cuda_module_loading}
GPU models and configuration: {nvidia_gpu_models}
Nvidia driver version: {nvidia_driver_version}
cuDNN version: {cudnn_version}
Is XPU available: {is_xpu_available}
HIP runtime version: {hip_runtime_version}
MIOpen runtime version: {miopen_runtime_version}
Is XNNPACK available: {is_xnnpack_available}
Caching allocator config: {caching_allocator_config}

CPU:
{cpu_info}

Versions of relevant libraries:
{pip_packages}
{conda_packages}"""

_PACKAGES = re.compile(
    "flambeau|torch|numpy|scipy|pillow|mypy|flake8|onnx|optree|triton|openblas|mkl|magma", re.I
)


def _output(*command):
    """What a program prints; None where there is no such program, or it fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def _version(program, pattern):
    found = re.search(pattern, _output(program, "--version") or "")
    return found and found.group(1)


def _system():
    if not sys.platform.startswith("linux"):
        return f"{platform.system()} {platform.release()} ({platform.machine()})"
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = "linux"
    return f"{name} ({platform.machine()})"


def _packages():
    """The installed packages that matter, one a line."""
    from importlib.metadata import distributions

    found = {(d.metadata["Name"] or "", d.version) for d in distributions()}
    return "\n".join(f"{name}=={version}" for name, version in sorted(found)
                     if _PACKAGES.search(name))


def get_env_info():
    """The facts, a SystemEnv; None for what could not be found out."""
    return SystemEnv(
        torch_version=str(flambeau.__version__),
        is_debug_build=str(flambeau.version.debug),
        cuda_compiled_version=flambeau.version.cuda,
        gcc_version=_version("gcc", r"gcc (.*)"),
        clang_version=_version("clang", r"clang version (.*)"),
        cmake_version=_version("cmake", r"cmake (.*)"),
        os=_system(),
        libc_version="-".join(platform.libc_ver()) if sys.platform == "linux" else "N/A",
        python_version=" ".join(sys.version.split())
        + f" ({sys.maxsize.bit_length() + 1}-bit runtime)",
        python_platform=platform.platform(),
        is_cuda_available=str(flambeau.cuda.is_available()),
        cuda_runtime_version=None,
        cuda_module_loading=os.environ.get("CUDA_MODULE_LOADING", "N/A"),
        nvidia_driver_version=None,
        nvidia_gpu_models=None,
        cudnn_version=None,
        is_xpu_available=str(flambeau.xpu.is_available()),
        pip_version="pip3",
        pip_packages=_packages(),
        conda_packages=_output("conda", "list"),
        hip_compiled_version="N/A",
        hip_runtime_version="N/A",
        miopen_runtime_version="N/A",
        caching_allocator_config={},
        is_xnnpack_available=False,
        cpu_info=_output("lscpu") or platform.processor(),
    )


def pretty_str(envinfo):
    """The facts as lines to be pasted."""
    facts = envinfo._asdict()
    for name in ("cuda_runtime_version", "nvidia_gpu_models", "nvidia_driver_version",
                 "cudnn_version"):
        facts[name] = facts[name] or "No CUDA"
    facts["cuda_compiled_version"] = facts["cuda_compiled_version"] or "None"
    facts["caching_allocator_config"] = facts["caching_allocator_config"] or "N/A"
    for name, tag in (("pip_packages", envinfo.pip_version), ("conda_packages", "conda")):
        lines = facts[name] and [line for line in facts[name].splitlines()
                                 if _PACKAGES.search(line)]
        text = "Could not collect" if facts[name] is None else "No relevant packages"
        facts[name] = "\n".join(f"[{tag}] {line}" for line in lines or [text])
    words = {None: "Could not collect", True: "Yes", False: "No"}
    return env_info_fmt.format(**{
        name: words[value] if value is None or isinstance(value, bool) else value
        for name, value in facts.items()
    })


def get_pretty_env_info():
    """pretty_str(get_env_info())."""
    return pretty_str(get_env_info())


def main():
    """Prints the facts."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
