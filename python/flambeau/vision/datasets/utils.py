"""Files of datasets: downloads, checksums, archives (source: torchvision.datasets.utils).

A download goes to NAME.part, which a later call takes up where it ended, and becomes NAME only when
whole and of the right checksum, so that a file of that name is never half of one.
"""
from __future__ import annotations

import hashlib
import os
import pathlib
import re

from flambeau._hint import hint

USER_AGENT = "pytorch/vision"
_CHUNK = 1 << 20


def calculate_md5(fpath, chunk_size=_CHUNK):
    """The file's MD5 sum, as 32 hexadecimal digits."""
    md5 = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            md5.update(chunk)
    return md5.hexdigest()


def check_md5(fpath, md5, **kwargs):
    """Whether the file has that MD5 sum."""
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath, md5=None):
    """Whether the file is there and, where a sum is given, has it."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


# ---- Downloads -----------------------------------------------------------------------------------


def _open_url(url, start=0):
    """The answer to a request for the bytes from `start` on."""
    import urllib.request

    headers = {"User-Agent": USER_AGENT}
    if start:
        headers["Range"] = f"bytes={start}-"
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)


def _fetch(url, part):
    """Appends what is missing of a file to `part`."""
    import urllib.error

    start = os.path.getsize(part) if os.path.exists(part) else 0
    try:
        response = _open_url(url, start)
    except urllib.error.HTTPError as error:
        if not (start and error.code == 416):  # there is nothing behind what we have
            raise
        error.close()
        return
    with response:
        resumed = start and response.status == 206
        with open(part, "ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
        if response.length:
            raise ConnectionError(f"the connection ended {response.length} bytes too early")


def _urlretrieve(url, filename, md5=None):
    """Downloads a file, checked, under its name or not at all."""
    part = os.fspath(filename) + ".part"
    resumed = os.path.exists(part)
    _fetch(url, part)
    if not check_integrity(part, md5):
        os.remove(part)
        if not resumed:
            raise RuntimeError("File not found or corrupted.")
        _fetch(url, part)  # what an earlier download left was of another file
        if not check_integrity(part, md5):
            os.remove(part)
            raise RuntimeError("File not found or corrupted.")
    os.replace(part, filename)


def download_url(url, root, filename=None, md5=None, max_redirect_hops=3):
    """Downloads a file into root, under its own name or `filename`, unless it is there. A download
    that was interrupted goes on where it ended. RuntimeError when the checksum disagrees,
    urllib.error.URLError when there is no way to the server."""
    import urllib.error

    root = os.path.expanduser(root)
    path = os.fspath(os.path.join(root, filename or os.path.basename(url)))
    os.makedirs(root, exist_ok=True)
    if check_integrity(path, md5):
        return
    file_id = _get_google_drive_file_id(url)
    if file_id is not None:
        download_file_from_google_drive(file_id, root, filename, md5)
        return
    try:
        _urlretrieve(url, path, md5)
    except OSError as error:  # URLError is one
        reason = getattr(error, "reason", error)
        raise urllib.error.URLError(
            f"cannot download {url}: {reason}"
            + hint(
                f"without a network, put the file there yourself: {path}",
                f"没有网络时，请自行把文件放到：{path}",
            )
        ) from error


def _get_google_drive_file_id(url):
    match = re.match(r"https?://(?:drive|docs)[.]google[.]com/file/d/([^/]*)", url)
    return match and match.group(1)


def download_file_from_google_drive(file_id, root, filename=None, md5=None):
    """Downloads a file from Google Drive by the package gdown."""
    try:
        import gdown
    except ModuleNotFoundError:
        raise RuntimeError(
            "To download files from GDrive, 'gdown' is required. You can install it with 'pip "
            "install gdown'."
        ) from None
    root = os.path.expanduser(root)
    path = os.fspath(os.path.join(root, filename or file_id))
    os.makedirs(root, exist_ok=True)
    if check_integrity(path, md5):
        return
    gdown.download(id=file_id, output=path, quiet=False, user_agent=USER_AGENT)
    if not check_integrity(path, md5):
        raise RuntimeError("File not found or corrupted.")


# ---- Archives ------------------------------------------------------------------------------------

_COMPRESSIONS = (".bz2", ".gz", ".xz")
_ALIASES = {".tbz": (".tar", ".bz2"), ".tbz2": (".tar", ".bz2"), ".tgz": (".tar", ".gz")}


def _detect_file_type(file):
    """(suffix, .tar or .zip or None, compression or None) of a file's name."""
    suffixes = pathlib.Path(file).suffixes
    if not suffixes:
        raise RuntimeError(
            f"File '{file}' has no suffixes that could be used to detect the archive type and "
            "compression."
        )
    last, before = suffixes[-1], suffixes[-2] if len(suffixes) > 1 else ""
    if last in _ALIASES:
        return last, *_ALIASES[last]
    if last in (".tar", ".zip"):
        return last, last, None
    if last in _COMPRESSIONS:
        if before in (".tar", ".zip"):
            return before + last, before, last
        return last, None, last
    known = sorted({*_ALIASES, ".tar", ".zip", *_COMPRESSIONS})
    raise RuntimeError(
        f"Unknown compression or archive type: '{last}'.\nKnown suffixes are: '{known}'."
    )


