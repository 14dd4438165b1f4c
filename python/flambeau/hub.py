"""Models from a folder with a hubconf.py (source: torch.hub), and files from an address.

A repository of GitHub's is looked for in the hub's folder, where an earlier download or a clone has
put it (OWNER_NAME_BRANCH); nothing is fetched from GitHub by itself.
"""

import os
import sys
from urllib.parse import urlparse  # noqa: F401

from flambeau._hint import hint

HASH_REGEX = __import__("re").compile(r"-([a-f0-9]*)\.")
_dir = None


def _get_torch_home():
    return os.path.expanduser(
        os.environ.get(
            "TORCH_HOME", os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
        )
    )


def get_dir():
    """The hub's folder: the one set, else $TORCH_HOME/hub."""
    return _dir if _dir is not None else os.path.join(_get_torch_home(), "hub")


def set_dir(d):
    """Sets the hub's folder."""
    global _dir
    _dir = os.path.expanduser(d)


def _folder(repo, source):
    """Where a repository lies."""
    if source not in ("github", "local"):
        raise ValueError(
            f'Unknown source: "{source}". Allowed values: "github" | "local".'
        )
    if source == "local":
        return os.path.expanduser(repo)
    name, _, branch = repo.partition(":")
    owner, _, project = name.partition("/")
    branches = [branch] if branch else ["main", "master"]
    folders = [os.path.join(get_dir(), f"{owner}_{project}_{b}") for b in branches]
    for folder in folders:
        if os.path.isdir(folder):
            return folder
    raise RuntimeError(
        f"Flambeau fetches no repository: {repo} is not in the hub's folder"
        + hint(
            f"git clone https://github.com/{name} {folders[0]}, or clone it anywhere and use "
            "source='local'.",
            f"请执行 git clone https://github.com/{name} {folders[0]}，"
            "或克隆到任意位置并使用 source='local'。",
        )
    )


class _Configuration:
    """A folder's hubconf.py as a module, with the folder on sys.path while it is used."""

    def __init__(self, folder):
        self._folder = folder

    def __enter__(self):
        from importlib.util import module_from_spec, spec_from_file_location

        sys.path.insert(0, self._folder)
        path = os.path.join(self._folder, "hubconf.py")
        spec = spec_from_file_location("hubconf", path)
        module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            self.__exit__()
            raise
        missing = [name for name in getattr(module, "dependencies", ()) if not _importable(name)]
        if missing:
            self.__exit__()
            raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
        return module

    def __exit__(self, *exc):
        if self._folder in sys.path:
            sys.path.remove(self._folder)


def _importable(name):
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _entry(module, name):
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    function = module.__dict__.get(name)
    if not callable(function):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return function


def list(github, force_reload=False, skip_validation=False, trust_repo=None, verbose=True, *,
         source="github"):  # fmt: skip
    """The names of a repository's models."""
    with _Configuration(_folder(github, source)) as module:
        return [
            name for name, value in vars(module).items()
            if callable(value) and not name.startswith("_")
        ]  # fmt: skip


def help(github, model, force_reload=False, skip_validation=False, trust_repo=None, *,
         source="github"):  # fmt: skip
    """The docstring of a repository's model."""
    with _Configuration(_folder(github, source)) as module:
        return _entry(module, model).__doc__


def load(
    repo_or_dir,
    model,
    *args,
    source="github",
    trust_repo=None,
    force_reload=False,
    verbose=True,
    skip_validation=False,
    **kwargs,
):
    """Calls a repository's model with args and kwargs (source: torch.hub.load).

    ValueError for an unknown source; RuntimeError where the repository is not there, a dependency
    is missing, or hubconf.py has no such model; FileNotFoundError without a hubconf.py.
    """
    with _Configuration(_folder(repo_or_dir, source.lower())) as module:
        return _entry(module, model)(*args, **kwargs)


def download_url_to_file(url, dst, hash_prefix=None, progress=True):
    """Fetches an address into a file, which appears when all is there (source:
    torch.hub.download_url_to_file). RuntimeError where the SHA-256 does not begin with
    hash_prefix."""
    import hashlib
    import shutil
    import tempfile
    from urllib.request import Request, urlopen

    dst = os.path.expanduser(dst)
    digest = hashlib.sha256()
    request = Request(url, headers={"User-Agent": "torch.hub"})
    with urlopen(request) as source, tempfile.NamedTemporaryFile(
        delete=False, dir=os.path.dirname(dst) or "."
    ) as file:
        try:
            while block := source.read(1 << 17):
                digest.update(block)
                file.write(block)
            file.close()
            if hash_prefix and not digest.hexdigest().startswith(hash_prefix):
                raise RuntimeError(
                    f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")'
                )
            shutil.move(file.name, dst)
        finally:
            if os.path.exists(file.name):
                os.remove(file.name)


def load_state_dict_from_url(
    url,
    model_dir=None,
    map_location=None,
    progress=True,
    check_hash=False,
    file_name=None,
    weights_only=False,
):
    """The state that a file at an address holds; fetched once, into model_dir (source:
    torch.hub.load_state_dict_from_url)."""
    from flambeau.serialization import load

    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        if progress:
            sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        found = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, found[1] if found else None, progress)
    return load(path, map_location=map_location, weights_only=weights_only)
