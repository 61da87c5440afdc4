"""Where the rows come from."""

import os

# Polars' allocator (jemalloc) keeps freed memory for a while. A table is let go piece by piece while its matrix grows:
# given back at once, the two never stand in memory together. It reads this when polars is first imported.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
