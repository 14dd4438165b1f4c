"""Where tensors' memory is asked for: only core and the devices know a storage's address, and only
who knows that a tensor is on the CPU may read there (tensor_data); others ask for values."""
import re

ADDRESS = re.compile(r"(?:->|\.)\s*address\b(?!\s*\()")


def test_a_storage_shows_its_address_to_core_and_devices_alone(root):
    wrong = []
    for file in (root / "src").rglob("*.[ch]"):
        if file.relative_to(root / "src").parts[0] in ("core", "device"):
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if ADDRESS.search(line):
                wrong.append(f"{file.relative_to(root)}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)