def _decompress(from_path, to_path=None, remove_finished=False):
    """Unpacks a single file; returns its path. It gets its name when it is whole."""
    import importlib
    import shutil

    suffix, archive, compression = _detect_file_type(from_path)
    if not compression:
        raise RuntimeError(f"Couldn't detect a compression from suffix {suffix}.")
    if to_path is None:
        to_path = os.fspath(from_path)[:-len(suffix)] + (archive or "")
    opener = importlib.import_module({".bz2": "bz2", ".gz": "gzip", ".xz": "lzma"}[compression])
    part = os.fspath(to_path) + ".part"
    with opener.open(from_path, "rb") as source, open(part, "wb") as target:
        shutil.copyfileobj(source, target, _CHUNK)
    os.replace(part, to_path)
    if remove_finished:
        os.remove(from_path)
    return pathlib.Path(to_path)


def extract_archive(from_path, to_path=None, remove_finished=False):
    """Unpacks an archive (.tar, .zip, compressed or not) or a compressed file into a folder, by
    default its own; returns where. Members that would leave the folder are refused."""
    if to_path is None:
        to_path = os.path.dirname(from_path)
    suffix, archive, compression = _detect_file_type(from_path)
    if archive is None:
        name = os.path.basename(from_path)[:-len(suffix)]
        found = _decompress(from_path, os.path.join(to_path, name), remove_finished)
    elif archive == ".tar":
        import tarfile

        with tarfile.open(from_path, f"r:{(compression or '.')[1:]}") as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(to_path, filter="data")
            else:
                _refuse_outside(tar.getnames(), to_path)
                tar.extractall(to_path)
        found = pathlib.Path(to_path)
    else:
        import zipfile

        with zipfile.ZipFile(from_path) as file:
            file.extractall(to_path)
        found = pathlib.Path(to_path)
    if remove_finished and archive is not None:
        os.remove(from_path)
    return os.fspath(found) if isinstance(from_path, str) else found


def _refuse_outside(names, folder):
    root = os.path.realpath(folder)
    for name in names:
        if os.path.commonpath([root, os.path.realpath(os.path.join(root, name))]) != root:
            raise RuntimeError(f"the archive's member {name} would be written outside {folder}")


def download_and_extract_archive(
    url, download_root, extract_root=None, filename=None, md5=None, remove_finished=False
):
    """download_url, then extract_archive."""
    download_root = os.path.expanduser(download_root)
    filename = filename or os.path.basename(url)
    download_url(url, download_root, filename, md5)
    archive = os.path.join(download_root, filename)
    extract_archive(archive, download_root if extract_root is None else extract_root,
                    remove_finished)


# ---- Names ---------------------------------------------------------------------------------------


def list_dir(root, prefix=False):
    """The folders in root, with root before them if asked."""
    root = os.path.expanduser(root)
    found = [name for name in os.listdir(root) if os.path.isdir(os.path.join(root, name))]
    return [os.path.join(root, name) for name in found] if prefix else found


def list_files(root, suffix, prefix=False):
    """The files in root that end in suffix, with root before them if asked."""
    root = os.path.expanduser(root)
    found = [
        name
        for name in os.listdir(root)
        if os.path.isfile(os.path.join(root, name)) and name.endswith(suffix)
    ]
    return [os.path.join(root, name) for name in found] if prefix else found


def iterable_to_str(iterable):
    """'a', 'b', 'c'."""
    return "'" + "', '".join(map(str, iterable)) + "'"


def verify_str_arg(value, arg=None, valid_values=None, custom_msg=None):
    """value, if it is a string and one of valid_values; else ValueError."""
    if not isinstance(value, str):
        where = "" if arg is None else f" for argument {arg}"
        raise ValueError(f"Expected type str{where}, but got type {type(value)}.")
    if valid_values is not None and value not in valid_values:
        raise ValueError(
            custom_msg
            or f"Unknown value '{value}' for argument {arg}. Valid values are "
            f"{{{iterable_to_str(valid_values)}}}."
        )
    return value
