"""What the environment of a PostgreSQL server says to the allocator of glibc. It is no setting: a server has it from its start.

A COPY takes some MB and frees them at its end. glibc gives them back to the kernel, and each page comes again by a fault: 0.5 a
span in commits of 2,600 spans into the columnstore, 0.09 with this, which is a sixth of the server's CPU there and 3 % on the
rowstore. These are what glibc's own rule comes to, at most, when large blocks are freed (mallopt(3)); a committer's server
process had 4 MB after a flood of spans of 0.5 KB, and 19 instead of 11 after one of 16 KB. Other allocators pass it by.
"""

from __future__ import annotations

SERVER_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2),
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
}
