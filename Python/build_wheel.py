"""Makes the wheel: the package, and the program built with static libraries inside it. Usage: build_wheel.py PROGRAM VERSION FOLDER.

A wheel is a zip archive with its metadata (packaging.python.org, Binary distribution format); nothing but the standard library is needed. Equal
inputs give equal bytes.
"""

import base64
import hashlib
import lzma
import platform
import sys
import zipfile
from pathlib import Path

DAY = (2026, 1, 1, 0, 0, 0)


def main(program: str, version: str, folder: str) -> None:
    root = Path(__file__).parent
    # glibc of Debian 12, which the program is linked against.
    tag = f"py3-none-manylinux_2_36_{platform.machine()}"
    info = f"orrery-{version}.dist-info"
    files: dict[str, tuple[bytes, int]] = {}
    for path in sorted((root / "orrery").glob("*")):
        if path.is_file():
            files[f"orrery/{path.name}"] = (path.read_bytes(), 0o644)
    files["orrery/bin/orrery.xz"] = (lzma.compress(Path(program).read_bytes(), preset=6), 0o644)
    metadata = (
        f"Metadata-Version: 2.1\nName: orrery\nVersion: {version}\nSummary: Predicts what a training job does on a cluster\n"
        "Requires-Python: >=3.9\nRequires-Dist: pandas>=1.3\n"
    )
    files[f"{info}/METADATA"] = (metadata.encode(), 0o644)
    files[f"{info}/WHEEL"] = (f"Wheel-Version: 1.0\nGenerator: orrery\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(), 0o644)
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, (data, _) in files.items()
    )
    files[f"{info}/RECORD"] = (f"{record}{info}/RECORD,,\n".encode(), 0o644)
    target = Path(folder) / f"orrery-{version}-{tag}.whl"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, (data, mode) in files.items():
            entry = zipfile.ZipInfo(name, DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, data)
    print(f"{target}  {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:4])
