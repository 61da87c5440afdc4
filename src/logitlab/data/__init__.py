"""Where the rows come from."""

import os

# Polars' allocator (jemalloc) keeps freed memory for a while. A table is let go piece by piece while its matrix grows: given
# back soon, the two never stand in memory together. Given back at once, it would be asked for again at once wherever a table
# goes through memory part by part, in three times the time. It reads this when polars is first imported.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:20,muzzy_decay_ms:20")
