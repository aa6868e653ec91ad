"""Dumps in S3, or in what speaks like it: AWS's own variables (AWS_ENDPOINT_URL_S3, AWS_CA_BUNDLE, profiles) say where.

A dump is there when its key is: its sum and its manifest are sent before it. boto3 is an extra, `llm-observatory[s3]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_observatory.operate.backup import files
from llm_observatory.operate.backup.files import LATEST, MANIFEST, SUFFIX, SUM
from llm_observatory.operate.backup.programs import BackupFailed

FOLDER, LATEST_FOLDER = "backups/daily", "backups"
"""Where dumps go in a bucket, and where the newest is as latest.sql.gz."""


@contextmanager
def _client() -> Iterator[Any]:
    """A client for as long as the block runs; what it raises is raised as BackupFailed."""
    try:
        # An extra; boto3 and botocore ship no types.
        import boto3  # type: ignore[import-untyped]  # noqa: PLC0415
        from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]  # noqa: PLC0415
        from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise BackupFailed("boto3 is not installed: pip install 'llm-observatory[s3]'") from None
    try:
        # The sums that boto3 adds by itself since 1.36 are not understood by every server that speaks S3; dumps have their own.
        plain = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        client = boto3.client("s3", config=plain)
        try:
            yield client
        finally:
            client.close()
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise BackupFailed(f"S3: {error}") from error


def upload(folder: Path, bucket: str, progress: Callable[[str], None], *, encrypt: bool = False) -> list[str]:
    """Send the dumps of `folder` that the bucket does not have; their keys. Each is checked first: no damaged one is sent.

    `encrypt` asks S3 to encrypt what it stores (SSE-S3, AES256). The newest one is there as backups/latest.sql.gz, too.
    """
    dumps = [path for path in sorted(folder.glob(f"*{SUFFIX}")) if not path.is_symlink()]
    if not dumps:
        raise BackupFailed(f"there is no dump in {folder}: make one with `llm-observatory backup dump`")
    extra = {"ServerSideEncryption": "AES256"} if encrypt else {}
    sent = []
    with _client() as client:
        there = _keys(client, bucket)
        for dump in dumps:
            key = f"{FOLDER}/{dump.name}"
            if key in there:
                continue
            progress(f"{dump.name}, {files.check(dump):,} bytes, to s3://{bucket}/{key}")
            for suffix in (SUM, MANIFEST, ""):
                client.upload_file(str(dump.with_name(dump.name + suffix)), bucket, key + suffix, ExtraArgs=extra)
            sent.append(key)
        newest = max(dumps, key=files.second)
        # The sum last: by it the next run sees that this one did not come to the end.
        if _text(client, bucket, f"{LATEST_FOLDER}/{LATEST}{SUM}") != files.beside(newest, SUM).read_text(encoding="ascii"):
            for suffix in (MANIFEST, "", SUM):
                source = {"Bucket": bucket, "Key": f"{FOLDER}/{newest.name}{suffix}"}
                client.copy(source, bucket, f"{LATEST_FOLDER}/{LATEST}{suffix}", ExtraArgs=extra)
    return sent


def download(bucket: str, key: str, folder: Path) -> Path:
    """Fetch a dump and what belongs to it into `folder`."""
    dump = folder / key.rsplit("/", 1)[-1]
    with _client() as client, files.trouble(dump):
        for suffix in (SUM, MANIFEST, ""):
            client.download_file(bucket, key + suffix, str(dump.with_name(dump.name + suffix)))
    return dump


def _text(client: Any, bucket: str, key: str) -> str:
    """Of an object; empty where it is not there."""
    try:
        body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except client.exceptions.NoSuchKey:
        return ""
    return body.decode("ascii", errors="replace")


def _keys(client: Any, bucket: str) -> set[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{FOLDER}/")
    return {entry["Key"] for page in pages for entry in page.get("Contents", ())}
