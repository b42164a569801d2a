"""The sizes that layouts are cut in."""

from __future__ import annotations

# Rounding folds are cut in blocks of this many elements, whose results are summed in double: as
# accurate as NumPy's pairwise sums, and each block keeps the vector width of its dtype.
FOLD_BLOCK = 1024
# Rows that are folded into a stretch of accumulators at once.
BAND_ROWS = 4
# The elements of one block of a split kernel: one unit of work for a thread.
SPLIT_BLOCK = 8192
# Height and width of the squares that are turned in working memory where operands lie across the
# loops: each line of memory is read once. Rows of 64 fill the vectors of an unrolled loop; 32 do not.
SQUARE = 64
# Side of the squares that are turned in registers.
SIDE = 8
# Columns whose accumulators are kept at once; they stay in the first-level cache.
COLUMN_BLOCK = 256
# Numbers from here on tell scratch arrays apart from slots of the argument table.
SCRATCH_SLOT = 512
