"""Laws of batches of fixed sizes, with a network that can be done in the head."""

import numpy as np
import pytest

from facemesh_ros.buckets import BUCKETS, Buckets, bucket_of, chunks

COUNTS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 33, 255, 256, 257, 600]


class Doubling:
    """A batch that reads and writes buffers of its own, as one on a device does."""

    def __init__(self, rows):
        self.rows = rows
        self.image, self.output = np.full((rows, 2), -1.0, np.float32), np.zeros((rows, 2), np.float32)

    def run(self, images):
        assert len(images) <= self.rows
        self.image[: len(images)] = images
        self.output[:] = 2 * self.image
        return self.output[: len(images)].copy(), self.output[: len(images), 0].copy()


def rows(count, start=0):
    return np.arange(start, start + 2 * count, dtype=np.float32).reshape(count, 2)


@pytest.mark.parametrize("count", COUNTS)
def test_every_row_gets_its_own_result_in_order(count):
    doubled, first = Buckets(Doubling).run(rows(count))
    assert np.array_equal(doubled, 2 * rows(count))
    assert np.array_equal(first, doubled[:, 0])


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("prepared", [0, 1, 3, 8])
def test_what_a_run_would_make_first_is_known(prepared, count):
    buckets = Buckets(Doubling, largest=8)
    buckets.prepare(prepared)
    before, is_ready = buckets.made, buckets.are_made_for(count)
    buckets.run(rows(count))
    assert is_ready == (buckets.made == before)


@pytest.mark.parametrize("count", COUNTS)
def test_chunks_cover_all_rows_once_and_none_is_too_large(count):
    parts = list(chunks(count, 8))
    assert np.array_equal(np.concatenate([np.arange(count)[part] for part in parts]), np.arange(count))
    assert all(0 <= part.stop - part.start <= 8 for part in parts)


@pytest.mark.parametrize("count", range(300))
def test_a_bucket_is_the_smallest_that_holds_the_rows(count):
    size = bucket_of(count)
    assert size in BUCKETS
    assert size >= min(count, BUCKETS[-1])
    assert not [smaller for smaller in BUCKETS if count <= smaller < size]


@pytest.mark.parametrize("largest", [1, 8, 64])
@pytest.mark.parametrize("count", COUNTS)
def test_no_batch_is_larger_than_allowed(count, largest):
    buckets = Buckets(Doubling, largest)
    assert np.array_equal(buckets.run(rows(count))[0], 2 * rows(count))
    assert max(buckets.made) <= largest


def test_a_result_is_not_overwritten_by_the_next_run():
    buckets = Buckets(Doubling)
    first, _ = buckets.run(rows(3))
    kept = first.copy()
    buckets.run(rows(3, start=100))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize(("needed", "made"), [(1, (1,)), (4, (1, 2, 4)), (5, (1, 2, 4, 8)), (500, BUCKETS)])
def test_what_is_prepared_holds_every_batch_up_to_what_is_needed(needed, made):
    order = []
    buckets = Buckets(lambda size: order.append(size) or Doubling(size))
    buckets.prepare(needed)
    assert buckets.made == made
    assert order[0] == made[-1] and order[1:] == list(made[:-1]), "the largest first, then from the smallest on"
    buckets.run(rows(min(needed, 256)))
    assert buckets.made == made


def test_for_no_rows_nothing_is_prepared():
    buckets = Buckets(Doubling)
    buckets.prepare(0)
    assert buckets.made == ()


def test_a_batch_that_cannot_be_made_is_tried_again():
    sizes = []

    def make(size):
        sizes.append(size)
        if len(sizes) == 1:
            raise MemoryError
        return Doubling(size)

    buckets = Buckets(make)
    with pytest.raises(MemoryError):
        buckets.run(rows(2))
    assert np.array_equal(buckets.run(rows(2))[0], 2 * rows(2))
