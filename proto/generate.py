"""Make `src/llm_observatory/api/` and `docs/reference/api.md` from the .proto files: `python proto/generate.py`.

With `--check` only compare and lint.

Messages of OTLP come from the `opentelemetry-proto` distribution, which holds their descriptors and no .proto files. So protoc
gets them as a descriptor set, and buf gets what protoc made of ours instead of the files.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2
from reference import render

TOP = Path(__file__).parent.parent
PACKAGE = Path("llm_observatory/api/v1")
GENERATED = TOP / "src" / PACKAGE
PAGE = TOP / "docs" / "reference" / "api.md"
TOOLS = Path(sys.executable).parent
HEADER = "# Made from proto/ by `make proto`; a change by hand is lost.\n"


def main() -> int:
    """Write or compare; the exit status says whether all is well."""
    parser = argparse.ArgumentParser(prog="python proto/generate.py", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where the committed files differ or buf complains"
    )
    check = parser.parse_args().check
    with TemporaryDirectory() as name:
        folder = Path(name)
        made = generate(TOP / "proto", folder)
        page = render(FileDescriptorSet.FromString(image(TOP / "proto", folder).read_bytes()))
        if not check:
            shutil.rmtree(GENERATED, ignore_errors=True)
            shutil.copytree(made, GENERATED)
            PAGE.write_text(page, encoding="utf-8")
            return 0
        faults = [*_differences(made), *_page_differs(page), *_lint(TOP / "proto", folder), *_breaking(folder)]
    for fault in faults:
        print(fault, file=sys.stderr)  # noqa: T201
    return 1 if faults else 0


def generate(protos: Path, folder: Path) -> Path:
    """Make the Python modules, with stubs, below `folder`; the folder of the package."""
    out = folder / "python"
    out.mkdir()
    files = _files(protos)
    services = [file for file in files if file.endswith("_service.proto")]
    _protoc(protos, folder, f"--python_out={out}", f"--mypy_out=quiet:{out}", *files)
    _protoc(protos, folder, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *services)
    made = out / PACKAGE
    for module in (*made.glob("*.py"), *made.glob("*.pyi")):
        module.write_text(HEADER + module.read_text(encoding="utf-8"), encoding="utf-8")
    (made / "__init__.py").write_text(f'{HEADER}"""The protocol of the query service, version 1."""\n', encoding="utf-8")
    return made


def image(protos: Path, folder: Path) -> Path:
    """What buf reads: the descriptors of all files, those of OTLP included."""
    made = folder / "image.binpb"
    _protoc(protos, folder, "--include_imports", "--include_source_info", f"--descriptor_set_out={made}", *_files(protos))
    return made


def _files(protos: Path) -> list[str]:
    return sorted(str(file.relative_to(protos)) for file in (protos / PACKAGE).glob("*.proto"))


def _protoc(protos: Path, folder: Path, *arguments: str) -> None:
    otlp = folder / "otlp.binpb"
    if not otlp.exists():
        otlp.write_bytes(_otlp().SerializeToString())
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={protos}", f"--descriptor_set_in={otlp}", *arguments]
    # The plugins for stubs lie beside the interpreter.
    subprocess.run(command, check=True, env={**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"})


def _otlp() -> FileDescriptorSet:
    """The descriptors of OTLP's messages, each after those it imports."""
    found: dict[str, FileDescriptorProto] = {}

    def add(file: FileDescriptor) -> None:
        for dependency in file.dependencies:
            add(dependency)
        if file.name not in found:
            file.CopyToProto(found.setdefault(file.name, FileDescriptorProto()))

    for module in (trace_pb2, metrics_pb2, logs_pb2):
        add(module.DESCRIPTOR)
    return FileDescriptorSet(file=found.values())


def _differences(made: Path) -> Iterator[str]:
    names = {file.name for folder in (made, GENERATED) for file in folder.glob("*.py*") if file.is_file()}
    _, different, missing = filecmp.cmpfiles(made, GENERATED, sorted(names), shallow=False)
    for name in (*different, *missing):
        yield f"{GENERATED.relative_to(TOP) / name} is not what proto/ says: run `make proto`"


def _page_differs(page: str) -> Iterator[str]:
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        yield f"{PAGE.relative_to(TOP)} is not what proto/ says: run `make proto`"


def _lint(protos: Path, folder: Path) -> Iterator[str]:
    yield from _buf("lint", str(image(protos, folder)))


def _breaking(folder: Path) -> Iterator[str]:
    """Whether clients of the last tag still understand us. A tag without the protocol has no clients."""
    tag = _git("describe", "--tags", "--abbrev=0")
    if not tag or not _git("ls-tree", "-r", tag, f"proto/{PACKAGE}"):
        return
    before = folder / "before"
    before.mkdir()
    archive = subprocess.run(["git", "archive", tag, "proto"], cwd=TOP, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(before)], input=archive, check=True)
    yield from _buf("breaking", str(folder / "image.binpb"), "--against", str(image(before / "proto", before)))


def _buf(*arguments: str) -> Iterator[str]:
    ran = subprocess.run([TOOLS / "buf", *arguments], cwd=TOP, capture_output=True, text=True, check=False)
    yield from (line for line in (ran.stdout + ran.stderr).splitlines() if line)
    if ran.returncode and not ran.stdout + ran.stderr:
        yield f"buf {arguments[0]} failed"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=TOP, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
